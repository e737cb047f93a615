"""Losses: each weight against the error that it stands for."""

import pytest
import torch

from fromnoise.process import (
    PREDICTIONS,
    TIMES,
    VARIANCES,
    WEIGHTS,
    Denoised,
    Flow,
    at,
    bound_term,
    denoising_loss,
    from_network,
    hybrid_loss,
    linear,
    min_snr,
    simple,
    variational,
)
from laws import DISCRETE, TWINS, Paper, point_mass, z_value

S = linear(1000)
each_table = pytest.mark.parametrize("schedule", DISCRETE.values(), ids=DISCRETE.keys())


def batch(times=(1, 2, 50, 500, 1000), schedule=S):
    g = torch.Generator().manual_seed(0)
    x_0, eps, F = torch.randn(3, len(times), 2, 3, dtype=torch.float64, generator=g)
    return x_0, eps, F, at(schedule, torch.tensor(times), x_0)


def loss_of(prediction, weight, schedule=S, times=(1, 2, 50, 500, 1000)):
    x_0, eps, F, n = batch(times, schedule)
    denoise = from_network(lambda x, t: F, PREDICTIONS[prediction](schedule), schedule.T, learned=False)
    return denoising_loss(denoise, x_0, n, eps, weight), x_0, eps, F, n


def test_simple_is_the_error_of_the_noise():
    """K (17), H Algorithm 5.1 line 5: ‖ε − ε_θ‖², summed over the elements of each sample."""
    loss, _, eps, F, _ = loss_of("eps", simple)
    torch.testing.assert_close(loss, ((eps - F) ** 2).sum((1, 2)), rtol=1e-8, atol=0)


def test_training_input_is_k_6():
    """K (6): the denoiser is shown √ᾱ_t x_0 + √(1 − ᾱ_t) ε at level t."""
    x_0, eps, _, n = batch()
    seen = []
    denoising_loss(lambda x, n: seen.append((x, n)) or Denoised(x), x_0, n, eps)
    paper, t = Paper(S), n.t.long()[:, None, None]
    expected = paper.alpha_bar[t].sqrt() * x_0 + paper.noise[t].sqrt() * eps
    torch.testing.assert_close(seen[0][0], expected, rtol=0, atol=1e-12)
    assert seen[0][1] is n


@pytest.mark.parametrize("schedule", [S, Flow()], ids=["linear", "flow"])
def test_velocity_is_the_error_of_v(schedule):
    times = (1, 2, 50, 500, 1000) if schedule is S else (0.01, 0.3, 0.5, 0.9, 1.0)
    loss, x_0, eps, F, n = loss_of("v", WEIGHTS["velocity"], schedule, times)
    v = (n.alpha * eps - n.sigma * x_0) / (n.alpha**2 + n.sigma**2).sqrt()
    torch.testing.assert_close(loss, ((v - F) ** 2).sum((1, 2)), rtol=1e-8, atol=0)


def test_clean_is_the_error_of_x_0():
    loss, x_0, _, F, _ = loss_of("x_0", WEIGHTS["clean"])
    torch.testing.assert_close(loss, ((x_0 - F) ** 2).sum((1, 2)))


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr(gamma):
    """min(SNR, γ) on x_0, which is min(1, γ / SNR) on ε (Hang et al. 2023)."""
    loss, _, eps, F, n = loss_of("eps", lambda n: min_snr(n, gamma))
    share = torch.minimum(torch.ones(()), gamma / n.snr).flatten()
    torch.testing.assert_close(loss, share * ((eps - F) ** 2).sum((1, 2)), rtol=1e-8, atol=0)


@each_table
@pytest.mark.parametrize("choice", ["small", "large"])
def test_variational_is_k_16(schedule, choice):
    """β_t² / (2 σ_t² α_t (1 − ᾱ_t)) on ‖ε − ε_θ‖², times SNR on ‖x̂_0 − x_0‖²; with β̃ for t > 1 only."""
    t = torch.arange(1 if choice == "large" else 2, schedule.T + 1)
    if len(t) == 0:
        pytest.skip("one step, where σ_q(1) = 0")
    paper, n = Paper(schedule), at(schedule, t, torch.zeros(len(t), 1).double())
    sigma2 = paper.variance(t) if choice == "small" else paper.beta[t]
    k16 = paper.beta[t] ** 2 / (2 * sigma2 * paper.alpha[t] * paper.noise[t])
    weight = variational(schedule, VARIANCES[choice])(n).flatten()
    torch.testing.assert_close(weight, k16 * paper.alpha_bar[t] / paper.noise[t], rtol=1e-8, atol=0)


