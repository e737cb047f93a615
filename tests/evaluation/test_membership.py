"""Membership: the area under the curve, its interval, and denoising errors of a model whose error is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

import fromnoise as fn
from fromnoise.evaluation import auc, denoising_errors
from fromnoise.process import CLEAN, at, diffuse
from fromnoise.sampling import Streams


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=30),
    st.lists(st.integers(0, 5), min_size=2, max_size=30),
)
@settings(max_examples=100, deadline=None)
def test_the_area_is_what_sorting_gives(low: list[int], high: list[int]) -> None:
    found = auc(torch.tensor(low).double(), torch.tensor(high).double())
    assert found.value == pytest.approx(roc_auc_score([0] * len(low) + [1] * len(high), low + high))


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_the_interval_covers_what_gaussians_have(gap: float) -> None:
    truth, held = norm.cdf(gap / 2**0.5), 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        found = auc(torch.randn(120, generator=generator), torch.randn(80, generator=generator) + gap)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_errors_are_those_of_each_level_by_its_signal_to_noise() -> None:
    model, x_0 = fn.load("swissroll"), torch.randn(5, 2, generator=torch.Generator().manual_seed(0)) / 3
    found = denoising_errors(model, x_0, depths=(0.2, 0.5), seed=3)
    randn, by_hand = Streams(3, 0, 5), 0
    for depth in (0.2, 0.5):
        level = at(model.schedule, round(depth * model.schedule.T), x_0)
        with torch.no_grad():
            mean = model.denoiser()(diffuse(x_0, CLEAN, level, randn), level).mean
        by_hand = by_hand + float(level.alpha / level.sigma) ** 2 * (mean - x_0).square().mean(1)
    assert torch.allclose(found.float(), by_hand, rtol=1e-5)
    assert not torch.allclose(found, denoising_errors(model, x_0, depths=(0.2, 0.5), seed=4))


def test_training_data_of_a_model_that_has_them_by_heart_are_known() -> None:
    """Whatever it is shown, its guess is the nearest of four pictures."""
    model = fn.load("swissroll")
    kept = torch.tensor([[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]])

    class Memory(torch.nn.Module):
        def forward(self, x, *_):
            return kept[torch.cdist(x, kept).argmin(1)]

    clone = model.with_network(Memory())
    clone.denoiser = lambda labels=None: lambda x, n: fn.process.Denoised(Memory()(x))
    members, others = kept.repeat(25, 1), torch.randn(100, 2, generator=torch.Generator().manual_seed(0)) * 0.7
    found = auc(*(denoising_errors(clone, x, depths=(0.02, 0.05)) for x in (members, others)))
    assert found.low > 0.9


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="depths"):
        denoising_errors(fn.load("swissroll"), torch.zeros(2, 2), depths=(0.0,))
    with pytest.raises(ValueError, match="at least 2"):
        auc(torch.zeros(1), torch.zeros(2))
