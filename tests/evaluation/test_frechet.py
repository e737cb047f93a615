"""The Fréchet distance of laws whose distance is known."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.evaluation import frechet, frechet_limit
from fromnoise.evaluation.frechet import _between


def exactly(mean: torch.Tensor, covariance: torch.Tensor, n: int = 400) -> torch.Tensor:
    """n points with exactly this sample mean and covariance."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, len(mean), generator=generator, dtype=torch.float64)
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T
    return mean + x @ torch.linalg.cholesky(covariance).T


@given(scale=st.floats(0.1, 10), gap=st.floats(0, 10), angle=st.floats(0, math.pi))
@settings(max_examples=50, deadline=None)
def test_commuting_and_turned_gaussians(scale: float, gap: float, angle: float) -> None:
    """|gap|² + Σ (√a_i − √b_i)² where both covariances have the same axes, whatever these axes are."""
    c, s = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    a, b = torch.tensor([4.0, 0.25]).double(), torch.tensor([scale, 9.0]).double()
    first = exactly(torch.zeros(2).double(), turn @ a.diag() @ turn.T)
    second = exactly(torch.tensor([gap, 0.0]).double(), turn @ b.diag() @ turn.T)
    true = gap**2 + float((a.sqrt() - b.sqrt()).square().sum())
    assert frechet(first, second) == pytest.approx(true, rel=1e-6, abs=1e-6)


def test_covariances_that_do_not_commute() -> None:
    """In two dimensions tr √(AB) = √(tr AB + 2 √(det A det B))."""
    a = torch.tensor([[2.0, 0.9], [0.9, 1.0]]).double()
    b = torch.tensor([[1.0, -0.6], [-0.6, 3.0]]).double()
    cross = torch.sqrt((a @ b).trace() + 2 * torch.sqrt(a.det() * b.det()))
    true = float(a.trace() + b.trace() - 2 * cross)
    zero = torch.zeros(2).double()
    assert frechet(exactly(zero, a), exactly(zero, b)) == pytest.approx(true, rel=1e-6)


def test_fewer_pictures_than_features_give_a_real_number() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 20, 128, generator=generator)
    assert frechet(a, a) == pytest.approx(0, abs=1e-4)
    assert math.isfinite(frechet(a, b))
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-6)


@pytest.mark.parametrize(("a", "b"), [((3, 2), (3, 3)), ((1, 2), (3, 2)), ((3,), (3,))])
def test_what_cannot_be_compared_is_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 2 features"):
        frechet(torch.zeros(a), torch.zeros(b))


def coverage(cases: Iterable[tuple[torch.Tensor, torch.Tensor]], truth: float) -> tuple[float, float]:
    """The share of intervals, and of one-sided bounds at 95 %, that hold."""
    found = [(frechet_limit(a, b), frechet_limit(a, b, level=0.9)) for a, b in cases]
    both = [two.low <= truth <= two.high for two, _ in found]
    return sum(both) / len(both), sum(truth <= one.high for _, one in found) / len(found)


def drawn(d: int, scale: float, gap: float, squared: bool) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], float]:
    """200 cases of 1,000 rows each, and the true distance."""
    generator = torch.Generator().manual_seed(1)
    widths = torch.linspace(0.5, 1.5, d, dtype=torch.float64)
    a, b = (torch.randn(200, 1000, d, generator=generator, dtype=torch.float64) * widths for _ in range(2))
    if squared:  # means w², standard deviations √2 w²
        a, b, widths = a.square(), b.square(), widths.square()
        truth = 3 * float((widths * scale).square().sum())
        return list(zip(a, b * (1 + scale), strict=True)), truth
    return list(zip(a, b * (1 + scale) + gap, strict=True)), float((widths * scale).square().sum()) + d * gap**2


@pytest.mark.parametrize(
    ("d", "scale", "gap", "squared"),
    [
        (16, 0.2, 0.1, False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((32, 0.0, 0.05, False), (32, 0.1, 0.0, True), (16, 0.1, 0.0, True))
        ),
    ],
)
def test_the_interval_of_the_limit_covers_the_truth(d: int, scale: float, gap: float, squared: bool) -> None:
    """The plug-in value lies outside of many of them, of nearly all in 32 dimensions."""
    cases, truth = drawn(d, scale, gap, squared)
    both, _ = coverage(cases, truth)
    assert 0.9 <= both <= 0.99
    plugged = [frechet(a, b) for a, b in cases[:50]]
    limits = [frechet_limit(a, b) for a, b in cases[:50]]
    missed = [not limit.low <= value <= limit.high for limit, value in zip(limits, plugged, strict=True)]
    assert sum(missed) >= (0.15 if d < 32 else 0.7) * len(missed)


@pytest.mark.parametrize(
    ("d", "squared"), [(16, False), *(pytest.param(32, squared, marks=pytest.mark.slow) for squared in (False, True))]
)
def test_the_bound_of_the_limit_holds_where_there_is_no_distance(d: int, squared: bool) -> None:
    cases, truth = drawn(d, 0.0, 0.0, squared)
    assert truth == 0
    both, upper = coverage(cases, truth)
    assert min(both, upper) >= 0.9
    values = torch.tensor([frechet_limit(a, b).value for a, b in cases])
    assert abs(float(values.mean())) < 0.05 * frechet(*cases[0])


def test_rows_add_to_the_distance_what_they_are_said_to() -> None:
    """A row of twice the weight changes the plug-in distance by what the derivative says."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 60, 3, generator=generator, dtype=torch.float64)
    b = 1.5 * b + 0.3
    added = _between(a, b).added(a, b)
    for k in (0, 7):
        for x, told, way in ((a, added[0], lambda x: frechet(x, b)), (b, added[1], lambda x: frechet(a, x))):
            copies = torch.cat([x.repeat(400, 1), x[k : k + 1]])
            change = (way(copies) - way(x.repeat(400, 1))) * len(copies)
            assert change == pytest.approx(float(told[k] - told.mean()), rel=0.03)


def test_too_few_rows_for_so_many_directions_are_refused() -> None:
    """The halves of 60 rows do not span 128 directions: the limit would be 76 where the truth is 0."""
    a, b = torch.randn(2, 60, 128, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="60 rows are too few"):
        frechet_limit(a, b)
    thin = torch.tensor([1.0 / (k + 1) for k in range(128)])
    found = frechet_limit(a * thin, b * thin)  # few directions have most of the spread
    assert found.low < 0 < found.high


def test_halves_need_four_rows() -> None:
    with pytest.raises(ValueError, match="too few"):
        frechet_limit(torch.zeros(3, 2), torch.zeros(9, 2))
