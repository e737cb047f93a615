"""Intervals hold the truth as often as they say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from fromnoise.evaluation import blocks, normal, share


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_the_normal_interval(level: float) -> None:
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    found = normal(0.0, 1.0, level)
    assert float(((x > found.low) & (x < found.high)).double().mean()) == pytest.approx(level, abs=0.005)
    assert found.level == level


@pytest.mark.parametrize("p", [0.001, 0.02, 0.3, 0.5, 0.97])
def test_a_share_lies_in_its_interval(p: float) -> None:
    """Exactly summed over all counts: Wilson's interval covers 95 % on average, and never much less."""
    covered = 0.0
    for count in range(501):
        found = share(count, 500)
        covered += float(binom.pmf(count, 500, p)) * (found.low <= p <= found.high)
    assert 0.9 < covered < 0.995


@given(n=st.integers(1, 10**6), part=st.floats(0, 1))
def test_shares_stay_shares(n: int, part: float) -> None:
    count = round(n * part)
    found = share(count, n)
    assert 0 <= found.low <= found.value + 1e-12 <= found.high + 2e-12 <= 1 + 3e-12


@pytest.mark.parametrize(("count", "n"), [(2, 1), (-1, 5), (0, 0)])
def test_a_share_of_nothing_is_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="share"):
        share(count, n)


def test_blocks_of_a_mean_cover_it() -> None:
    generator = torch.Generator().manual_seed(0)
    held = 0
    for _ in range(400):
        a, b = torch.randn(100, generator=generator), torch.randn(200, generator=generator)
        [found] = blocks(lambda a, b: [float(a.mean() - b.mean())], a, b)
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 400 <= 0.98
