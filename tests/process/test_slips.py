"""Where the papers slip, as numbers: one check for each line of docs/slips.md that a number can decide."""

import math
from itertools import pairwise

import pytest
import torch

from fromnoise.process import (
    CLEAN,
    VARIANCES,
    Denoised,
    Discrete,
    at,
    bound_term,
    gaussian_kl,
    gaussian_log_prob,
    linear,
    linear_scaled,
    prior_term,
    reverse,
    transition,
    variational,
)
from laws import Paper, linear_denoiser, seeded, z_value

S = linear(1000)
P = Paper(S)
T = torch.arange(1, 1001)


# ---------------------------------------------------------------------------- may be the scan's


@pytest.mark.parametrize("v", [0.06, 0.25, 1.0, 2.0])
@pytest.mark.parametrize("choice", ["small", "large"])
def test_algorithm_2_without_the_bar(v, choice):
    """√(1 − α_t) for √(1 − ᾱ_t) in line 4: at T = 1000 the samples keep 8–17 % of their variance."""
    w = 1.0
    for t in range(1000, 0, -1):
        V = P.alpha_bar[t] * v + P.noise[t]
        eps = P.noise[t].sqrt() / V  # E[ε|x_t] is this times x_t
        slope = (1 - P.beta[t] / (1 - P.alpha[t]).sqrt() * eps) / P.alpha[t].sqrt()
        added = P.variance(torch.tensor(t)) if choice == "small" else P.beta[t] * (t > 1)
        w = slope**2 * w + added
    print(f"{100 * w / v:.1f} % of the variance is left")
    assert 0.07 < w / v < 0.17


def test_algorithm_5_1_without_the_bar():
    """√α_t x_0 + √(1 − ᾱ_t) ε shows the network the wrong law: data of variance 1 no longer keep it."""
    wrong = P.alpha[T] + P.noise[T]
    right = P.alpha_bar[T] + P.noise[T]
    assert bool(((right - 1).abs() < 1e-12).all())
    assert wrong[-1] > 1.97
    assert (P.alpha[1000] / P.noise[1000]) / (P.alpha_bar[1000] / P.noise[1000]) > 20_000  # in SNR, at T


def test_ratio_before_4_9():
    """H prints ᾱ_{t−1}/α_t = 1/α_t, which needs ᾱ_{t−1} = 1; ᾱ_{t−1}/ᾱ_t = 1/α_t is meant."""
    torch.testing.assert_close(P.alpha_bar[T - 1] / P.alpha_bar[T], 1 / P.alpha[T])
    assert (P.alpha_bar[T - 1] / P.alpha[T] - 1 / P.alpha[T]).abs().max() > 1


def test_sum_of_k_11_begins_too_early():
    """At t = 1 q(x_0|x_1, x_0) is a point: its divergence from any density is infinite, and L_0 is there already."""
    mean, std = reverse(torch.ones(1).double(), Denoised(torch.ones(1).double()), at(S, 1), CLEAN)
    assert std == 0
    narrow = [gaussian_kl(mean, torch.tensor(h).double(), mean, torch.ones(1).double()) for h in (1e-2, 1e-4, 1e-8)]
    assert narrow[0] < narrow[1] < narrow[2]
    assert math.isinf(gaussian_kl(mean, std, mean, torch.ones(1).double()).item())


# ---------------------------------------------------------------------------- Kuras


@pytest.mark.parametrize("d", [1, 2, 3])
def test_density_of_k_2(d):
    """1/(σ (2π)^{1/d}) integrates to 1 in no dimension: in one it contradicts (1), which has √2π."""
    std = 0.5
    peak = 1 / (std * (2 * math.pi) ** (1 / d))
    mass = peak * (2 * math.pi * std**2) ** (d / 2)
    assert abs(mass - 1) > 0.2
    x = torch.zeros(1, d).double()
    assert gaussian_log_prob(x, x, std).exp().item() * (2 * math.pi * std**2) ** (d / 2) == pytest.approx(1)


def test_density_is_no_probability():
    """Below (1), the value is called a probability; at σ = 0.1 it is 3.99."""
    x = torch.zeros(1, 1).double()
    assert gaussian_log_prob(x, x, 0.1).exp().item() == pytest.approx(3.989, abs=1e-3)


