"""Exact denoisers against quadrature, autograd and brute force."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import (
    CLEAN,
    VP,
    Empirical,
    GaussianMixture,
    Level,
    at,
    denoising_loss,
    gaussian_log_prob,
    linear,
)
from laws import ISLANDS, TWINS, derivative, gaussian, grid, linear_denoiser, moment_z, seeded, z_value

LEVELS = [at(linear(1000), t) for t in (1, 30, 200, 500, 1000)]
each_level = pytest.mark.parametrize("n", LEVELS, ids=lambda n: f"t={n.t:g}")
TILTED = GaussianMixture(
    [1.0, 2.0], [[-1.0, 0.5], [0.8, -0.3]], [[[0.06, 0.03], [0.03, 0.05]], [[0.04, -0.02], [-0.02, 0.09]]]
)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.05, 4), st.integers(1, 4))
def test_gaussian_density(x, mean, std, d):
    """K (1) in one dimension, H (3.1) in d: (2π)^{d/2} σ^d, where K (2) prints σ (2π)^{1/d}."""
    at_x, centre = (torch.full((1, d), v, dtype=torch.float64) for v in (x, mean))
    log_density = -0.5 * ((x - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))
    assert gaussian_log_prob(at_x, centre, std).item() == pytest.approx(d * log_density, rel=1e-12, abs=1e-12)


@each_level
def test_mixture_is_the_posterior_by_quadrature(n):
    """E and Var of x_0 | x_t from Bayes' rule on a grid, one dimension."""
    x_0, h = grid(-4, 4, 20_001)
    prior = sum(
        w * torch.exp(-0.5 * (x_0 - m) ** 2 / v) / (2 * math.pi * v) ** 0.5
        for w, m, v in zip(TWINS.weights, TWINS.means[:, 0], TWINS.covariances[:, 0, 0], strict=True)
    )
    x_t = torch.linspace(-2, 2, 9).double()[:, None]
    likelihood = torch.exp(-0.5 * ((x_t - n.alpha * x_0) / n.sigma) ** 2) / (2 * math.pi) ** 0.5 / n.sigma
    joint = prior * likelihood * h
    evidence = joint.sum(1)
    mean = (joint * x_0).sum(1) / evidence
    var = (joint * (x_0 - mean[:, None]) ** 2).sum(1) / evidence
    denoised = TWINS(x_t, n)
    torch.testing.assert_close(denoised.mean[:, 0], mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(denoised.var[:, 0], var, rtol=0, atol=1e-8)
    torch.testing.assert_close(TWINS.log_prob(x_t, n), evidence.log(), rtol=0, atol=1e-8)


@each_level
def test_tweedie(n):
    """mean = (x + σ² ∇ log q)/α; Var = σ²/α² (1 + σ² ∂² log q): derivatives by autograd."""
    x = torch.linspace(-2, 2, 9).double()[:, None].requires_grad_()
    score = derivative(lambda x: TWINS.log_prob(x, n), x)
    second = derivative(lambda x: derivative(lambda y: TWINS.log_prob(y, n), x), x)
    denoised = TWINS(x, n)
    torch.testing.assert_close(denoised.mean, (x + n.sigma**2 * score) / n.alpha, rtol=0, atol=1e-9)
    var = (n.sigma / n.alpha) ** 2 * (1 + n.sigma**2 * second)
    # 1 + σ² ∂² log q cancels to α² Var / σ², so the rounding is that of the factor before it.
    torch.testing.assert_close(denoised.var, var, rtol=0, atol=1e-9 + 1e-13 * float(n.nu**2))


@each_level
def test_tweedie_with_correlation(n):
    """In two dimensions with tilted components: the mean from the gradient, var the Jacobian's diagonal."""
    x = torch.randn(6, 2, dtype=torch.float64, generator=seeded()).requires_grad_()
    (score,) = torch.autograd.grad(TILTED.log_prob(x, n).sum(), x)
    denoised = TILTED(x, n)
    torch.testing.assert_close(denoised.mean, (x + n.sigma**2 * score) / n.alpha, rtol=0, atol=1e-8)
    diagonal = torch.stack(
        [torch.autograd.grad(denoised.mean[:, i].sum(), x, retain_graph=True)[0][:, i] for i in (0, 1)], 1
    )
    torch.testing.assert_close(denoised.var, n.sigma**2 / n.alpha * diagonal, rtol=1e-9, atol=1e-9)


@each_level
def test_mixture_density_integrates_to_one(n):
    x, h = grid(-8, 8, 8001)
    assert (TWINS.log_prob(x[:, None], n).exp().sum() * h).item() == pytest.approx(1, abs=1e-10)


def test_mixture_density_in_two_dimensions():
    x, h = grid(-4, 4, 201)
    points = torch.cartesian_prod(x, x)
    assert (TILTED.log_prob(points, CLEAN).exp().sum() * h * h).item() == pytest.approx(1, abs=1e-9)
    normal = torch.distributions.MultivariateNormal(TILTED.means[0], TILTED.covariances[0])
    torch.testing.assert_close(TILTED.component(0).log_prob(points), normal.log_prob(points))


@pytest.mark.parametrize("law", [ISLANDS, TILTED], ids=["islands", "tilted"])
def test_mixture_samples(law):
    x = law.sample(200_000, seeded(1))
    mean = law.weights @ law.means
    spread = law.means - mean
    covariance = torch.einsum("k,kij->ij", law.weights, law.covariances) + torch.einsum(
        "k,ki,kj->ij", law.weights, spread, spread
    )
    assert moment_z(x, mean, covariance).abs().max() < 3.5


def test_islands_are_never_in_doubt():
    share = ISLANDS.responsibilities(ISLANDS.sample(100_000, seeded(2)))
    assert share.max(1).values.min() > 0.99


def test_mixture_without_noise_and_with_nothing_else():
    x = torch.randn(5, 2).double()
    denoised = TILTED(x, CLEAN)
    torch.testing.assert_close(denoised.mean, x)
    assert bool((denoised.var.abs() < 1e-15).all())
    nothing = Level(*(torch.tensor(v).double() for v in (1.0, 0.0, 1.0)))
    torch.testing.assert_close(TILTED(x, nothing).mean, (TILTED.weights @ TILTED.means).expand(5, 2))


@each_level
def test_one_component_is_linear(n):
    x = torch.randn(5, 1, dtype=torch.float64, generator=seeded())
    for ours, fractions in zip(gaussian(0.3)(x, n), linear_denoiser(0.3)(x, n), strict=True):
        torch.testing.assert_close(ours, fractions, rtol=1e-12, atol=1e-14)


def test_mixture_in_a_batch_of_levels():
    """Each sample at its own level, float32 in and out."""
    t, x = torch.tensor([1, 400, 1000]), torch.randn(3, 2)
    together = TILTED(x, at(linear(1000), t, x))
    for i in range(3):
        alone = TILTED(x[[i]], at(linear(1000), int(t[i])))
        torch.testing.assert_close(together.mean[[i]], alone.mean)
        torch.testing.assert_close(together.var[[i]], alone.var)
    assert together.mean.dtype == torch.float32


@pytest.mark.parametrize(
    ("weights", "means", "covariances"),
    [
        ([1.0], [0.0], [[[1.0]]]),
        ([1.0, 1.0], [[0.0]], [[[1.0]]]),
        ([1.0], [[0.0]], [[1.0]]),
        ([0.0], [[0.0]], [[[1.0]]]),
        ([1.0], [[0.0]], [[[-1.0]]]),
        ([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.0, 1.0]]]),
    ],
)
def test_impossible_mixtures(weights, means, covariances):
    with pytest.raises(ValueError):
        GaussianMixture(weights, means, covariances)


