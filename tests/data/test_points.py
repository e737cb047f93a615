import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fromnoise.data import SOURCES, distance_to_swissroll, load, swissroll_curve
from fromnoise.errors import UserError

POINTS = [name for name in SOURCES if name != "mnist"]


@pytest.mark.parametrize("name", POINTS)
def test_every_density_is_reproducible_and_within_the_range(name):
    one, again, other = (load(name, n=500, seed=seed) for seed in (3, 3, 4))
    assert one.kind == "points"
    assert one.shape == (2,)
    assert one.rows.shape == (500, 2)
    np.testing.assert_array_equal(one.rows, again.rows)
    assert not np.array_equal(one.rows, other.rows)
    assert np.abs(load(name, n=500, noise=0.0).rows).max() <= 1 + 1e-6
    assert one.units.to_own(one.rows) == pytest.approx(one.rows)


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 2.5}, {"n": "many"}, {"n": True}, {"seed": -1}, {"noise": -0.1}])
def test_values_out_of_range_are_named(name, wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        load(name, **wrong)


def test_swissroll_is_the_formula_scaled_by_the_curves_exact_ranges():
    t = np.linspace(1.5 * np.pi, 4.5 * np.pi, 400_001)
    raw = np.stack([t * np.cos(t), t * np.sin(t)], 1)
    low, high = raw.min(0), raw.max(0)
    expected = 2 * (raw - low) / (high - low) - 1
    np.testing.assert_allclose(swissroll_curve(len(t)), expected, atol=1e-9)


def test_the_scaled_curve_touches_all_four_sides_and_no_point_passes_them():
    curve = swissroll_curve(400_001)
    np.testing.assert_allclose(curve.min(0), -1, atol=1e-9)
    np.testing.assert_allclose(curve.max(0), 1, atol=1e-9)
    assert np.abs(curve).max() <= 1 + 1e-14


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 2000), seed=st.integers(0, 2**31))
def test_every_noise_free_point_lies_on_the_curve(n, seed):
    assert distance_to_swissroll(load("swissroll", n=n, seed=seed).rows).max() < 1e-6


def test_swissroll_parameter_is_uniform():
    rows = load("swissroll", n=20_000).rows.astype(float)
    t = np.linspace(1.5 * np.pi, 4.5 * np.pi, 3001)
    curve = swissroll_curve(len(t))
    nearest = np.array([np.argmin(((curve - row) ** 2).sum(1)) for row in rows[:2000]]) / 3000
    assert np.abs(np.sort(nearest) - (np.arange(2000) + 0.5) / 2000).max() < 1.63 / np.sqrt(2000)  # KS, 1 %


def test_swissroll_noise_is_in_the_unscaled_units():
    """The same seed draws the same t, so the difference is the noise alone."""
    calm, blurred = (load("swissroll", n=40_000, noise=noise).rows.astype(float) for noise in (0.0, 0.5))
    t = np.linspace(1.5 * np.pi, 4.5 * np.pi, 100_001)
    width = np.ptp(np.stack([t * np.cos(t), t * np.sin(t)], 1), axis=0)
    np.testing.assert_allclose((blurred - calm).std(0) * width / 2, 0.5, rtol=0.02)


def test_distance_agrees_with_brute_force():
    points = np.random.default_rng(0).uniform(-1.3, 1.3, (60, 2))
    curve = swissroll_curve(200_001)
    brute = [np.sqrt(((curve - point) ** 2).sum(1).min()) for point in points]
    np.testing.assert_allclose(distance_to_swissroll(points), brute, atol=2e-6)


def test_distance_along_the_normal_is_the_offset():
    """As long as the offset is below the radius of the bend and half the gap between the turns."""
    curve = swissroll_curve(300_001)
    at = np.arange(150, 299_850, 1_000)
    tangent = curve[at + 1] - curve[at - 1]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) / np.hypot(*tangent.T)[:, None]
    for offset in (-0.05, -1e-3, 0.0, 1e-3, 0.05):
        found = distance_to_swissroll(curve[at] + offset * normal)
        np.testing.assert_allclose(found, abs(offset), atol=1e-6)


