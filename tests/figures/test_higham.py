"""H's figures hold the pictures that they were given, in their places, and count rightly."""

import numpy as np
import pytest

from fromnoise.figures import denoising_figure, fan_figure, noising_figure, save, sorted_figure, training_figure
from fromnoise.figures.sheet import GAP

RNG = np.random.default_rng(0)


def pictures(n, channels=1, side=8):
    return RNG.integers(0, 256, (n, channels, side, side), dtype=np.uint8)


def tiles(image, n, columns, side=8):
    """The pictures of a drawn grid, (n, side, side)."""
    pixels, step = np.asarray(image.get_array()), side + GAP
    return np.stack([pixels[i // columns * step :, i % columns * step :][:side, :side] for i in range(n)])


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def inside(figure):
    """Whether all words and pictures lie on the paper."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [artist.get_window_extent() for artist in (*figure.axes[0].texts, *figure.axes[0].images)]
    return all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


def test_the_training_pictures_are_all_there():
    x = pictures(64)
    figure = training_figure(x)
    assert np.array_equal(tiles(figure.axes[0].images[0], 64, 8), x[:, 0])
    assert figure.get_figwidth() <= 6.8


@pytest.mark.parametrize("count", [2, 8, 12])
def test_a_row_of_states_has_the_states_in_order(count):
    states = pictures(count)
    figure = noising_figure(list(states), [float(t) for t in range(count)])
    shown = [np.asarray(image.get_array()) for image in figure.axes[0].images]
    assert np.array_equal(shown, states[:, 0])
    lefts = [image.get_extent()[0] for image in figure.axes[0].images]
    assert lefts == sorted(lefts)
    assert words(figure) == [f"t = {t}" for t in range(count)]
    assert inside(figure)
    assert figure.get_figwidth() <= 6.8 + 1e-9


def test_backward_runs_are_square_grids_under_their_times():
    states = [pictures(9) for _ in range(5)]
    figure = denoising_figure(states, [1000.0, 750.0, 500.0, 250.0, 0.0])
    for image, x in zip(figure.axes[0].images, states, strict=True):
        assert np.array_equal(tiles(image, 9, 3), x[:, 0])
    assert words(figure)[0] == "t = 1000"
    assert inside(figure)


def test_bands_are_classes_the_surest_first():
    x = pictures(60)
    labels = np.array([0] * 25 + [2] * 35)
    confidence = RNG.uniform(0.5, 1, 60)
    figure = sorted_figure(x, labels, confidence, ["a", "b", "c"], sure=0.9)
    assert [text for text in words(figure) if text.startswith("n = ")] == ["n = 25", "n = 0", "n = 35"]
    first, third = figure.axes[0].images
    for image, k in ((first, 0), (third, 2)):
        own = np.flatnonzero(labels == k)
        order = own[np.argsort(-confidence[own], kind="stable")]
        assert np.array_equal(tiles(image, len(own), 22), x[order, 0])
    unsure = confidence < 0.9
    assert len(figure.axes[0].patches) == unsure.sum()
    assert f"{(unsure & (labels == 2)).sum()} unsure" in words(figure)
    assert f"{unsure.sum()} of 60" in words(figure)[-1]
    assert inside(figure)


def test_a_frame_lies_around_its_picture():
    x, confidence = pictures(25), np.ones(25)
    confidence[7] = 0.1  # the least sure is the last: second row, third picture
    figure = sorted_figure(x, np.zeros(25, int), confidence, ["a"])
    (frame,) = figure.axes[0].patches
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    step = (right - left + GAP * (right - left) / (22 * (8 + GAP) - GAP)) / 22
    middle = frame.get_x() + frame.get_width() / 2, frame.get_y() + frame.get_height() / 2
    gap = step * GAP / (8 + GAP)
    assert middle[0] == pytest.approx(left + 2.5 * step - gap / 2)
    assert middle[1] == pytest.approx(bottom + (step - gap) / 2)
    assert top > frame.get_y() + frame.get_height()


@pytest.mark.parametrize("origins", [1, 2])
def test_a_fan_has_its_origins_left_and_its_results_right(origins):
    begin, x = pictures(origins), pictures(9)
    figure = fan_figure([(f"origin {k}", picture) for k, picture in enumerate(begin)], x)
    results, *left = figure.axes[0].images
    assert np.array_equal(tiles(results, 9, 3), x[:, 0])
    assert np.array_equal([np.asarray(image.get_array()) for image in left], begin[:, 0])
    assert all(image.get_extent()[1] < results.get_extent()[0] for image in left)
    last = left[-1].get_extent()
    (arrow,) = figure.axes[0].patches
    assert last[2] < arrow.get_path().vertices[0, 1] < last[3]  # the runs begin from the last origin
    assert inside(figure)


def test_colours_and_oblong_pictures_can_be_drawn(tmp_path):
    x = RNG.uniform(-2, 2, (9, 3, 6, 9))
    for name, figure in {
        "a": training_figure(x),
        "b": fan_figure([("a", x[0]), ("b", x[1])], x),
        "c": sorted_figure(x, np.zeros(9, int), np.zeros(9), ["a", "b"]),
        "d": denoising_figure([x, x], [1.0, 0.0]),
    }.items():
        assert inside(figure)
        save(figure, tmp_path / f"{name}.png")


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match="a state a time: 2 states, 1 times"):
        noising_figure(list(pictures(2)), [0])
    with pytest.raises(ValueError, match=r"shape \(n, C, H, W\)"):
        training_figure(np.zeros((8, 8)))
    with pytest.raises(ValueError, match="one label and one confidence"):
        sorted_figure(pictures(2), [0], [1.0], ["a"])
