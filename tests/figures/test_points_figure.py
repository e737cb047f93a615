"""Clouds and samples of any kind."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from fromnoise.figures import draw_samples, grid, save, scatter, style
from fromnoise.figures.style import PALETTE, new_figure

RNG = np.random.default_rng(0)


def test_every_point_is_drawn_and_the_reference_lies_behind():
    points, reference = RNG.normal(size=(50, 2)), RNG.normal(size=(70, 2))
    behind, cloud = scatter(torch.tensor(points), reference=reference).axes[0].lines
    assert np.array_equal(cloud.get_xydata(), points)
    assert np.array_equal(behind.get_xydata(), reference)
    assert behind.get_zorder() <= cloud.get_zorder()


def test_more_points_are_smaller_and_fainter():
    looks = [scatter(RNG.normal(size=(n, 2))).axes[0].lines[0] for n in (500, 5000, 50_000)]
    assert [line.get_markersize() for line in looks] == sorted((line.get_markersize() for line in looks), reverse=True)
    alphas = [line.get_alpha() for line in looks]
    assert alphas[0] > alphas[1] > alphas[2]


def test_at_most_fifty_thousand_are_drawn_from_all_of_them():
    points = np.arange(400_000.0).reshape(-1, 2)
    drawn = scatter(points).axes[0].lines[0].get_xydata()
    assert len(drawn) == 50_000
    assert np.array_equal(drawn[[0, -1]], points[[0, -1]])


def test_points_that_are_not_finite_are_left_out():
    points = np.array([[0.0, 1.0], [np.nan, 0.0], [1.0, np.inf]])
    assert scatter(points).axes[0].lines[0].get_xydata().tolist() == [[0.0, 1.0]]


def test_limits_hold_and_axes_can_be_given():
    with style():
        figure, axes = new_figure(3, 3)
    assert scatter(RNG.normal(size=(9, 2)), axes[0, 0], limits=((-1, 2), (-3, 4))) is figure
    figure.canvas.draw()
    assert axes[0, 0].get_xlim() == (-1, 2)
    assert axes[0, 0].get_ylim() == (-3, 4)


def test_one_column_is_a_histogram_of_density_one():
    stairs = scatter(RNG.normal(size=(500, 1))).axes[0].patches[0].get_data()
    assert (stairs.values * np.diff(stairs.edges)).sum() == pytest.approx(1)


def test_many_columns_are_pairs_with_names():
    figure = scatter(RNG.normal(size=(20, 6)), columns=list("abcdef"))
    axes = np.array(figure.axes).reshape(4, 4)
    assert [ax.get_xlabel() for ax in axes[3]] == list("abcd")
    assert [ax.get_ylabel() for ax in axes[:, 0]] == list("abcd")
    assert "2 more" in figure.get_suptitle()


def test_classes_have_their_colours():
    points, labels = RNG.normal(size=(9, 2)), np.arange(9) % 3
    lines = scatter(points, labels=torch.tensor(labels), classes=("a", "b", "c")).axes[0].lines
    for k, line in enumerate(lines):
        assert np.array_equal(line.get_xydata(), points[labels == k])
        assert line.get_color() == PALETTE[k]


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_none_and_one_can_be_drawn(n, d, tmp_path):
    save(scatter(np.zeros((n, d))), tmp_path / "a.png")


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        scatter(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="same columns"):
        scatter(np.zeros((2, 2)), reference=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="labels"):
        scatter(np.zeros((2, 2)), labels=np.zeros(3), classes=("a", "b"))


def test_samples_are_drawn_by_their_kind():
    images = RNG.uniform(-1, 1, (4, 1, 8, 8))
    drawn = draw_samples(images, "images")
    assert isinstance(drawn, Image.Image)
    assert np.array_equal(np.asarray(drawn), np.asarray(grid(images)))
    for kind, shape in (("points", (9, 2)), ("fields", (3, 2, 4, 6)), ("fields", (3, 2, 9))):
        assert isinstance(draw_samples(RNG.normal(size=shape), kind), Figure)
    with pytest.raises(ValueError, match="kind"):
        draw_samples(images, "sounds")


def test_classes_in_turn_are_columns():
    images = RNG.uniform(-1, 1, (10, 1, 8, 8))
    in_turn = draw_samples(images, "images", labels=np.arange(10) % 5, classes=tuple("abcde"))
    assert np.array_equal(np.asarray(in_turn), np.asarray(grid(images, columns=5)))


def test_maps_share_their_colours():
    fields = np.stack([np.full((2, 3, 3), 1.0), np.full((2, 3, 3), 5.0)])
    fields[:, 1] *= 10
    figure = draw_samples(fields, "fields", columns=("u", "v"))
    panels = [ax.images[0] for ax in figure.axes if ax.images]
    assert [panel.get_clim() for panel in panels] == [(1, 5), (10, 50), (1, 5), (10, 50)]
    assert [ax.get_title() for ax in figure.axes[:2]] == ["u", "v"]
    assert np.array_equal(panels[3].get_array(), fields[1, 1])


def test_curves_carry_the_values():
    fields = RNG.normal(size=(3, 2, 7))
    figure = draw_samples(fields, "fields")
    assert np.array_equal(figure.axes[1].lines[2].get_ydata(), fields[2, 1])
