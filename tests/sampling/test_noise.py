"""Streams: Philox against its published vectors, the normals against their law, batches against each other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fromnoise.sampling import Streams
from fromnoise.sampling.noise import philox
from laws import z_value

ONES = 0xFFFFFFFF
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN, ids=["zeros", "ones", "pi"])
def test_philox_known_answers(counter, key, expected):
    """The three vectors of Philox-4x32-10 that its authors publish with Random123."""
    words = philox(tuple(torch.tensor(c) for c in counter), key)
    assert tuple(word.item() for word in words) == expected


def draw(n, d, seed=1, first=0, k=0):
    return Streams(seed, first, n, draw=k)(torch.empty(n, d, dtype=torch.float64))


def test_standard_normal():
    """Mean, variance, skewness, kurtosis and Kolmogorov–Smirnov on a million numbers."""
    x = draw(1000, 1000).flatten()
    for power, moment in enumerate([0, 1, 0, 3, 0, 15], start=1):
        assert z_value(x**power, float(moment)).abs() < 4
    assert stats.kstest(x[:200_000].numpy(), "norm").pvalue > 1e-3
    assert 4.5 < x.abs().max() < 6.2


def correlation_z(a, b):
    return z_value((a * b).flatten(), 0.0).abs()


def test_everything_that_differs_is_uncorrelated():
    base = draw(500, 400)
    others = {
        "draw": draw(500, 400, k=1),
        "seed": draw(500, 400, seed=2),
        "high word of the seed": draw(500, 400, seed=1 + 2**32),
        "samples": draw(500, 400, first=500),
        "high word of the sample": draw(500, 400, first=2**32),
        "neighbouring samples": base.roll(1, 0),
        "neighbouring elements": base.roll(1, 1),
        "the pair of Box and Muller": base.roll(100, 1),
    }
    for name, other in others.items():
        assert correlation_z(base, other) < 4, name
        assert correlation_z(base**2 - 1, other**2 - 1) < 4, name


@given(st.integers(0, 2**63 - 1), st.integers(1, 12), st.integers(1, 11), st.integers(1, 9))
def test_a_sample_does_not_depend_on_its_batch(seed, n, split, size):
    split = min(split, n)
    whole = Streams(seed, 0, n)
    parts = [Streams(seed, 0, split), Streams(seed, split, n - split)]
    for _ in range(3):  # the next draws too
        x = torch.zeros(n, size)
        pieces = [s(x[: s.n]) for s in parts if s.n]
        assert whole(x).equal(torch.cat(pieces))


def test_draws_follow_each_other():
    streams = Streams(3, 0, 2)
    x = torch.zeros(2, 5)
    first, second = streams(x), streams(x)
    assert not first.equal(second)
    assert second.equal(Streams(3, 0, 2, draw=1)(x))


def test_shape_and_dtype_follow_x():
    x = torch.zeros(2, 1, 3, 5, dtype=torch.float64)
    assert Streams(0, 0, 2)(x).shape == x.shape
    assert Streams(0, 0, 2)(x).dtype == torch.float64
    assert Streams(0, 0, 2)(x.float()).double().equal(Streams(0, 0, 2)(x))


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_impossible_seeds(seed):
    with pytest.raises(ValueError, match="whole number"):
        Streams(seed)


def test_another_number_of_samples():
    with pytest.raises(ValueError, match="for 3 samples, got 2"):
        Streams(0, n=3)(torch.zeros(2, 1))
