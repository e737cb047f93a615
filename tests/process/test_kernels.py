"""The Gaussian algebra: each kernel against the papers' formulas written out, for every t of every table."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import (
    CLEAN,
    VP,
    Denoised,
    Flow,
    Level,
    at,
    diffuse,
    gaussian_kl,
    linear,
    reverse,
    sde,
    transition,
)
from laws import DISCRETE, SCHEDULES, Paper, gaussian, moment_z

each_table = pytest.mark.parametrize("schedule", DISCRETE.values(), ids=DISCRETE.keys())
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
unit = st.floats(0, 1)


def steps(schedule):
    """All steps t → t − 1 at once: the indices (T, 1), the levels t and t − 1, and an x_t and an x_0."""
    t = torch.arange(1, schedule.T + 1)
    g = torch.Generator().manual_seed(3)
    x_t, x_0 = torch.randn(2, schedule.T, 2, dtype=torch.float64, generator=g)
    return t[:, None], at(schedule, t, x_t), at(schedule, t - 1, x_t), x_t, x_0


def pair(schedule, u, w):
    """A level t and a strictly cleaner s > 0, from two numbers in [0, 1]."""
    t = (0.01 + 0.98 * u) * schedule.T
    return at(schedule, t), at(schedule, t * (0.01 + 0.98 * w))


def close(a, b, tolerance=1e-12):
    torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


# ---------------------------------------------------------------------------- forward


@each_table
def test_one_step_forward(schedule):
    """K (3, 4), H (3.2–3.4): q(x_t | x_{t−1}) = N(√(1 − β_t) x_{t−1}, β_t I)."""
    t, noisy, clean, *_ = steps(schedule)
    scale, std = transition(clean, noisy)
    close(scale, (1 - schedule.beta[t]).sqrt())
    close(std**2, schedule.beta[t])


@each_table
def test_one_leap_from_the_data(schedule):
    """K (6, 7), H (3.8, 3.9): q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)."""
    t, noisy, *_ = steps(schedule)
    scale, std = transition(CLEAN, noisy)
    close(scale, Paper(schedule).alpha_bar[t].sqrt())
    close(std**2, Paper(schedule).noise[t])


@each_table
def test_a_leap_is_all_its_steps(schedule):
    """H (3.5, 3.6): k → t has scale √(α_t ... α_{k+1}) and variance 1 − α_t ... α_{k+1}; so has the chain."""
    paper = Paper(schedule)
    for k in {0, schedule.T // 3, schedule.T - 1}:
        scale, var = torch.ones(()).double(), torch.zeros(()).double()
        for t in range(k + 1, schedule.T + 1):
            a, std = transition(at(schedule, t - 1), at(schedule, t))
            scale, var = scale * a, a**2 * var + std**2
        leap = transition(at(schedule, k), at(schedule, schedule.T))
        product = paper.alpha[k + 1 :].prod()
        close(torch.stack(leap), torch.stack([scale, var.sqrt()]))
        close(torch.stack(leap), torch.stack([product.sqrt(), (1 - product).sqrt()]))


@each_schedule
@given(u=unit, w=unit, z=unit)
def test_transitions_compose(schedule, u, w, z):
    """Chapman and Kolmogorov at real times: r → s → t is r → t."""
    t, s = pair(schedule, u, w)
    r = at(schedule, s.t.item() * (0.01 + 0.98 * z))
    (a, std_a), (b, std_b), (c, std_c) = transition(r, s), transition(s, t), transition(r, t)
    close(a * b, c)
    unit = (std_c**2).clamp(min=1)  # of a variance of a thousand the sixteenth digit is more than 1e-12
    close((b**2 * std_a**2 + std_b**2) / unit, std_c**2 / unit)


def test_diffuse_draws_from_the_transition():
    """K (3), H (3.2): mean and variance of draws, and the noise enters as it was given."""
    t, s = at(linear(1000), 200), at(linear(1000), 600)
    x = torch.full((200_000, 1), 0.7, dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    draws = diffuse(x, t, s, lambda x: torch.randn(x.shape, dtype=x.dtype, generator=g))
    scale, std = transition(t, s)
    assert moment_z(draws, 0.7 * scale[None], (std**2)[None, None]).abs().max() < 3.5
    close(diffuse(x[:2], t, s, torch.ones_like), scale * x[:2] + std)


def test_forward_only_goes_forward():
    with pytest.raises(ValueError, match="noisier"):
        transition(at(linear(10), 5), at(linear(10), 4))


# ---------------------------------------------------------------------------- backward


@each_table
def test_posterior_is_the_papers(schedule):
    """H (4.5–4.7), K (12), Ho et al. (6, 7): q(x_{t−1} | x_t, x_0) for all t."""
    t, noisy, clean, x_t, x_0 = steps(schedule)
    paper = Paper(schedule)
    mean, std = reverse(x_t, Denoised(x_0), noisy, clean)
    close(mean, paper.mean(x_t, x_0, t))
    close(std**2, paper.variance(t))


@each_table
def test_posterior_mean_from_the_noise(schedule):
    """K (12, 15), H (4.8, 4.9): the same mean from x_t and ε."""
    t, noisy, clean, x_t, eps = steps(schedule)
    x_0 = (x_t - noisy.sigma * eps) / noisy.alpha
    # x_0 is as large as 1 / √ᾱ_t, and so is the rounding of b x_0 = (...) before the noise cancels it.
    mean = reverse(x_t, Denoised(x_0), noisy, clean)[0]
    error = (mean - paper_mean(schedule, x_t, eps, t)).abs()
    assert bool((error < 1e-12 * (1 + 1 / (1 - schedule.beta[t]).sqrt())).all())


def paper_mean(schedule, x_t, eps, t):
    return Paper(schedule).mean_of_noise(x_t, eps, t)


@each_table
def test_bayes_rule(schedule):
    """H (4.1–4.4): log q(x_{t−1}|x_t,x_0) = log q(x_t|x_{t−1}) + log q(x_{t−1}|x_0) − log q(x_t|x_0), t > 1."""
    t, noisy, clean, x_t, x_0 = steps(schedule)
    if schedule.T == 1:
        pytest.skip("at t = 1 (4.1) is 0 · ∞: x_0 is known and has no density")
    paper, inner = Paper(schedule), slice(1, None)
    x_s = 0.3 * x_t + 0.5 * x_0 + 0.1

    def log_density(x, mean, var):
        return -0.5 * (x - mean) ** 2 / var - 0.5 * var.log() - 0.5 * math.log(2 * math.pi)

    mean, std = reverse(x_t, Denoised(x_0), noisy, clean)
    left = log_density(x_s, mean, std**2)[inner]
    step = log_density(x_t, paper.alpha[t].sqrt() * x_s, paper.beta[t])
    before = log_density(x_s, paper.alpha_bar[t - 1].sqrt() * x_0, paper.noise[t - 1])
    after = log_density(x_t, paper.alpha_bar[t].sqrt() * x_0, paper.noise[t])
    torch.testing.assert_close(left, (step + before - after)[inner], rtol=1e-9, atol=1e-7)


@each_table
def test_sampling_step(schedule):
    """H (4.10), K (13, 15) and Algorithm 2's line 4, from an ε_θ."""
    t, noisy, clean, x_t, z = steps(schedule)
    paper, law = Paper(schedule), gaussian(0.3, mean=0.4)
    x_t, z = x_t[:, :1], z[:, :1]
    denoised = law(x_t, noisy)
    eps = (x_t - paper.alpha_bar[t].sqrt() * denoised.mean) / paper.noise[t].sqrt()
    mean, std = reverse(x_t, Denoised(denoised.mean), noisy, clean)
    close(mean + std * z, paper.mean_of_noise(x_t, eps, t) + paper.variance(t).sqrt() * z)


