"""Guidance is a map from denoisers to denoisers."""

import pytest
import torch

from fromnoise.process import VP, Denoised, at, linear
from fromnoise.sampling import climbed, extrapolate
from laws import ISLANDS, TWINS

N = at(linear(1000), 400)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 1.0, 3.0])
def test_extrapolate(weight):
    """D_0 + w (D_1 − D_0), with the variance of D_1 (of D_0 at w = 0)."""
    x = torch.randn(5, 2).double()
    base, towards = ISLANDS, ISLANDS.component(1)
    guided = extrapolate(base, towards, weight)(x, N)
    mean_0, mean_1 = base(x, N).mean, towards(x, N).mean
    torch.testing.assert_close(guided.mean, mean_0 + weight * (mean_1 - mean_0))
    assert guided.var.equal((base if weight == 0 else towards)(x, N).var)


def test_weights_0_and_1_call_one_denoiser():
    def never(x, n):
        raise AssertionError("called")

    assert extrapolate(TWINS, never, 0) is TWINS
    assert extrapolate(never, TWINS, 1) is TWINS


def test_extrapolated_score_is_that_of_the_product_law():
    """Tweedie: D_0 + w (D_1 − D_0) has the score of q_0^{1−w} q_1^w, of which guidance is a picture."""
    x = torch.linspace(-1, 1, 5).double()[:, None].requires_grad_()
    one = TWINS.component(0)
    log_q = -1.0 * TWINS.log_prob(x, N) + 2.0 * one.log_prob(x, N)
    (score,) = torch.autograd.grad(log_q.sum(), x)
    guided: Denoised = extrapolate(TWINS, one, 2.0)(x, N)
    torch.testing.assert_close(guided.mean, (x + N.sigma**2 * score) / N.alpha, rtol=0, atol=1e-10)


@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
def test_climbed_adds_the_slope_by_its_weight_where_it_acts(weight):
    """Of log p = x·a the slope is a: E + weight sigma² / alpha a inside the interval, E alone outside of it."""
    law, a = ISLANDS, torch.tensor([0.3, -1.0], dtype=torch.float64)
    x = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    n = at(VP(), 0.5)
    base, step = law(x, n), n.sigma**2 / n.alpha * a
    led = climbed(law, lambda x, n: x @ a, weight)(x, n)
    torch.testing.assert_close(led.mean, base.mean + weight * step)
    torch.testing.assert_close(led.var, base.var)
    lam = float(n.lam)
    inside = climbed(law, lambda x, n: x @ a, weight, interval=(lam - 1, lam + 1))(x, n)
    outside = climbed(law, lambda x, n: x @ a, weight, interval=(lam + 1, lam + 2))(x, n)
    torch.testing.assert_close(inside.mean, led.mean)
    torch.testing.assert_close(outside.mean, base.mean)
    whole = climbed(law, lambda x, n: x @ a, weight, rescale=1.0)(x, n)
    torch.testing.assert_close(whole.mean.std(1), (base.mean + step).std(1))