def test_distance_checks_its_input():
    assert distance_to_swissroll(np.zeros((0, 2))).shape == (0,)
    for wrong in (np.zeros(2), np.zeros((3, 3)), np.full((1, 2), np.nan)):
        with pytest.raises(ValueError, match="finite points"):
            distance_to_swissroll(wrong)
    with pytest.raises(ValueError, match="two points"):
        swissroll_curve(1)


def test_labelled_densities_keep_to_their_shapes():
    circles = load("circles", n=1000, factor=0.25)
    np.testing.assert_allclose(np.hypot(*circles.rows.T), np.array([1, 0.25])[circles.labels], rtol=1e-5)
    moons = load("moons", n=1000)
    upper = moons.rows[moons.labels == 0] * [1.5, 0.75] + [0.5, 0.25]
    np.testing.assert_allclose(np.hypot(*upper.T), 1, rtol=1e-5)
    assert upper[:, 1].min() >= -1e-6
    board = load("checkerboard", n=1000, cells=6).rows
    assert (np.floor((board + 1) * 3).sum(1) % 2 == 0).all()
    arms = load("spiral", n=1000, arms=3, turns=2.0)
    radius = np.hypot(*arms.rows.T)
    angle = np.arctan2(arms.rows[:, 1], arms.rows[:, 0]) - 2 * np.pi * (2 * radius + arms.labels / 3)
    np.testing.assert_allclose(np.cos(angle[radius > 0.01]), 1, atol=1e-4)


def test_mixture_has_the_moments_that_it_says():
    data = load("mixture", n=40_000, noise=0.1, components=3, radius=0.5, weights=[1, 1, 2])
    for k, share in enumerate([0.25, 0.25, 0.5]):
        own = data.rows[data.labels == k]
        angle = 2 * np.pi * k / 3
        np.testing.assert_allclose(own.mean(0), [0.5 * np.cos(angle), 0.5 * np.sin(angle)], atol=0.006)
        np.testing.assert_allclose(own.std(0), 0.1, rtol=0.03)
        assert len(own) / 40_000 == pytest.approx(share, abs=0.012)


@pytest.mark.parametrize("weights", [[1, 2], [1, -1, 1], [1, "a", 1], "equal", [0, 0, 0]])
def test_wrong_weights_are_named(weights):
    with pytest.raises(UserError, match="weights"):
        load("mixture", components=3, weights=weights)


def test_picture_puts_points_where_the_ink_is(tmp_path):
    page = Image.new("L", (40, 20), 255)
    page.paste(0, (0, 0, 10, 10))  # the top left, black
    page.paste(128, (30, 10, 40, 20))  # the bottom right, half as dense
    page.save(tmp_path / "page.png")
    rows = load("picture", n=9000, path=str(tmp_path / "page.png")).rows
    left, right = rows[rows[:, 0] < 0], rows[rows[:, 0] >= 0]
    assert left[:, 0].max() <= -0.5
    assert left[:, 1].min() >= 0
    assert left[:, 1].max() <= 0.5
    assert right[:, 0].min() >= 0.5
    assert right[:, 1].max() <= 0
    assert right[:, 1].min() >= -0.5
    assert len(right) / len(left) == pytest.approx(127 / 255, rel=0.1)


def test_picture_explains_what_it_cannot_use(tmp_path):
    Image.new("L", (4, 4), 255).save(tmp_path / "white.png")
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    (tmp_path / "text.png").write_text("no image")
    for name, words in {
        "white": "white all over",
        "clear": "white all over",
        "text": "cannot read",
        "no": "no such",
    }.items():
        with pytest.raises(UserError, match=words):
            load("picture", path=str(tmp_path / f"{name}.png"))
    with pytest.raises(UserError, match="path"):
        load("picture", path=3)
