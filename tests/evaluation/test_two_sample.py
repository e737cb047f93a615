"""A classifier is at chance where laws are equal, and finds what differs."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import norm

from fromnoise.evaluation import told_apart


def cloud(n: int, seed: int, d: int = 5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_equal_laws_are_at_chance() -> None:
    held = [told_apart(cloud(300, seed), cloud(300, seed + 100)) for seed in range(40)]
    assert sum(one.low <= 0.5 <= one.high for one in held) >= 35
    assert abs(sum(one.value for one in held) / 40 - 0.5) < 0.02


def test_what_it_was_trained_on_is_not_what_it_is_judged_on() -> None:
    """In many dimensions a network knows few rows by heart."""
    held = [told_apart(cloud(100, seed, 200), cloud(100, seed + 100, 200)) for seed in range(20)]
    assert abs(sum(one.value for one in held) / 20 - 0.5) < 0.05


def test_a_shift_is_told_as_well_as_it_can_be() -> None:
    """The best rule is right with probability Φ(gap / 2)."""
    gap = 1.5
    found = told_apart(cloud(2000, 0) + torch.tensor([gap, 0, 0, 0, 0]), cloud(2000, 1))
    assert found.low - 0.02 < norm.cdf(gap / 2) < found.high + 0.02


def test_a_wider_law_with_the_same_mean_is_told_apart() -> None:
    assert told_apart(2 * cloud(2000, 0), cloud(2000, 1)).low > 0.7


def test_units_and_constant_features_do_not_matter() -> None:
    a, b = cloud(400, 0), cloud(400, 1) + 0.5
    scale, centre = torch.tensor([1e-6, 1, 1e6, 3, 2]), torch.tensor([5, 1e3, 0, 0, 0])
    first = told_apart(torch.cat([a, torch.ones(400, 1)], 1), torch.cat([b, torch.ones(400, 1)], 1))
    second = told_apart(
        torch.cat([a * scale + centre, torch.ones(400, 1)], 1), torch.cat([b * scale + centre, torch.ones(400, 1)], 1)
    )
    assert first.value == pytest.approx(second.value, abs=0.05)
    assert second.low > 0.5


@pytest.mark.parametrize(("a", "b"), [((19, 2), (99, 2)), ((99, 2), (99, 3)), ((99,), (99,))])
def test_what_cannot_be_compared_is_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"at least 20|compared"):
        told_apart(torch.zeros(a), torch.zeros(b))


def test_a_spiral_is_told_from_a_cloud_of_its_mean_and_deviation() -> None:
    """Which a network of one small layer, trained on a few hundred, does not see."""
    from fromnoise.data import load

    roll = torch.from_numpy(load("swissroll", n=600).rows)
    noise = roll.mean(0) + roll.std(0) * torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    assert told_apart(noise, roll).low > 0.75
    assert told_apart(torch.from_numpy(load("swissroll", n=600, seed=1).rows), roll).low < 0.5
