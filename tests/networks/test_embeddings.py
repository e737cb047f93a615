"""The features of time, label and coordinates against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.networks.embeddings import Condition, Fourier, Labels, join, sinusoidal


@settings(deadline=None)
@given(dim=st.integers(1, 33), time=st.floats(0, 1), scale=st.sampled_from([1.0, 40.0, 1000.0]))
def test_sinusoids_against_the_formula(dim: int, time: float, scale: float) -> None:
    """sin, then cos, of scale * time * 10000^(-i / (n - 1)), n = ceil(dim / 2) (Ho et al.'s code)."""
    count = math.ceil(dim / 2)
    angles = [scale * time * 10_000 ** (-i / max(count - 1, 1)) for i in range(count)]
    expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    result = sinusoidal(torch.tensor([time], dtype=torch.float64), dim, scale=scale)
    assert result.shape == (1, dim)
    torch.testing.assert_close(result[0].tolist(), expected[:dim], atol=1e-9, rtol=0)


def test_all_of_a_thousand_times_are_told_apart() -> None:
    waves = sinusoidal(torch.arange(1, 1001) / 1000, 16).double()
    gaps = torch.cdist(waves, waves) + 10 * torch.eye(1000)
    assert gaps.min() > 0.1


def test_half_precision_times_are_computed_in_float32() -> None:
    assert sinusoidal(torch.tensor([0.5], dtype=torch.bfloat16), 8).dtype == torch.float32


def test_no_features_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        sinusoidal(torch.zeros(1), 0)


def test_fourier_features_are_sines_and_cosines_of_the_kept_projections() -> None:
    features, x = Fourier(3, 5, scale=2.0).double(), torch.randn(4, 3, dtype=torch.float64)
    sines, cosines = features(x).chunk(2, dim=1)
    torch.testing.assert_close(torch.atan2(sines, cosines).sin(), (x @ features.frequencies).sin())
    torch.testing.assert_close(sines**2 + cosines**2, torch.ones_like(sines))


def test_fourier_frequencies_have_the_asked_scale() -> None:
    torch.manual_seed(0)
    assert Fourier(100, 1000, scale=3.0).frequencies.std().item() == pytest.approx(3.0, rel=0.01)
    assert Fourier(2, 0)(torch.zeros(4, 2)).shape == (4, 0)


def test_labels_have_one_row_more_than_classes() -> None:
    labels = Labels(3, 5)
    assert sum(p.numel() for p in labels.parameters()) == 4 * 5
    with pytest.raises(IndexError):
        labels(torch.tensor([4]), 1)
    assert not list(Labels(0, 5).parameters())


def test_condition_depends_on_its_time_scale() -> None:
    torch.manual_seed(0)
    one = Condition(8, 4, time_scale=1000.0)
    other = Condition(8, 4, time_scale=40.0)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(one(torch.tensor([0.04])), other(torch.tensor([1.0])))


def test_join_puts_extra_behind_x() -> None:
    x, extra = torch.randn(2, 3, 4, 4), torch.randn(2, 1, 4, 4)
    joined = join(x, extra, 1)
    assert torch.equal(joined[:, :3], x)
    assert torch.equal(joined[:, 3:], extra)