POINTS = torch.tensor([[-1.0, 0.2], [0.3, 0.9], [0.8, -0.7]]).double()


@each_level
def test_empirical_is_brute_force(n):
    """Softmax of −|x − α x_i|² / 2σ², one sample and one point at a time."""
    x = torch.randn(4, 2, dtype=torch.float64, generator=seeded())
    denoised = Empirical(POINTS)(x, n)
    for row, mean, var in zip(x, denoised.mean, denoised.var, strict=True):
        logs = [-(((row - n.alpha * p) ** 2).sum() / (2 * n.sigma**2)).item() for p in POINTS]
        w = [math.exp(v - max(logs)) for v in logs]
        expected = sum(v * p for v, p in zip(w, POINTS, strict=True)) / sum(w)
        square = sum(v * (p - expected) ** 2 for v, p in zip(w, POINTS, strict=True)) / sum(w)
        torch.testing.assert_close(mean, expected)
        torch.testing.assert_close(var, square)


@each_level
def test_empirical_is_a_mixture_of_tiny_gaussians(n):
    tiny = GaussianMixture(torch.ones(3), POINTS, torch.eye(2).expand(3, 2, 2) * 1e-14)
    x = n.alpha * POINTS + n.sigma * torch.randn(3, 2, dtype=torch.float64, generator=seeded())
    law = Empirical(POINTS)
    torch.testing.assert_close(law(x, n).mean, tiny(x, n).mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(law(x, n).var, tiny(x, n).var, rtol=0, atol=1e-6)
    torch.testing.assert_close(law.log_prob(x, n), tiny.log_prob(x, n), rtol=0, atol=1e-6)


def test_empirical_density_integrates_to_one():
    x, h = grid(-6, 6, 4001)
    law, n = Empirical(torch.tensor([[-1.0], [0.5]]).double()), at(VP(), 0.3)
    assert (law.log_prob(x[:, None], n).exp().sum() * h).item() == pytest.approx(1, abs=1e-10)


def test_empirical_keeps_the_shape_of_pictures():
    data = torch.randn(5, 1, 3, 3)
    x = data[[2, 4]] * LEVELS[0].alpha
    denoised = Empirical(data)(x, LEVELS[0])
    torch.testing.assert_close(denoised.mean, data[[2, 4]])
    assert denoised.var.shape == x.shape


def test_empirical_samples():
    x = Empirical(POINTS).sample(60_000, seeded())
    assert z_value(x, POINTS.mean(0)).abs().max() < 3.5
    assert {tuple(row) for row in x.tolist()} == {tuple(row) for row in POINTS.tolist()}


def test_given_what_a_component_cannot_have_made():
    """Ten deviations from one component, at the other: a mixture still, of the other's conditional law alone."""
    far = GaussianMixture([0.5, 0.5], [[-10.0], [10.0]], [[[0.1]], [[0.1]]])
    found = far.given(torch.tensor([10.0]), torch.tensor([[1.0]]), 0.1)
    assert float(found.weights[1]) == 1.0
    torch.testing.assert_close(found.means[1], torch.tensor([10.0]).double())
    assert bool(torch.isfinite(found.log_prob(torch.tensor([[10.0]]).double())).all())


def test_empirical_refuses():
    with pytest.raises(ValueError, match="at least one"):
        Empirical(torch.zeros(0, 2))
    with pytest.raises(ValueError, match="sigma > 0"):
        Empirical(POINTS)(POINTS, CLEAN)


@pytest.mark.parametrize("t", range(25, 1001, 51))
def test_floor_of_the_loss(t):
    """K (17) with the exact denoiser is w E Var[x_0|x_t], here at twenty levels: no network gets below it."""
    n, g = at(linear(1000), t), seeded(t)
    x_0 = TILTED.sample(5_000, g)
    eps = torch.randn(x_0.shape, dtype=torch.float64, generator=g)
    loss = denoising_loss(TILTED, x_0, n, eps)
    floor = n.snr * TILTED(n.alpha * x_0 + n.sigma * eps, n).var.sum(1)
    assert z_value(loss - floor, 0.0).abs() < 4


def test_floor_of_the_loss_for_one_gaussian():
    """Closed form: E|ε − ε_θ|² = α² v / (α² v + σ²) in each dimension."""
    n, v, g = at(linear(1000), 300), 0.2, seeded()
    x_0 = gaussian(v).sample(100_000, g)
    eps = torch.randn(x_0.shape, dtype=torch.float64, generator=g)
    floor = n.alpha**2 * v / (n.alpha**2 * v + n.sigma**2)
    assert z_value(denoising_loss(gaussian(v), x_0, n, eps), floor).abs() < 3.5