def test_variational_is_the_difference_of_means():
    """K (14): ‖μ̃ − μ_θ‖² / 2σ_t² is D_KL less its constant, so the loss is bound_term at equal variances."""
    x_0, eps, F, n = batch((2, 50, 500, 1000))
    s = at(S, n.t - 1, x_0)
    small = lambda x, n: Denoised(F)  # noqa: E731
    loss = denoising_loss(small, x_0, n, eps, variational(S, VARIANCES["small"]))
    kl = bound_term(x_0, n.alpha * x_0 + n.sigma * eps, Denoised(F), n, s)
    torch.testing.assert_close(loss, kl, rtol=1e-9, atol=0)


def test_variational_refuses_beta_tilde_at_one():
    with pytest.raises(ValueError, match="infinite at t = 1"):
        variational(S, VARIANCES["small"])(at(S, 1))


# ---------------------------------------------------------------------------- learned variances


def trainable(mean, log_var):
    return lambda x, n: Denoised(x * 0 + mean, (x * 0 + log_var).exp())


def test_hybrid_is_simple_plus_bound():
    """L_simple + λ T L_{t−1}, a batch with t = 1 among others, sample by sample."""
    x_0, eps, F, n = batch()
    log_var = torch.full_like(F, -2.0)
    loss = hybrid_loss(trainable(F, log_var), x_0, n, eps, S, bound_weight=0.01)
    x_t = n.alpha * x_0 + n.sigma * eps
    for i in range(len(x_0)):
        t, s, one = at(S, n.t[i]), at(S, n.t[i] - 1), slice(i, i + 1)
        denoised = Denoised(F[one], log_var[one].exp())
        bound = bound_term(x_0[one], x_t[one], denoised, t, s)
        first = (t.snr * (F[one] - x_0[one]) ** 2).sum()
        torch.testing.assert_close(loss[i], (first + 0.01 * 1000 * bound).squeeze(), rtol=1e-9, atol=1e-9)


def test_hybrid_trains_the_mean_with_simple_alone():
    x_0, eps, F, n = batch()
    gradients = []
    for weight in (0.0, 0.01):
        mean, log_var = F.clone().requires_grad_(), torch.full_like(F, -2.0, requires_grad=True)
        hybrid_loss(trainable(mean, log_var), x_0, n, eps, S, weight).sum().backward()
        gradients.append((mean.grad, log_var.grad))
    (mean_0, var_0), (mean_1, var_1) = gradients
    assert mean_0.equal(mean_1)
    assert bool((var_0 == 0).all())
    assert bool((var_1 != 0).all())
    assert bool(var_1.isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hybrid_is_finite_at_every_step(dtype):
    """Both branches of the last step and the others, forward and backward, over all t at once."""
    x_0 = torch.rand(1000, 2, dtype=dtype) * 2 - 1
    n = at(S, torch.arange(1, 1001), x_0)
    for value in (-20.0, 0.0, 5.0):
        log_ratio = torch.full_like(x_0, value, requires_grad=True)
        denoise = lambda x, n, r=log_ratio: Denoised(0 * x, VARIANCES["large"](n) * r.exp())  # noqa: E731
        loss = hybrid_loss(denoise, x_0, n, torch.randn_like(x_0), S)
        assert loss.shape == (1000,)
        loss.sum().backward()
        assert bool(loss.isfinite().all())
        assert bool(log_ratio.grad.isfinite().all())


def test_hybrid_learns_the_true_variance():
    """The bound part is stationary in Var[x_0|x_t] at the truth, on average over x_0 | x_t."""
    t = 300
    n, g = at(S, t), torch.Generator().manual_seed(5)
    x_0 = TWINS.sample(20_000, g)
    eps = torch.randn(x_0.shape, dtype=torch.float64, generator=g)
    times = at(S, torch.full((20_000,), t), x_0)
    scale = torch.zeros_like(x_0, requires_grad=True)

    def denoise(x, level):
        mean, var = TWINS(x, n)
        return Denoised(mean, var * scale.exp())

    hybrid_loss(denoise, x_0, times, eps, S).sum().backward()
    assert z_value(scale.grad, 0.0).abs() < 3.5


def test_hybrid_needs_a_variance():
    x_0, eps, _, n = batch()
    with pytest.raises(ValueError, match="trains a variance"):
        hybrid_loss(point_mass(trainable(0, 0)), x_0, n, eps, S)


@pytest.mark.parametrize("name", TIMES)
def test_laws_of_times_are_laws_on_the_unit_interval(name: str) -> None:
    """Logit-normal: the logit of the numbers has mean 0 and variance 1; its density at 1/2 is 4 / sqrt(2 pi)."""
    u = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    t = TIMES[name](u)
    assert bool(((t > 0) & (t < 1)).all())
    assert bool((t.diff() > 0).all())
    if name == "logit-normal":
        logit = t.logit()
        assert abs(logit.mean().item()) < 1e-3
        assert abs(logit.var().item() - 1) < 1e-2
        assert ((t - 0.5).abs() < 0.01).double().mean().item() == pytest.approx(
            0.02 * 4 / (2 * torch.pi) ** 0.5, rel=0.02
        )
    assert bool((TIMES[name](torch.tensor([0.0]).double()) >= 0).all())
