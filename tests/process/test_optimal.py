"""The variance that a denoiser's means imply, beside the exact one."""

import pytest
import torch

from fromnoise.process import Denoised, analytic_variance, at, linear, with_variance
from fromnoise.sampling import DDIM, sample, strided
from laws import ISLANDS, TWINS

TIMES = torch.arange(1.0, 1001.0, 37)


def narrow(x, n):
    return Denoised(TWINS(x, n).mean)


def test_it_is_the_mean_of_the_exact_variance():
    """Also between the times at which it was measured."""
    generator = torch.Generator().manual_seed(0)
    x_0 = TWINS.sample(40_000, generator)
    var = analytic_variance(narrow, linear(1000), x_0, TIMES, lambda x: torch.randn(x.shape, generator=generator).to(x))
    for t in (1, 30, 55.5, 200, 600):
        n = at(linear(1000), t)
        x_t = n.alpha * x_0 + n.sigma * torch.randn(x_0.shape, generator=generator, dtype=torch.float64)
        assert float(var(n)) == pytest.approx(float(TWINS(x_t, n).var.mean()), rel=0.06)


def test_few_steps_of_the_chain_are_wide_enough_with_it():
    """Twenty ancestral steps: without a variance the spread is far too small, with it nearly right."""
    generator = torch.Generator().manual_seed(0)
    x_0 = ISLANDS.sample(20_000, generator)

    def randn(x):
        return torch.randn(x.shape, generator=generator, dtype=x.dtype)

    def bare(x, n):
        return Denoised(ISLANDS(x, n).mean)

    var = analytic_variance(bare, linear(1000), x_0, TIMES, randn)
    gaps = []
    for denoise in (bare, with_variance(bare, var)):
        x = sample(denoise, DDIM(1.0), strided(linear(1000), 20), randn(x_0), randn=randn)
        right = x[:, 0] > 0
        gaps.append(abs(float(x[right, 1].var()) - 0.1) / 0.1)
    assert gaps[1] < 0.5 * gaps[0], gaps


def test_levels_of_a_batch():
    var = analytic_variance(narrow, linear(1000), TWINS.sample(500), torch.tensor([10.0, 900.0]))
    x = torch.zeros(3, 1)
    n = at(linear(1000), torch.tensor([1.0, 500.0, 1000.0]), x)
    assert var(n).shape == (3, 1)
    assert with_variance(narrow, var)(x, n).var.shape == x.shape


def test_times_rise():
    with pytest.raises(ValueError, match="must rise"):
        analytic_variance(narrow, linear(10), torch.zeros(2, 1), torch.tensor([3.0, 2.0]))
