"""The Gaussian algebra of both processes: one step forward, one step back, and the SDE behind them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fromnoise.process.denoiser import Denoised
from fromnoise.process.levels import Level, Schedule

Randn = Callable[[Tensor], Tensor]
"""x -> independent standard Gaussians of x's shape: torch.randn_like unless told otherwise."""


def transition(t: Level, s: Level) -> tuple[Tensor, Tensor]:
    """Scale and std of q(x_s | x_t) = N(scale x_t, std² I), s noisier than t.

    For neighbouring steps these are √(1 − β_s) and √β_s (K 4, H 3.3), from t = 0 they are √ᾱ_s and
    √(1 − ᾱ_s) (K 7, H 3.9), and in between they are H (3.6). Raises ValueError if s is cleaner than t.

    >>> from fromnoise.process import at, linear
    >>> schedule = linear(1000)
    >>> std = transition(at(schedule, 999), at(schedule, 1000))[1]
    >>> round(std.item() ** 2, 12) == round(schedule.beta[1000].item(), 12)
    True
    """
    scale = s.alpha / t.alpha
    var = -(s.sigma**2) * torch.expm1(2 * (s.lam - t.lam))  # = σ_s² − scale² σ_t², without cancellation
    if bool((var < 0).any()):
        raise ValueError("q(x_s | x_t) needs s noisier than t; reverse goes the other way")
    return scale, var.sqrt()


def diffuse(x: Tensor, t: Level, s: Level, randn: Randn = torch.randn_like) -> Tensor:
    """Draw x_s from q(x_s | x_t), s noisier than t (K 3–7, H 3.2–3.9): one step or one leap.

    >>> from fromnoise.process import CLEAN, at, linear
    >>> x_t = diffuse(torch.zeros(5, 2), CLEAN, at(linear(1000), 300))
    >>> x_t.shape
    torch.Size([5, 2])
    """
    scale, std = transition(t, s)
    return scale * x + std * randn(x)


def reverse(x: Tensor, denoised: Denoised, t: Level, s: Level, eta: float = 1.0) -> tuple[Tensor, Tensor]:
    """Mean and std of p(x_s | x_t), s cleaner than t, from what is known of x_0.

    eta = 1 is DDPM (K 12–15, H 4.5–4.10), eta = 0 is DDIM (Song et al. 2021), and what lies between mixes
    them. With Denoised(x_0) it is the true posterior q(x_s | x_t, x_0), whose variance is β̃_t (H 4.6).
    A given Var[x_0|x_t] adds b² Var[x_0|x_t], which the papers leave out (Bao et al. 2022): the exact
    variance of one step. The two levels need not be neighbours. Raises ValueError for eta outside [0, 1].

    >>> from fromnoise.process import at, linear
    >>> schedule = linear(1000)
    >>> mean, std = reverse(torch.ones(3), Denoised(torch.ones(3)), at(schedule, 2), at(schedule, 1))
    >>> mean.shape, std.shape
    (torch.Size([3]), torch.Size([]))
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], got {eta}")
    # = eta² σ_s² (1 − (α_t σ_s / α_s σ_t)²): β̃_t for neighbouring steps (H 4.6)
    var = -(eta**2) * s.sigma**2 * torch.expm1(2 * (t.lam - s.lam))
    k = (s.sigma**2 - var).clamp(min=0).sqrt() / t.sigma
    b = s.alpha - k * t.alpha
    mean = k * x + b * denoised.mean
    if denoised.var is not None:
        var = var + b**2 * denoised.var
    return mean, var.sqrt()


def gaussian_kl(mean_q: Tensor, std_q: Tensor, mean_p: Tensor, std_p: Tensor) -> Tensor:
    """D_KL(N(mean_q, std_q²) ‖ N(mean_p, std_p²)) elementwise, in nats.

    >>> gaussian_kl(*(torch.tensor(v) for v in (0.0, 1.0, 1.0, 1.0))).item()
    0.5
    """
    ratio = (std_q / std_p) ** 2
    return 0.5 * (ratio - 1 - ratio.log() + ((mean_q - mean_p) / std_p) ** 2)


def sde(schedule: Schedule, t: Tensor) -> tuple[Tensor, Tensor]:
    """f and g² of dx = f x dt + g dW, whose marginals are the schedule's levels (Song et al. 2021).

    f = d log alpha / dt and g² = −2 sigma² d lam / dt, by forward-mode differentiation: no derivative of a
    schedule is written by hand. At the knots of a table they are one-sided, from the right (at T from the
    left). t lies in (0, T]; the results have its shape, in float64.

    >>> from fromnoise.process import Flow
    >>> f, g2 = sde(Flow(), torch.tensor(0.5))  # f = −1 / (1 − t), g² = 2 t / (1 − t)
    >>> round(f.item(), 9), round(g2.item(), 9)
    (-2.0, 2.0)
    """
    t = torch.as_tensor(t, dtype=torch.float64)

    def logarithms(t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = schedule(t)
        return alpha.log(), alpha.log() - sigma.log()

    f, slope = torch.func.jvp(logarithms, (t,), (torch.ones_like(t),))[1]
    return f, -2 * schedule(t)[1] ** 2 * slope
