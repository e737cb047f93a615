"""Ranks, intervals and the energy score know a right conditional law from a wrong one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.evaluation import covered, energy_score, ranks, uniform


def linear(B: int, n: int, width: float = 1.0, shift: float = 0.0, d: int = 3):
    """Truths y + e and draws y + shift + width e', given y."""
    g = torch.Generator().manual_seed(4)
    y, e = (torch.randn(B, d, generator=g, dtype=torch.float64) for _ in range(2))
    return y + shift + width * torch.randn(n, B, d, generator=g, dtype=torch.float64), y + e


@pytest.mark.parametrize(("width", "shift", "right"), [(1.0, 0.0, True), (1.2, 0.0, False), (1.0, 0.2, False)])
def test_ranks_are_uniform_for_the_right_law_alone(width, shift, right):
    draws, truth = linear(1000, 99, width, shift)
    p = uniform(ranks(draws, truth), 99)
    assert (p.min() > 0.01 / 3) == right


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_ranks_know_no_units(seed):
    g = torch.Generator().manual_seed(seed)
    draws, truth = torch.randn(9, 5, 2, generator=g).double(), torch.randn(5, 2, generator=g).double()
    assert torch.equal(ranks(draws, truth), ranks((3 * draws).exp(), (3 * truth).exp()))
    assert torch.equal(ranks(draws, truth), 9 - ranks(-draws, -truth))


@pytest.mark.parametrize(("level", "n"), [(0.5, 199), (0.9, 199), (0.9, 19), (0.5, 3), (0.8, 9)])
def test_intervals_cover_what_they_say(level, n):
    draws, truth = linear(20_000, n, d=2)
    assert (covered(draws, truth, level) - level).abs().max() < 4 * (level * (1 - level) / 20_000) ** 0.5


@pytest.mark.parametrize("level", [0.0, 1.0, 1.2])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        covered(*linear(10, 19), level)


def test_an_interval_of_too_few_draws_is_refused():
    with pytest.raises(ValueError, match="at least 19 draws"):
        covered(*linear(10, 18), 0.9)


def test_the_energy_score_of_a_normal_law():
    """E|X − y| = 2/√π and E|X − X'| = 2/√π for standard normal X, X', y: 1/√π, from two draws as well as from fifty."""
    for n, B in ((2, 40_000), (50, 4000)):
        g = torch.Generator().manual_seed(n)
        draws = torch.randn(n, B, 1, generator=g, dtype=torch.float64)
        score = energy_score(draws, torch.randn(B, 1, generator=g, dtype=torch.float64))
        assert abs(float(score.mean()) - 1 / math.sqrt(math.pi)) < 4 * float(score.std()) / B**0.5


def test_no_law_has_a_lower_score_than_the_truth():
    right = energy_score(*linear(2000, 50)).mean()
    for wrong in ((0.7, 0.0), (1.4, 0.0), (1.0, 0.4)):
        assert energy_score(*linear(2000, 50, *wrong)).mean() > right


def test_the_energy_score_knows_no_origin():
    """In float32 too, far from 0."""
    draws, truth = (v.float() for v in linear(50, 60))
    assert torch.allclose(energy_score(draws + 1e4, truth + 1e4), energy_score(draws, truth), atol=5e-3)


def test_what_has_no_ranks():
    with pytest.raises(ValueError, match="n draws of each"):
        ranks(torch.zeros(9, 5), torch.zeros(5, 1))
    with pytest.raises(ValueError, match="take 19 draws"):
        uniform(torch.zeros(5, 1, dtype=torch.int64), 9)
    with pytest.raises(ValueError, match="at least 2 draws"):
        energy_score(torch.zeros(1, 5, 1), torch.zeros(5, 1))
