"""The exact Wasserstein distance beside POT's and beside closed forms."""

from __future__ import annotations

import ot
import pytest
import torch

from fromnoise.evaluation import wasserstein


def cloud(n: int, seed: int, d: int = 3) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_is_what_pot_finds() -> None:
    a, b = cloud(80, 0), 2 * cloud(80, 1) + 1
    cost = ot.dist(a.numpy(), b.numpy())
    assert wasserstein(a, b) == pytest.approx(ot.emd2([], [], cost) ** 0.5, rel=1e-9)


def test_a_shift_costs_its_length_and_order_nothing() -> None:
    a = cloud(200, 0)
    gap = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
    assert wasserstein(a, a[torch.randperm(200)] + gap) == pytest.approx(float(gap.norm()), rel=1e-9)


def test_in_one_dimension_it_is_sorting() -> None:
    a, b = cloud(300, 0, 1), cloud(300, 1, 1) ** 3
    assert wasserstein(a, b) == pytest.approx(float((a.sort(0).values - b.sort(0).values).square().mean().sqrt()))


def test_sets_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="n points"):
        wasserstein(cloud(3, 0), cloud(4, 0))
