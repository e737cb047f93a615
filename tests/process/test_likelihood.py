"""The variational bound, term by term and as a whole, by quadrature in one dimension; the flow's density."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import (
    CLEAN,
    VARIANCES,
    Denoised,
    at,
    bin_log_prob,
    bound_term,
    exact_divergence,
    flow_log_prob,
    gaussian_log_prob,
    hutchinson,
    linear,
    prior_term,
    reverse,
    transition,
)
from laws import DISCRETE, ISLANDS, SCHEDULES, TWINS, hermite

S = linear(1000)


def test_prior_term():
    """L_T of K (11) against torch's divergence."""
    x_0 = torch.randn(5, 2, 3).double()
    n = at(S, 300)
    q = torch.distributions.Normal(n.alpha * x_0, n.sigma)
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum((1, 2))
    torch.testing.assert_close(prior_term(x_0, n), expected)


def test_bound_term_is_the_divergence():
    """L_{t−1} of K (11), as K (14) reads it when the variances differ: against torch's divergence."""
    x_0, x_t, mean, var = torch.rand(4, 3, 2).double()
    t, s = at(S, 40), at(S, 39)
    q, p = (torch.distributions.Normal(*reverse(x_t, d, t, s)) for d in (Denoised(x_0), Denoised(mean, var)))
    expected = torch.distributions.kl_divergence(q, p).sum(1)
    torch.testing.assert_close(bound_term(x_0, x_t, Denoised(mean, var), t, s), expected)


def test_last_bound_term():
    """L_0 = −log p(x_0 | x_1), with Var[x_0|x_1] for its variance; without one it is infinite."""
    x_0, x_t, mean, var = torch.rand(4, 3, 2).double()
    expected = -torch.distributions.Normal(mean, var.sqrt()).log_prob(x_0).sum(1)
    torch.testing.assert_close(bound_term(x_0, x_t, Denoised(mean, var), at(S, 1), CLEAN), expected)
    with pytest.raises(ValueError, match="infinite"):
        bound_term(x_0, x_t, Denoised(mean), at(S, 1), CLEAN)


@pytest.mark.parametrize("name", ["linear-scaled", "table"])
def test_both_factorisations_of_the_joint_law(name):
    """K (5) forwards is the product of posteriors backwards: the identity between K (10) and K (11).

    Π_t q(x_t|x_{t−1}) = q(x_T|x_0) Π_{t>1} q(x_{t−1}|x_t, x_0), on any path whatever.
    """
    schedule = DISCRETE[name]
    levels = [at(schedule, t) for t in range(schedule.T + 1)]
    g = torch.Generator().manual_seed(0)
    x = torch.randn(schedule.T + 1, 4, 2, dtype=torch.float64, generator=g)
    forwards = backwards = 0.0
    for t in range(1, schedule.T + 1):
        scale, std = transition(levels[t - 1], levels[t])
        forwards = forwards + gaussian_log_prob(x[t], scale * x[t - 1], std)
        if t > 1:
            mean, std = reverse(x[t], Denoised(x[0]), levels[t], levels[t - 1])
            backwards = backwards + gaussian_log_prob(x[t - 1], mean, std)
    scale, std = transition(CLEAN, levels[-1])
    backwards = backwards + gaussian_log_prob(x[-1], scale * x[0], std)
    torch.testing.assert_close(forwards, backwards, rtol=1e-9, atol=1e-7)


def bound_by_quadrature(schedule, variance):
    """E[L_T + Σ L_{t−1} + L_0] and E[−log p(x_0)] in nats over x_0 ~ TWINS, by Gauss–Hermite twice.

    `variance` maps (exact variance, level) to the one used; L_0 always has the exact one.
    """
    (z, w), (noise, v) = hermite(24), hermite(24)
    x_0 = (TWINS.means + TWINS.covariances[:, 0].sqrt() * z).reshape(-1, 1)
    share = (TWINS.weights[:, None] * w).reshape(-1, 1)
    weights = (share * v).flatten()
    data = x_0.repeat_interleave(len(noise), 0)
    noise = noise.repeat(len(x_0))[:, None]

    def term(t):
        level, cleaner = at(schedule, t), at(schedule, t - 1)
        x_t = level.alpha * data + level.sigma * noise
        mean, var = TWINS(x_t, level)
        denoised = Denoised(mean, var if t == 1 else variance(var, level))
        return (weights * bound_term(data, x_t, denoised, level, cleaner)).sum()

    terms = torch.stack([term(t) for t in range(1, schedule.T + 1)])
    last = (share[:, 0] * prior_term(x_0, at(schedule, schedule.T))).sum()
    return (terms.sum() + last).item(), -(share[:, 0] * TWINS.log_prob(x_0)).sum().item()