@each_schedule
@given(u=unit, w=unit, eta=unit, x_0=st.floats(-3, 3))
def test_posterior_is_consistent(schedule, u, w, eta, x_0):
    """∫ q(x_s|x_t,x_0) q(x_t|x_0) dx_t = q(x_s|x_0), for skipped steps and for every eta (Song et al. (7))."""
    t, s = pair(schedule, u, w)
    zero = torch.zeros(()).double()
    k, std = reverse(zero + 1, Denoised(zero), t, s, eta)
    mean = reverse(t.alpha * x_0, Denoised(zero + x_0), t, s, eta)[0]
    close(mean, s.alpha * x_0)
    close(k**2 * t.sigma**2 + std**2, s.sigma**2)


@each_schedule
@given(u=unit, w=unit, z=unit, eta=st.sampled_from([0.0, 1.0]))
def test_posteriors_compose(schedule, u, w, z, eta):
    """t → s → r is t → r where x_0 is known: for DDPM by the Markov property, for DDIM as a flow."""
    t, s = pair(schedule, u, w)
    r = at(schedule, s.t.item() * (0.01 + 0.98 * z))
    x, x_0 = torch.tensor([0.7]).double(), Denoised(torch.tensor([-0.4]).double())
    middle, std = reverse(x, x_0, t, s, eta)
    end, last = reverse(middle, x_0, s, r, eta)
    k = reverse(torch.ones(1).double(), Denoised(torch.zeros(1).double()), s, r, eta)[0]
    mean, whole = reverse(x, x_0, t, r, eta)
    close(end, mean)
    close(last**2 + k**2 * std**2, (whole**2).expand(1))


