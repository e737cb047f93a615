"""What training minimises: w(level) · ‖E[x_0|x_t] − x_0‖², for some weight w."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fromnoise.process.denoiser import Denoised, Denoiser
from fromnoise.process.kernels import reverse
from fromnoise.process.levels import Level, Schedule, at
from fromnoise.process.likelihood import bound_term

Weight = Callable[[Level], Tensor]
"""level -> the weight of ‖mean − x_0‖², of the level's shape."""


def simple(n: Level) -> Tensor:
    """‖ε − ε_θ‖² of K (17), Algorithm 1: an error of x_0 counts alpha² / sigma² times.

    >>> simple(Level(torch.tensor(0.5), torch.tensor(0.6), torch.tensor(0.8))).item()
    0.5625
    """
    return n.snr


def clean(n: Level) -> Tensor:
    """‖x̂_0 − x_0‖² with weight one."""
    return torch.ones_like(n.alpha)


def velocity(n: Level) -> Tensor:
    """The squared error of v = (alpha ε − sigma x_0) / √(alpha² + sigma²) (Salimans & Ho 2022): SNR + 1."""
    return (n.alpha**2 + n.sigma**2) / n.sigma**2


def min_snr(n: Level, gamma: float = 5.0) -> Tensor:
    """min(SNR, gamma), which keeps the cleanest levels from ruling the gradient (Hang et al. 2023).

    >>> min_snr(Level(torch.tensor(0.5), torch.tensor(0.9), torch.tensor(0.1))).item()
    5.0
    """
    return n.snr.clamp(max=gamma)


def variational(schedule: Schedule, var: Callable[[Level], Tensor]) -> Weight:
    """K (16), the weight that the bound itself gives: b² / (2 σ_t²), where μ̃ − μ_θ = b (x_0 − x̂_0) (K 14).

    `var` is Var[x_0|x_t] as a choice of σ_t² (see `VARIANCES`). With β̃ the weight is infinite at t = 1
    (raises ValueError there), because σ_q(1) = 0. For schedules of whole steps.

    >>> from fromnoise.process import VARIANCES, at, linear
    >>> schedule = linear(1000)
    >>> weight = variational(schedule, VARIANCES["large"])
    >>> bool(weight(at(schedule, 500)) > 0)
    True
    """

    def weight(n: Level) -> Tensor:
        s = at(schedule, n.t - 1, n.alpha)
        one, zero = torch.ones_like(n.alpha), torch.zeros_like(n.alpha)
        b, std = reverse(zero, Denoised(one, var(n)), n, s)
        if bool((std == 0).any()):
            raise ValueError("K (16) is infinite at t = 1 with the small variance: choose 'large'")
        return (b / std) ** 2 / 2

    return weight


def denoising_loss(denoise: Denoiser, x_0: Tensor, n: Level, eps: Tensor, weight: Weight = simple) -> Tensor:
    """w(level) ‖E[x_0|x_t] − x_0‖² a sample, (B,), summed over its elements (K 16, 17; H Algorithm 5.1).

    x_t = alpha x_0 + sigma eps is made here. The exact denoiser reaches w · E Var[x_0|x_t], the floor
    under every loss curve.

    >>> from fromnoise.process import at, linear
    >>> x_0, schedule = torch.zeros(4, 2), linear(1000)
    >>> n = at(schedule, torch.tensor([1, 10, 100, 1000]), x_0)
    >>> denoising_loss(lambda x, n: Denoised(0 * x), x_0, n, torch.randn_like(x_0))
    tensor([0., 0., 0., 0.])
    """
    x_t = n.alpha * x_0 + n.sigma * eps
    error = denoise(x_t, n).mean - x_0
    return (weight(n) * error**2).flatten(1).sum(1)


def hybrid_loss(
    denoise: Denoiser, x_0: Tensor, n: Level, eps: Tensor, schedule: Schedule, bound_weight: float = 1e-3
) -> Tensor:
    """L_simple + bound_weight · T · L_{t−1}, the bound training only the variance (Nichol & Dhariwal 2021).

    The mean inside the bound is detached, so the variance cannot spoil it. (B,), summed over elements.
    Raises ValueError when the denoiser has no variance to learn.

    >>> from fromnoise.process import at, linear
    >>> schedule, x_0 = linear(1000), torch.zeros(2, 3)
    >>> n = at(schedule, torch.tensor([2, 500]), x_0)
    >>> wide = lambda x, n: Denoised(0 * x, torch.ones_like(x))
    >>> hybrid_loss(wide, x_0, n, torch.randn_like(x_0), schedule).shape
    torch.Size([2])
    """
    x_t = n.alpha * x_0 + n.sigma * eps
    denoised = denoise(x_t, n)
    if denoised.var is None:
        raise ValueError("the hybrid loss trains a variance: use a denoiser that has one")
    first = (simple(n) * (denoised.mean - x_0) ** 2).flatten(1).sum(1)
    fixed = Denoised(denoised.mean.detach(), denoised.var)
    return first + bound_weight * schedule.T * bound_term(x_0, x_t, fixed, n, at(schedule, n.t - 1, n.alpha))


WEIGHTS: dict[str, Weight] = {
    "simple": simple,
    "clean": clean,
    "velocity": velocity,
    "min-snr": min_snr,
}
"""The weights that depend on the level alone, by the names that configurations use."""


def logit_normal(u: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) as numbers whose logit is N(0, 1): most in the middle, few at the ends.

    Trained at such times, a network spends its effort where noise and picture are hard to tell apart (Esser et al.
    2024, who give it for flows); near t = 0 and t = T there is little to learn.

    >>> logit_normal(torch.tensor([0.0, 0.5, 0.975]).double())
    tensor([0.0000, 0.5000, 0.8765], dtype=torch.float64)
    """
    return torch.special.ndtri(u).sigmoid()


def uniform(u: Tensor) -> Tensor:
    """Algorithm 1 of both papers: every time as often as any other.

    >>> uniform(torch.tensor([0.25]))
    tensor([0.2500])
    """
    return u


TIMES: dict[str, Callable[[Tensor], Tensor]] = {"uniform": uniform, "logit-normal": logit_normal}
"""Laws of the training times, by the names that configurations use: u ~ U(0, 1) -> t / T."""
