"""A data set at a glance."""

import numpy as np
import pytest

from fromnoise.data import Dataset, Units, load
from fromnoise.figures import data_figure, grid, save
from fromnoise.figures.data import choose


def images(n=100, classes=("a", "b")):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (n, 1, 6, 6), dtype=np.uint8)
    return Dataset("images", (1, 6, 6), rows, labels=rng.integers(0, len(classes), n), classes=classes)


def test_pictures_are_the_chosen_rows_and_bars_the_counts():
    data = images()
    figure = data_figure(data, n=9, seed=5)
    chosen = choose(data, 9, 5)
    assert len(set(chosen)) == 9
    assert np.array_equal(figure.axes[0].images[0].get_array(), np.asarray(grid(data.rows[chosen])))
    assert [bar.get_width() for bar in figure.axes[1].patches] == np.bincount(data.labels).tolist()
    assert "100 images" in figure.get_suptitle()


def test_the_seed_chooses():
    assert not np.array_equal(choose(images(), 9, 1), choose(images(), 9, 2))
    assert np.array_equal(choose(images(), 9, 1), choose(images(), 9, 1))


def test_points_are_in_their_own_units():
    rows = np.array([[-1, -1], [1, 1]], np.float32)
    data = Dataset("points", (2,), rows, Units(np.array([10.0, 0.0]), np.array([1.0, 2.0])), columns=("a", "b"))
    ax = data_figure(data).axes[0]
    assert ax.lines[0].get_xydata().tolist() == [[9, -2], [11, 2]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")


def test_a_table_has_a_histogram_a_column():
    rows = np.random.default_rng(0).uniform(-1, 1, (500, 14)).astype(np.float32)
    units = Units(np.full(14, 100.0), np.full(14, 10.0))
    figure = data_figure(Dataset("points", (14,), rows, units, columns=tuple("abcdefghijklmn")))
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown] == list("abcdefghijkl")
    own = units.to_own(rows[:, 0].astype(float)[:, None].repeat(14, 1))[:, 0]
    assert shown[0].get_xlabel() == f"{own.mean():.3g} ± {own.std():.3g}"
    assert "14 columns (the first 12)" in figure.get_suptitle()


@pytest.mark.parametrize("name", ["swissroll", "moons", "mixture"])
def test_built_in_points_can_be_shown(name, tmp_path):
    save(data_figure(load(name, n=300)), tmp_path / "a.png")


def test_many_classes_say_that_there_are_more(tmp_path):
    figure = data_figure(images(500, tuple(f"class {k}" for k in range(50))), n=4)
    assert len(figure.axes[1].patches) == 30
    assert "20 more" in figure.axes[1].get_title()
    save(figure, tmp_path / "a.png")


def test_fields_are_maps_in_their_own_units():
    data = Dataset("fields", (1, 4, 4), np.ones((3, 1, 4, 4), np.float32), Units(np.array(5.0), np.array(2.0)))
    assert (data_figure(data).axes[0].images[0].get_array() == 7).all()


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        data_figure(images(), n=0)
