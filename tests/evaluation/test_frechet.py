"""The Fréchet distance of Gaussians whose distance is known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.evaluation import frechet


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
