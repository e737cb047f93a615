"""Kernel distances beside closed forms on Gaussians, and their intervals."""

from __future__ import annotations

import math

import pytest
import torch

from fromnoise.evaluation import energy_distance, gaussian_mmd, kid, mmd
from fromnoise.evaluation.kernel import apart, gaussian, median_width, polynomial


def clouds(n: int, d: int, gap: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return a + gap, b


def by_hand(a: torch.Tensor, b: torch.Tensor, kernel) -> float:
    """All pairs, one by one."""
    n, m = len(a), len(b)
    inner = sum(float(kernel(a[[i]], a[[j]])) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(float(kernel(b[[i]], b[[j]])) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(float(kernel(a[[i]], b[[j]])) for i in range(n) for j in range(m)) / (n * m)
    return inner + other - 2 * across


@pytest.mark.parametrize("kernel", [polynomial, apart, lambda a, b: gaussian(a, b, 0.7)])
def test_all_pairs_are_counted_once(kernel) -> None:
    a, b = clouds(9, 3, 0.5)
    found = mmd(a[:6], b, kernel)
    assert found.value == pytest.approx(by_hand(a[:6], b, kernel), rel=1e-10)
    left_out = [by_hand(a[[i for i in range(6) if i != k]], b, kernel) for k in range(6)]
    right_out = [by_hand(a[:6], b[[i for i in range(9) if i != k]], kernel) for k in range(9)]
    var = sum((len(x) - 1) * torch.tensor(x).double().var(correction=0) for x in (left_out, right_out))
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(math.sqrt(var), rel=1e-5)


def test_the_row_blocks_do_not_show(monkeypatch) -> None:
    a, b = clouds(50, 2, 0.3)
    whole = mmd(a, b[:31], apart)
    monkeypatch.setattr("fromnoise.evaluation.kernel.ROWS", 7)
    assert tuple(mmd(a, b[:31], apart)) == pytest.approx(tuple(whole), rel=1e-6)


def test_kid_of_gaussians_is_what_moments_say() -> None:
    """E (x·y/d + 1)³ of independent x ~ N(m, 1), y ~ N(n, 1) in one dimension is 1 + 3mn + 3 E x² E y² + E x³ E y³."""
    m = 0.4
    third = m**3 + 3 * m

    def mean(p: float, q: float, square: float, cube: float) -> float:
        return 1 + 3 * p * q + 3 * square + cube

    truth = mean(m, m, (1 + m**2) ** 2, third**2) + mean(0, 0, 1, 0) - 2 * mean(m, 0, 1 + m**2, 0)
    held = [kid(*clouds(1000, 1, m, seed)) for seed in range(200)]
    assert 0.9 <= sum(one.low <= truth <= one.high for one in held) / 200 <= 0.995
    assert sum(one.value for one in held) / 200 == pytest.approx(truth, rel=0.1)


def test_the_energy_distance_of_shifted_gaussians() -> None:
    """E|N(m, 2)| = 2/√π exp(-m²/4) + m erf(m/2), so 2 E|a - b| - 4/√π."""
    m = 1.0
    folded = 2 / math.sqrt(math.pi) * math.exp(-(m**2) / 4) + m * math.erf(m / 2)
    truth = 2 * folded - 4 / math.sqrt(math.pi)
    held = [energy_distance(*clouds(300, 1, m, seed)) for seed in range(200)]
    assert 0.9 <= sum(one.low <= truth <= one.high for one in held) / 200 <= 0.99


def test_the_gaussian_kernel_of_shifted_gaussians() -> None:
    """E exp(-(x - y)²/2w²) of x - y ~ N(m, 2) is w/√(w² + 2) exp(-m²/2(w² + 2))."""
    m, w = 0.8, 1.3
    truth = 2 * w / math.sqrt(w**2 + 2) * (1 - math.exp(-(m**2) / (2 * (w**2 + 2))))
    held = [mmd(*clouds(300, 1, m, seed), lambda a, b: gaussian(a, b, w)) for seed in range(200)]
    assert 0.9 <= sum(one.low <= truth <= one.high for one in held) / 200 <= 0.99


def test_equal_laws_are_not_told_apart() -> None:
    held = [energy_distance(*clouds(200, 3, 0.0, seed)) for seed in range(200)]
    assert sum(one.low <= 0 <= one.high for one in held) / 200 >= 0.95
    assert abs(sum(one.value for one in held) / 200) < 0.004
    a, b = clouds(300, 3, 1.0)
    assert gaussian_mmd(a, b).low > 0
    assert 1.8 < median_width(b) < 2.8


@pytest.mark.parametrize(("a", "b"), [((3, 2), (3, 3)), ((2, 2), (3, 2)), ((3,), (3,))])
def test_what_cannot_be_compared_is_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 3 rows"):
        kid(torch.zeros(a), torch.zeros(b))