def test_k_12_does_rely_on_x_0():
    """At a fixed x_t another x_0 is another ε and another mean: the slope is b, not 0."""
    t, s, x_t = at(S, 500), at(S, 499), torch.zeros(1).double()
    means = [reverse(x_t, Denoised(torch.full((1,), v).double()), t, s)[0] for v in (-1.0, 1.0)]
    eps = [(x_t - t.alpha * v) / t.sigma for v in (-1.0, 1.0)]
    by_noise = [P.mean_of_noise(x_t, e, torch.tensor(500)) for e in eps]
    torch.testing.assert_close(torch.stack(means), torch.stack(by_noise))
    assert means[1] - means[0] > 1e-3


def test_beta_tilde_makes_the_loss_infinite():
    """σ_t is never fixed; with β̃_t the factors of (14) and (16) and L_0 blow up at t = 1, where β̃_1 = 0."""
    assert P.variance(torch.tensor(1)) == 0
    with pytest.raises(ValueError, match="infinite at t = 1"):
        variational(S, VARIANCES["small"])(at(S, 1))
    x = torch.zeros(1, 1).double()
    with pytest.raises(ValueError, match="infinite"):
        bound_term(x, x, Denoised(x), at(S, 1), CLEAN)


def test_beta_may_not_be_zero():
    """K lets β_t lie in [0, 1), but β_1 = 0 gives 0/0 in (12) and H (4.6)."""
    noise = torch.tensor([0.0, 0.0, 0.1]).double()
    assert bool((noise[0] * noise[0] / noise[1]).isnan())
    with pytest.raises(ValueError, match="strictly between"):
        Discrete([0.0, 0.1])


def test_joint_density_is_highest_elsewhere():
    """The path without noise beats those that the process makes, by dT/2 nats on average."""
    steps, d, g = 200, 3, seeded()
    schedule = linear(steps)
    x = torch.ones(2000, d).double()
    quiet, made, log_quiet, log_made = x, x, 0.0, 0.0
    for t in range(1, steps + 1):
        scale, std = transition(at(schedule, t - 1), at(schedule, t))
        after = scale * made + std * torch.randn(made.shape, dtype=made.dtype, generator=g)
        log_made = log_made + gaussian_log_prob(after, scale * made, std)
        log_quiet = log_quiet + gaussian_log_prob(scale * quiet, scale * quiet, std)
        made, quiet = after, scale * quiet
    assert z_value(log_quiet - log_made, d * steps / 2).abs() < 3.5
    assert bool((log_quiet > log_made).all())


def test_l_t_is_constant_for_any_fixed_schedule():
    """It may be ignored because β is fixed, not because it is linear; and it is small for others too."""
    x_0 = torch.ones(1, 1, requires_grad=True)
    for schedule in (linear(1000), linear_scaled(40), Discrete([0.5] * 12)):
        assert prior_term(x_0, at(schedule, schedule.T)) < 1e-3


def test_the_bound_is_an_upper_one():
    """K calls L a lower bound; (10) bounds −log p from above: here by the variance that β_t gets wrong."""
    v, loose, schedule = 0.06, 0.0, linear(100)
    for t in range(2, 101):
        n, s = at(schedule, t), at(schedule, t - 1)
        true = linear_denoiser(v)(torch.zeros(1, 1).double(), n).var
        stds = [reverse(true, Denoised(true, var), n, s)[1] for var in (true, VARIANCES["large"](n))]
        loose += gaussian_kl(true, stds[0], true, stds[1]).item()
    assert loose > 0.01


# ---------------------------------------------------------------------------- Higham, Higham and Grindrod


@pytest.mark.parametrize(("schedule", "percent"), [(linear(1000), 3.0), (linear_scaled(40), 37.5)])
def test_variance_of_4_10(schedule, percent):
    """With the exact E[ε|x_t] a component of variance 0.06 comes out too narrow: docs/variance.md."""
    low = 100 * (1 - Paper(schedule).chain_variance(0.06)[0].item() / 0.06)
    assert low == pytest.approx(percent, abs=0.1)


