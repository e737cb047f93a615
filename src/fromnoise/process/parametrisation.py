"""How a network becomes a denoiser: what it predicts, and which variance goes with it.

What a network predicts is a pair of scalars, x̂_0 = c_skip x_t + c_out F(x_t, t), and a choice of σ_t² is
one number, Var[x_0|x_t]: no prediction type and no variance is a branch inside arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fromnoise.process.denoiser import Denoised, Denoiser
from fromnoise.process.kernels import reverse
from fromnoise.process.levels import Level, Schedule, at

Network = Callable[[Tensor, Tensor], Tensor]
"""(x_t of shape (B, ...), t / T of shape (B,)) -> F, of x_t's shape, or with twice its channels."""

Coefficients = Callable[[Level], tuple[Tensor, Tensor]]
"""level -> (c_skip, c_out) of x̂_0 = c_skip x_t + c_out F."""

Variance = Callable[[Level], Tensor]
"""level -> the part of Var[x_0|x_t] that a fixed choice of σ_t² stands for."""


def _eps(n: Level) -> tuple[Tensor, Tensor]:
    """F = eps: x_0 = (x_t − sigma eps) / alpha (K 15, H 4.8)."""
    return 1 / n.alpha, -n.sigma / n.alpha


def _x_0(n: Level) -> tuple[Tensor, Tensor]:
    """F = x_0."""
    return torch.zeros_like(n.alpha), torch.ones_like(n.alpha)


def _v(n: Level) -> tuple[Tensor, Tensor]:
    """F = v = (alpha eps − sigma x_0) / √(alpha² + sigma²) (Salimans & Ho 2022; Karras et al. 2022 where alpha = 1)."""
    total = n.alpha**2 + n.sigma**2
    return n.alpha / total, -n.sigma / total.sqrt()


def _flow(n: Level) -> tuple[Tensor, Tensor]:
    """F = eps − x_0, the velocity of the straight path; it stays finite where alpha = 0."""
    return 1 / (n.alpha + n.sigma), -n.sigma / (n.alpha + n.sigma)


def _score(n: Level) -> tuple[Tensor, Tensor]:
    """F = ∇ log q(x_t) = (alpha E[x_0|x_t] − x_t) / sigma² (Tweedie)."""
    return 1 / n.alpha, n.sigma**2 / n.alpha


def _mean(schedule: Schedule) -> Coefficients:
    """F = μ̃_t(x_t, x_0), the mean of q(x_{t−1}|x_t, x_0) of a table of steps (K 12, H 4.7); x_0 itself below t = 1."""

    def coefficients(n: Level) -> tuple[Tensor, Tensor]:
        s = at(schedule, (n.t - 1).clamp(min=0), n.alpha)
        zero, one = torch.zeros_like(n.alpha), torch.ones_like(n.alpha)
        k = reverse(one, Denoised(zero), n, s)[0]
        b = reverse(zero, Denoised(one), n, s)[0]
        return -k / b, 1 / b

    return coefficients


PREDICTIONS: dict[str, Callable[[Schedule], Coefficients]] = {
    "eps": lambda schedule: _eps,
    "x_0": lambda schedule: _x_0,
    "v": lambda schedule: _v,
    "flow": lambda schedule: _flow,
    "score": lambda schedule: _score,
    "mean": _mean,
}
"""What a network may predict; each entry takes the schedule and gives level -> (c_skip, c_out).

`mean` belongs to schedules with whole steps (it looks one step ahead), the others to all.
"""


def small(n: Level) -> Tensor:
    """σ_t² = β̃_t, H's σ_q² (H 4.6): x_0 is taken for known, Var[x_0|x_t] = 0."""
    return torch.zeros_like(n.sigma)


def large(n: Level) -> Tensor:
    """σ_t² = β_t (Ho et al. 2020, section 3.2): exact when the data are N(0, I)."""
    return n.sigma**2 / (n.alpha**2 + n.sigma**2)


VARIANCES: dict[str, Variance] = {"small": small, "large": large, "learned": large}
"""DDPM's choices of σ_t² as the one number Var[x_0|x_t]; the learned one is `large` times exp(network)."""


def from_network(
    network: Network, coefficients: Coefficients, horizon: float, variance: Variance = small, *, learned: bool
) -> Denoiser:
    """The denoiser x̂_0 = c_skip x_t + c_out F(x_t, t / horizon) of a network.

    `horizon` is the schedule's T. With `learned`, the network gives twice the channels and the second half
    is log(Var[x_0|x_t] / variance(level)), so zeros mean σ_t² = β_t when `variance` is `large`
    (Nichol & Dhariwal 2021 interpolate instead; a multiple stays right when steps are skipped, and reaches
    past β_t, as two-valued data need).

    >>> from fromnoise.process import at, linear
    >>> schedule = linear(1000)
    >>> denoise = from_network(lambda x, t: 0 * x, PREDICTIONS["v"](schedule), schedule.T, learned=False)
    >>> denoise(torch.ones(4, 2), at(schedule, 1000)).mean.shape
    torch.Size([4, 2])
    """

    def denoise(x: Tensor, n: Level) -> Denoised:
        time = (n.t / horizon).to(x).expand(len(x))
        F = network(x / (n.alpha**2 + n.sigma**2).sqrt(), time).to(x.dtype)  # of unit size on every schedule
        if not learned:
            # A scalar level is float64: .to(x) first, or its variance would promote the samples.
            return Denoised(_combine(x, F, n), None if variance is small else variance(n).to(x).expand_as(x))
        F, log_ratio = F.chunk(2, dim=1)
        return Denoised(_combine(x, F, n), variance(n) * log_ratio.clamp(-20, 5).exp())

    def _combine(x: Tensor, F: Tensor, n: Level) -> Tensor:
        c_skip, c_out = coefficients(n)
        return c_skip * x + c_out * F

    return denoise
