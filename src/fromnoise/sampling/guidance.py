"""Guidance maps a denoiser to a denoiser."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fromnoise.process import Denoised, Denoiser, Level

EVERYWHERE = (-math.inf, math.inf)


def extrapolate(
    base: Denoiser,
    towards: Denoiser,
    weight: float,
    *,
    interval: tuple[float, float] = EVERYWHERE,
    rescale: float = 0.0,
) -> Denoiser:
    """D_0 + weight (D_1 − D_0): 0 is the base, 1 is `towards`, more goes past it.

    With an unconditional base it is classifier-free guidance (Ho & Salimans 2022, whose w is weight − 1), with a weaker
    network of the same training as base autoguidance (Karras et al. 2024); the variance is that of `towards`. At
    weights 0 and 1 only one denoiser is called and is the answer as it is; outside `interval`, of lam =
    log(alpha / sigma), that is `towards` (Kynkäänniemi et al. 2024). `rescale`, in [0, 1], brings the standard
    deviation of each sample's mean so far back to that of D_1's: against pictures that burn out (Lin et al. 2024).

    >>> zero, one = (lambda x, n: Denoised(0 * x)), (lambda x, n: Denoised(0 * x + 1))
    >>> extrapolate(zero, one, 3.0)(torch.zeros(2), None).mean
    tensor([3., 3.])
    """
    if weight == 1:
        return towards
    if weight == 0 and interval == EVERYWHERE and not rescale:
        return base
    low, high = interval

    def guided(x: Tensor, n: Level) -> Denoised:
        end = towards(x, n)
        inside = None if interval == EVERYWHERE else (n.lam >= low) & (n.lam <= high)
        if inside is not None and not bool(inside.any()):
            return end
        mean = torch.lerp(base(x, n).mean, end.mean, weight)
        mean = _rescaled(mean, end.mean, rescale) if rescale else mean
        return end._replace(mean=mean if inside is None else torch.where(inside.to(mean.device), mean, end.mean))

    return guided


def tweedie(n: Level) -> Tensor:
    """sigma² / alpha, by which a gradient of log p(y|x_t) moves E[x_0|x_t]; 0 without signal, where x_t says nothing.

    >>> from fromnoise.process import CLEAN
    >>> float(tweedie(CLEAN))
    0.0
    """
    return torch.where(n.alpha > 0, n.sigma**2 / n.alpha.clamp_min(1e-30), 0.0)


def _rescaled(mean: Tensor, like: Tensor, share: float) -> Tensor:
    """`mean`, its spread within each sample so far brought to that of `like`; its average stays."""
    axes = tuple(range(1, mean.ndim))
    centre = mean.mean(axes, keepdim=True)
    spread = mean.std(axes, correction=0, keepdim=True)
    wanted = like.std(axes, correction=0, keepdim=True)
    ratio = torch.where(spread > 0, 1 + share * (wanted / spread.clamp_min(1e-30) - 1), 1.0)
    return centre + ratio * (mean - centre)


def climbed(
    denoise: Denoiser,
    log_prob: Callable[[Tensor, Level], Tensor],
    weight: float = 1.0,
    *,
    interval: tuple[float, float] = EVERYWHERE,
    rescale: float = 0.0,
) -> Denoiser:
    """E[x_0|x_t] + weight (sigma² / alpha) ∇ log p(y|x_t): exactly E[x_0|x_t, y] at weight 1, by Tweedie's formula.

    `log_prob(x_t, level)`, (B,), is what is known of y at x_t, up to a constant: the log probability that a classifier
    of noisy samples gives a class (Dhariwal & Nichol 2021), or the exact one of a law. The variance stays that of the
    denoiser. Outside `interval`, of lam = log(alpha / sigma), nothing is climbed; `rescale` is as in `extrapolate`,
    with weight 1 for D_1.

    >>> from fromnoise.process import GaussianMixture, VP, at
    >>> law = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    >>> upwards = climbed(law, lambda x, n: x.sum(1))
    >>> n = at(VP(), 0.5)
    >>> bool((upwards(torch.zeros(1, 1), n).mean - n.sigma**2 / n.alpha).abs() < 1e-6)
    True
    """

    low, high = interval

    def guided(x: Tensor, n: Level) -> Denoised:
        inside = (n.lam >= low) & (n.lam <= high)
        base = denoise(x.detach(), n)
        if weight == 0 or not bool(inside.any()):
            return base
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(log_prob(x, n).sum(), x)
        step = torch.where(inside.to(x.device), tweedie(n) * slope, 0.0)
        mean = base.mean + weight * step
        return base._replace(mean=_rescaled(mean, base.mean + step, rescale) if rescale else mean)

    return guided


def universal(denoise: Denoiser, log_prob: Callable[[Tensor], Tensor], weight: float = 1.0) -> Denoiser:
    """The same for anything that can be said of clean samples: log p(y|x_t) is taken for log_prob(E[x_0|x_t]).

    `log_prob(x_0)`, (B,), is differentiable: minus a loss, a classifier's log probability, a likeness (Bansal et al.
    2023). Samples are in the network's units: images in [-1, 1].

    >>> from fromnoise.process import CLEAN, Empirical, VP, at
    >>> brighter = universal(Empirical(torch.tensor([[0.0], [1.0]])), lambda x_0: 5 * x_0.sum(1))
    >>> bool(brighter(torch.full((1, 1), 0.1), at(VP(), 0.5)).mean > 0.5)
    True
    """

    def guided(x: Tensor, n: Level) -> Denoised:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            mean = denoise(x, n).mean
            (slope,) = torch.autograd.grad(log_prob(mean).sum(), x)
        return Denoised(mean.detach() + weight * tweedie(n) * slope)

    return guided