@each_schedule
@given(u=unit, w=unit)
def test_ddim_closed_form(schedule, u, w):
    """eta = 0: x_s = α_s x̂_0 + σ_s ε̂, without noise (Song et al. 2021 (12))."""
    t, s = pair(schedule, u, w)
    x, x_0 = torch.tensor(0.7).double(), torch.tensor(-0.4).double()
    mean, std = reverse(x, Denoised(x_0), t, s, 0.0)
    assert std == 0
    close(mean, s.alpha * x_0 + s.sigma * (x - t.alpha * x_0) / t.sigma)


@each_schedule
@given(u=unit, w=unit, eta=unit)
def test_ddim_noise(schedule, u, w, eta):
    """std = eta √((1−ᾱ_s)/(1−ᾱ_t)) √(1 − ᾱ_t/ᾱ_s) for VP; in general 1 − (α_t σ_s / α_s σ_t)² (Song (16))."""
    t, s = pair(schedule, u, w)
    zero = torch.zeros(()).double()
    std = reverse(zero, Denoised(zero), t, s, eta)[1]
    close((std / s.sigma) ** 2, eta**2 * (1 - (t.alpha * s.sigma / (s.alpha * t.sigma)) ** 2))


@each_schedule
@given(u=unit, w=unit, eta=unit, v=st.floats(0.01, 4))
def test_variance_makes_the_step_exact(schedule, u, w, eta, v):
    """With Var[x_0|x_t] the marginal of x_s is exact: Gaussian data, any eta, any skip (b² Var in `reverse`)."""
    t, s = pair(schedule, u, w)
    spread_t, spread_s = (n.alpha**2 * v + n.sigma**2 for n in (t, s))
    one = torch.ones(()).double()
    denoised = gaussian(v)(one.reshape(1, 1), t)
    slope, std = reverse(one, Denoised(denoised.mean, denoised.var), t, s, eta)
    close((slope**2 * spread_t + std**2).squeeze(), spread_s, 1e-12 * (1 + v))


def test_the_last_step_home():
    """σ_q(1) = 0 is a consequence of ᾱ_0 = 1 and no choice: the mean is x̂_0, the variance Var[x_0|x_1]."""
    x = torch.randn(3, 2).double()
    for eta in (0.0, 0.5, 1.0):
        mean, std = reverse(x, Denoised(x + 1), at(linear(10), 1), CLEAN, eta)
        assert mean.equal(x + 1)
        assert std == 0
        spread = reverse(x, Denoised(x, torch.full_like(x, 0.25)), at(linear(10), 1), CLEAN, eta)[1]
        assert spread.equal(torch.full_like(x, 0.5))


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_eta_is_a_share(eta):
    with pytest.raises(ValueError, match="eta"):
        reverse(torch.zeros(1), Denoised(torch.zeros(1)), at(linear(10), 2), at(linear(10), 1), eta)


