"""How likely data are: the terms of the variational bound (K 10, 11, 14), and the probability-flow ODE's exact density.

They are likelihoods of two different models: of the chain that adds noise at each step, and of the ODE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from fromnoise.process.denoiser import Denoised, Denoiser
from fromnoise.process.exact import gaussian_log_prob
from fromnoise.process.kernels import gaussian_kl, reverse
from fromnoise.process.levels import Level, Schedule, at


def prior_term(x_0: Tensor, end: Level) -> Tensor:
    """L_T = D_KL(q(x_T|x_0) ‖ N(0, I)) a sample (K 11), in nats, (B,). It has nothing to learn.

    >>> import torch
    >>> from fromnoise.process import at, linear
    >>> bool(prior_term(torch.zeros(1, 2), at(linear(1000), 1000)) < 1e-3)
    True
    """
    mean, std = end.alpha * x_0, end.sigma.to(x_0)
    return gaussian_kl(mean, std, 0 * mean, std * 0 + 1).flatten(1).sum(1)


def bound_term(x_0: Tensor, x_t: Tensor, denoised: Denoised, t: Level, s: Level) -> Tensor:
    """L_{t−1} = D_KL(q(x_s|x_t, x_0) ‖ p(x_s|x_t)) a sample (K 11, 14), in nats, (B,).

    At the last step, where s has no noise, it is L_0 = −log N(x_0; mean, var) and needs denoised.var > 0:
    with the papers' σ_q(1) = 0 the bound is infinite there (raises ValueError). For 8-bit data see `bin_log_prob`.

    >>> import torch
    >>> from fromnoise.process import at, linear
    >>> schedule, x = linear(1000), torch.zeros(1, 2)
    >>> bound_term(x, x, Denoised(x), at(schedule, 2), at(schedule, 1)).item()
    0.0
    """
    last = s.sigma == 0
    if not bool(last.any()):
        return _transition_term(x_0, x_t, denoised, t, s)
    if denoised.var is None or not bool((denoised.var > 0).all()):
        raise ValueError("L_0 is infinite without a variance: give Denoised.var")
    home = -gaussian_log_prob(x_0, denoised.mean, denoised.var.sqrt())
    # Where the step is the last one, sigma is lifted so that the branch that is not taken stays finite.
    lifted = Level(s.t, s.alpha, torch.where(last, 0.5 * t.sigma, s.sigma))
    return torch.where(last.flatten(), home, _transition_term(x_0, x_t, denoised, t, lifted))


def _transition_term(x_0: Tensor, x_t: Tensor, denoised: Denoised, t: Level, s: Level) -> Tensor:
    true_mean, true_std = reverse(x_t, Denoised(x_0), t, s)
    mean, std = reverse(x_t, denoised, t, s)
    return gaussian_kl(true_mean, true_std, mean, std).flatten(1).sum(1)


def bin_log_prob(x: Tensor, mean: Tensor, std: Tensor, width: float = 2 / 255) -> Tensor:
    """log of the mass of N(mean, std²) in the bin around x, summed over all but the first dimension, in nats, (B,).

    For data on an even grid of [-1, 1] whose steps are `width`, 8-bit data by default; the first bin and the last are
    open towards infinity, so that the masses of all bins sum to one (Ho et al. 2020, equation 13).

    >>> x = torch.tensor([[-1.0], [1.0]])
    >>> bin_log_prob(x, torch.zeros(1), torch.ones(1), width=2.0).exp()  # two bins
    tensor([0.5000, 0.5000])
    """
    high = torch.where(x > 1 - width / 2, math.inf, (x + width / 2 - mean) / std)
    low = torch.where(x < -1 + width / 2, -math.inf, (x - width / 2 - mean) / std)
    flip = low > 0  # in the upper tail both are near one: count from the other side
    high, low = torch.where(flip, -low, high), torch.where(flip, -high, low)
    top, bottom = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    return (top + torch.log1p(-(bottom - top).exp())).flatten(1).sum(1)


Divergence = Callable[[Callable[[Tensor], Tensor], Tensor], tuple[Tensor, Tensor]]
"""(field, x) -> field(x) and its divergence a sample, (B,)."""


def exact_divergence(field: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of ∂field_i/∂x_i, by one backward pass a dimension: for a few dimensions.

    >>> exact_divergence(lambda x: x**2, torch.tensor([[1.0, 3.0]]))[1]
    tensor([8.])
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = field(x)
        columns = value.flatten(1)
        total = torch.zeros_like(columns[:, 0])
        for i in range(columns.shape[1]):
            (row,) = torch.autograd.grad(columns[:, i].sum(), x, retain_graph=True)
            total = total + row.flatten(1)[:, i]
    return value.detach(), total.detach()


def hutchinson(probe: Tensor) -> Divergence:
    """The divergence's unbiased estimate e · (∂field/∂x) e, by one backward pass, for a probe e of signs ±1 like x.

    >>> estimate = hutchinson(torch.tensor([[1.0, -1.0]]))
    >>> estimate(lambda x: x**2, torch.tensor([[1.0, 3.0]]))[1]
    tensor([8.])
    """

    def estimate(field: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = field(x)
            (row,) = torch.autograd.grad((value * probe).sum(), x)
        return value.detach(), (row * probe).flatten(1).sum(1)

    return estimate


def flow_log_prob(
    denoise: Denoiser,
    schedule: Schedule,
    x: Tensor,
    levels: Sequence[Level],
    divergence: Divergence = exact_divergence,
) -> Tensor:
    """log p of x at the first of the levels, which rise to the noisiest, under the probability-flow ODE, in nats, (B,).

    At the last level p is N(0, alpha² + sigma²), data of unit variance being noise there. In the angle phi of (alpha,
    sigma) = r (cos phi, sin phi) the ODE of z = x / r is dz/dphi = (z cos phi − E[x_0|x_t]) / sin phi, and log p of z
    falls by the integral of its divergence (Song et al. 2021, equation 39); each step between two levels is a
    classical Runge–Kutta step of order four, four calls with their divergence.

    >>> from fromnoise.process import GaussianMixture, VP
    >>> law, schedule = GaussianMixture([1.0], [[0.0]], [[[1.0]]]), VP()
    >>> levels = [at(schedule, t) for t in (0.01, 0.5, 1.0)]
    >>> bool((flow_log_prob(law, schedule, torch.zeros(1, 1).double(), levels) + 0.9189).abs() < 1e-4)
    True
    """

    def slope(z: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
        time = schedule.time(-phi.tan().log()).clamp(0, schedule.T)
        n = at(schedule, time)

        def field(z: Tensor) -> Tensor:
            return (phi.cos() * z - denoise((n.alpha**2 + n.sigma**2).sqrt() * z, n).mean) / phi.sin()

        return divergence(field, z)

    radius = (levels[0].alpha ** 2 + levels[0].sigma ** 2).sqrt()
    z, gained = x / radius, torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for t, s in pairwise(levels):
        start, end = (torch.atan2(n.sigma, n.alpha) for n in (t, s))
        h = end - start
        k_1, d_1 = slope(z, start)
        k_2, d_2 = slope(z + h / 2 * k_1, start + h / 2)
        k_3, d_3 = slope(z + h / 2 * k_2, start + h / 2)
        k_4, d_4 = slope(z + h * k_3, end)
        z = z + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)
        gained = gained + h / 6 * (d_1 + 2 * d_2 + 2 * d_3 + d_4)
    return gaussian_log_prob(z, torch.zeros_like(z), 1.0) + gained - x[0].numel() * radius.log()
