"""K's figures: pictures in order, arrows the right way, a density that is one."""

import numpy as np
import pytest

from fromnoise.figures import chain_figure, clouds_figure, normal_figure, process_figure, save

RNG = np.random.default_rng(0)
STATES = RNG.integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)


def shown(figure):
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def test_the_forward_arrow_goes_to_noise_and_the_reverse_arrow_back():
    figure = process_figure(list(STATES), [0, 200, 400, 600, 800, 1000])
    assert np.array_equal(shown(figure), STATES[:, 0])
    forward, reverse = figure.axes[0].patches
    (begin, end), (back, home) = forward._posA_posB, reverse._posA_posB
    assert begin[0] < end[0]
    assert back[0] > home[0]
    assert begin[1] > back[1]
    said = {text.get_text().partition(":")[0]: text.get_position()[1] for text in figure.axes[0].texts}
    assert said["forward"] > begin[1]
    assert said["reverse"] < back[1]


def test_the_chain_runs_from_noise_to_data_and_q_back():
    figure = chain_figure(list(STATES[:4]))
    assert np.array_equal(shown(figure), STATES[:4, 0])
    lefts = [image.get_extent()[0] for image in figure.axes[0].images]
    assert lefts == sorted(lefts)
    *solid, back = [patch for patch in figure.axes[0].patches if hasattr(patch, "_posA_posB")]
    assert len(solid) == 5
    assert all(arrow._posA_posB[0][0] < arrow._posA_posB[1][0] for arrow in solid)
    assert back._posA_posB[0][0] > back._posA_posB[1][0]
    assert back.get_linestyle() != solid[0].get_linestyle()


def test_the_density_and_its_marginals_are_those_of_the_normal():
    mean, covariance = (-1.5, 0.0), ((1.0, 0.5), (0.5, 0.8))
    figure = normal_figure(mean, covariance)
    top, _, main, side = figure.axes[:4]
    x, p = top.lines[0].get_data()
    assert np.trapezoid(p, x) == pytest.approx(1, abs=2e-3)
    assert np.trapezoid(p * x, x) == pytest.approx(-1.5, abs=2e-3)
    p, y = side.lines[0].get_data()
    assert np.trapezoid(p * y**2, y) == pytest.approx(0.8, rel=1e-2)
    peak = 1 / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
    assert main.collections[0].zmax == pytest.approx(peak)
    inverse = np.linalg.inv(covariance)
    for k, path in zip((1, 2, 3), main.collections[1].get_paths(), strict=True):
        offset = path.vertices - mean
        assert np.sqrt(np.einsum("ni,ij,nj->n", offset, inverse, offset)) == pytest.approx(k, abs=0.02)
    assert main.get_position().width * figure.get_figwidth() == pytest.approx(
        main.get_position().height * figure.get_figheight()
    )
    assert np.diff(main.get_xlim()) == pytest.approx(np.diff(main.get_ylim()))  # so the ellipses are not distorted


@pytest.mark.parametrize("covariance", [((1.0, 2.0), (2.0, 1.0)), ((1.0, 0.5), (0.0, 1.0)), (1.0, 1.0)])
def test_what_is_no_covariance_is_refused(covariance):
    with pytest.raises(ValueError, match="positive definite"):
        normal_figure((0.0, 0.0), covariance)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_clouds_stand_under_their_times(columns, tmp_path):
    clouds = [RNG.normal(size=(50, columns)) for _ in range(6)]
    figure = clouds_figure(clouds, [1000, 640, 360, 160, 40, 0])
    assert [ax.get_title() for ax in figure.axes][::5] == ["t = 1000", "t = 0"]
    if columns > 1:
        for ax, x in zip(figure.axes, clouds, strict=True):
            assert np.array_equal(ax.lines[0].get_xydata(), x[:, :2])
    assert figure.get_figwidth() <= 6.8
    save(figure, tmp_path / "a.png")


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match="four, not 3"):
        chain_figure(list(STATES[:3]))
    with pytest.raises(ValueError, match="1 states, 2 times"):
        process_figure([STATES[0]], [0, 1])
    with pytest.raises(ValueError, match="0 states, 0 times"):
        clouds_figure([], [])