@pytest.mark.slow
def test_bound_meets_the_likelihood():
    """K (10, 11): with the exact mean and variance the bound is −log p within 0.01 nats (measured: 0.00002)."""
    bound, nll = bound_by_quadrature(S, lambda var, level: var)
    print(f"bound {bound:.5f}, −log p {nll:.5f}, gap {bound - nll:.5f} nats")
    assert abs(bound - nll) < 0.01  # nothing below 0 but the quadrature's own error


@pytest.mark.slow
def test_how_loose_the_fixed_variances_are():
    """The same with β_t and with β̃_t for σ_t²: what leaving out b² Var[x_0|x_t] costs."""
    gaps = {}
    for name in ("large", "small"):
        bound, nll = bound_by_quadrature(S, lambda var, level, name=name: VARIANCES[name](level).expand_as(var))
        gaps[name] = bound - nll
    print({name: round(gap, 4) for name, gap in gaps.items()})
    assert 0.002 < gaps["large"] < 0.02
    assert 0.3 < gaps["small"] < 0.6


def test_quadrature_is_converged():
    """The entropy of the data by Gauss–Hermite and by a fine grid agree."""
    x = torch.linspace(-4, 4, 20_001).double()[:, None]
    log_p = TWINS.log_prob(x)
    fine = -torch.trapezoid(log_p.exp() * log_p, x[:, 0]).item()
    _, nll = bound_by_quadrature(linear(2, 0.3, 0.5), lambda var, level: var)
    assert math.isclose(fine, nll, abs_tol=1e-3)


@given(mean=st.floats(-1.5, 1.5), log_std=st.floats(-6, 1), bins=st.integers(2, 300))
def test_the_masses_of_all_bins_sum_to_one(mean, log_std, bins):
    x = torch.linspace(-1, 1, bins, dtype=torch.float64)[:, None]
    mass = bin_log_prob(x, torch.tensor(mean), torch.tensor(math.exp(log_std)).double(), width=2 / (bins - 1)).exp()
    assert abs(float(mass.sum()) - 1) < 1e-9


def test_bins_are_right_far_in_the_tails():
    """Twelve standard deviations away on either side, where differences of Φ are lost."""
    for side in (-1.0, 1.0):
        x = torch.tensor([[side * 0.5]]).double()
        std, width = torch.tensor(0.04).double(), 2 / 255
        found = bin_log_prob(x, torch.zeros(1).double(), std, width).item()
        grid = torch.linspace(0.5 - width / 2, 0.5 + width / 2, 20_001).double()
        true = torch.trapezoid((-0.5 * (grid / std) ** 2).exp(), grid).log() - std.log() - 0.5 * math.log(2 * math.pi)
        assert found == pytest.approx(true.item(), rel=1e-6)


def rising(schedule, steps):
    """Levels from near the data to the noisiest, evenly in lam."""
    first = at(schedule, 1.0 if schedule.T > 1 else 1e-3)
    start, end = float(first.lam), max(float(at(schedule, schedule.T).lam), -9.0)
    lams = torch.linspace(start, end, steps, dtype=torch.float64)[1:-1]
    times = [float(first.t), *schedule.time(lams).tolist(), float(schedule.T)]
    return [at(schedule, t) for t in times]


@pytest.mark.parametrize("name", ["linear", "cosine", "vp", "flow"])
@pytest.mark.parametrize("law", [TWINS, ISLANDS], ids=["twins", "islands"])
def test_the_flow_meets_the_likelihood(name, law):
    """Within 0.005 nats of −log p on average, and of log q at the level where the ODE ends."""
    schedule, x_0 = SCHEDULES[name], law.sample(200, torch.Generator().manual_seed(0))
    levels = rising(schedule, 60)
    x = levels[0].alpha * x_0
    found = flow_log_prob(law, schedule, x, levels)
    gap = found - law.log_prob(x, levels[0])
    assert float(gap.mean().abs()) < 0.005
    assert float(gap.abs().max()) < 0.05  # of each sample
    d = x_0.shape[1]
    own = float((found + d * levels[0].alpha.log() - law.log_prob(x_0)).mean())  # of x_0, without noise
    assert abs(own) < 0.005


def test_hutchinson_is_unbiased_and_exact_for_all_signs():
    x = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def field(x):
        return torch.stack([x[:, 0] * x[:, 1], x[:, 1] * x[:, 2], x.sum(1) ** 2], 1)

    value, true = exact_divergence(field, x)
    torch.testing.assert_close(value, field(x))
    signs = itertools.product([-1.0, 1.0], repeat=3)
    found = [hutchinson(torch.tensor([sign] * 3).double())(field, x)[1] for sign in signs]
    torch.testing.assert_close(torch.stack(found).mean(0), true)
    torch.testing.assert_close(true, x[:, 1] + x[:, 2] + 2 * x.sum(1))


def test_a_variance_of_zero_is_refused():
    x = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="infinite without a variance"):
        bound_term(x, x, Denoised(x, torch.zeros_like(x)), at(S, 1), CLEAN)