@given(st.floats(-2, 2), st.floats(0.1, 3), st.floats(-2, 2), st.floats(0.1, 3))
def test_gaussian_kl(mean_q, std_q, mean_p, std_p):
    numbers = [torch.tensor(v).double() for v in (mean_q, std_q, mean_p, std_p)]
    q, p = torch.distributions.Normal(*numbers[:2]), torch.distributions.Normal(*numbers[2:])
    torch.testing.assert_close(gaussian_kl(*numbers), torch.distributions.kl_divergence(q, p))


# ---------------------------------------------------------------------------- the SDE


@given(st.floats(1e-3, 1))
def test_sde_of_vp(t):
    """f = −β(t)/2 and g² = β(t)."""
    f, g2 = sde(VP(0.1, 20.0), t)
    beta = 0.1 + t * 19.9
    assert f.item() == pytest.approx(-beta / 2, rel=1e-9)
    assert g2.item() == pytest.approx(beta, rel=1e-9)


@given(st.floats(1e-3, 0.999))
def test_sde_of_flow(t):
    """f = −1/(1 − t) and g² = 2 t/(1 − t)."""
    f, g2 = sde(Flow(), t)
    assert f.item() == pytest.approx(-1 / (1 - t), rel=1e-9)
    assert g2.item() == pytest.approx(2 * t / (1 - t), rel=1e-9)


@each_table
def test_sde_of_a_table_keeps_the_variance(schedule):
    """α² + σ² = 1 at all times makes g² = −2 f there, at the knots too."""
    t = torch.linspace(0, schedule.T, 2 * schedule.T + 1).double()[1:]
    f, g2 = sde(schedule, t)
    torch.testing.assert_close(g2, -2 * f, rtol=1e-8, atol=1e-12)
    assert bool((g2 > 0).all())


@each_table
def test_sde_integrates_to_the_steps(schedule):
    """exp(∫ f) over [t−1, t] is √(1 − β_t), by Gauss–Legendre within the smooth inside of each segment."""
    nodes, weights = (torch.tensor(v) for v in np_legendre(12))
    t = torch.arange(schedule.T).double()[:, None] + (nodes + 1) / 2
    integral = (sde(schedule, t)[0] * weights / 2).sum(1)
    torch.testing.assert_close(integral, 0.5 * (1 - schedule.beta[1:]).log(), rtol=1e-4, atol=1e-9)


def np_legendre(n):
    import numpy as np

    return np.polynomial.legendre.leggauss(n)


@each_table
def test_sde_at_integers_is_one_sided(schedule):
    """At a knot the slope of lambda is that of the segment to its right (at T: to its left).

    So g²/σ² = −2 dλ/dt agrees there with the next half-integer exactly; the tolerance is rounding alone.
    A derivative taken through a `where` gave 0 at all integers.
    """
    if schedule.T == 1:
        pytest.skip("one step has no inner knot")
    t = torch.arange(1, schedule.T + 1).double()
    half = (t + 0.5).clamp(max=schedule.T - 0.5)
    there, beside = (sde(schedule, time)[1] / schedule(time)[1] ** 2 for time in (t, half))
    torch.testing.assert_close(there, beside, rtol=1e-9, atol=0)


def test_sde_of_fine_steps_is_beta():
    """g² at t − ½ is β_t up to O(β): −log(1 − β_t) is its mean over the step."""
    schedule = linear(1000)
    t = torch.arange(100, 1001).double()
    g2 = sde(schedule, t - 0.5)[1]
    torch.testing.assert_close(g2, schedule.beta[100:], rtol=0.011, atol=0)


def test_levels_are_plain_tuples():
    assert Level(*at(linear(10), 3)) == at(linear(10), 3)