def test_sigma_q_of_1_is_no_choice():
    """ᾱ_0, never defined, must be 1 (an empty product); then σ_q(1) = 0 follows, and (4.3) divides by it."""
    assert P.alpha_bar[0] == 1
    assert P.noise[0] == 0
    assert P.variance(torch.tensor(1)) == 0


def test_500_steps_leave_the_original_in():
    """T = 500 with β from 1e-4 to 0.02 (H states none): √ᾱ_T = 0.08, so a known picture can be recognised.

    A 32 × 32 picture of ±1 projected on itself stands √ᾱ_T · 32 / √(1 − ᾱ_T) = 2.6 deviations out.
    """
    alpha, sigma = (c.item() for c in linear(500)(torch.tensor(500.0).double()))
    assert alpha == pytest.approx(0.08, abs=0.001)
    assert alpha * 32 / sigma == pytest.approx(2.56, abs=0.02)
    assert linear(1000)(torch.tensor(1000.0).double())[0] * 32 < 0.21


def test_500_epochs_in_35_minutes():
    """60,000 digits: 14,000 a second. At 10 GFLOP each that is 4 times an RTX 3090's 35.6 TFLOP/s; 50 are not."""
    a_second = 500 * 60_000 / (35 * 60)
    assert a_second == pytest.approx(14_286, abs=1)
    assert a_second * 10e9 / 35.6e12 > 4
    assert a_second / 10 * 10e9 / 35.6e12 < 0.5


def field(n):
    """cos πx on the midpoints of n cells of [0, 1], with the no-flux Laplacian and the inner product."""
    x = (torch.arange(n).double() + 0.5) / n

    def laplace(u):
        padded = torch.cat([u[:1], u, u[-1:]])
        return (padded[2:] - 2 * u + padded[:-2]) * n**2

    def energy(u, w):
        return (u.diff() * w.diff()).sum() * n

    return torch.cos(math.pi * x), laplace, energy


def test_dirichlet_energy_is_not_total_variation():
    """(6.2) of cos πx is π²/2; its total variation is 2. Twice the field: four times the one, twice the other."""
    u, _, energy = field(2000)
    assert energy(u, u).item() == pytest.approx(math.pi**2 / 2, rel=1e-5)
    assert u.diff().abs().sum().item() == pytest.approx(2, rel=1e-5)
    assert energy(2 * u, 2 * u).item() == pytest.approx(4 * energy(u, u).item())


def test_the_constant_part_grows_exponentially():
    """c' = r c is solved by exp(∫r) c_0, where section 6 prints ∫r c_0."""
    r, c, steps = 2.0, 1.0, 100_000
    for _ in range(steps):
        c *= 1 + r / steps
    assert c == pytest.approx(math.exp(r), rel=1e-4)
    assert abs(c - r) > 5


def test_r_need_not_be_positive():
    """To hold J, R r = ∫(Δu)² − η ∫∇u·∇W: with noise as strong as in Figure 7 either sign occurs."""
    u, laplace, energy = field(100)
    g = seeded()
    noise = 2 * torch.rand(200, 100, dtype=torch.float64, generator=g) - 1
    dissipated = (laplace(u) ** 2).mean()
    r = torch.stack([(dissipated - 10_000 * energy(u, w)) / energy(u, u) for w in noise])
    assert 0.3 < (r < 0).double().mean() < 0.7


def test_white_noise_has_no_energy_to_hold():
    """J of independent values at the grid points grows like the square of their number: (6.6) has no limit."""
    energies = []
    for n in (100, 200, 400):
        _, _, energy = field(n)
        w = 2 * torch.rand(n, dtype=torch.float64, generator=seeded()) - 1
        energies.append(energy(w, w).item())
    assert all(3 < b / a < 5 for a, b in pairwise(energies))


def test_the_first_mode_must_be_there():
    """From cos 2πx, without a first component, nothing decays to the first mode: it is steady, r = λ_2."""
    n = 400
    _, laplace, energy = field(n)
    u = torch.cos(2 * math.pi * (torch.arange(n).double() + 0.5) / n)
    r = (laplace(u) ** 2).mean() / energy(u, u)
    assert (laplace(u) + r * u).abs().max() < 1e-6
    assert r.item() == pytest.approx(4 * math.pi**2, rel=1e-3)
