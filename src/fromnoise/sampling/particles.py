"""Many samples at once that compete to explain an observation: exact in the limit of many (Wu et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.process import Denoised, Denoiser, Level, Randn, reverse
from fromnoise.sampling.guidance import tweedie
from fromnoise.sampling.observation import Known, Observation, ball, conjugate_gradients


class Cloud(NamedTuple):
    """Weighted samples: x (groups · particles, ...), those of a group together; log_weights (groups, particles)."""

    x: Tensor
    log_weights: Tensor

    def chosen(self, uniform: Tensor) -> Tensor:
        """One sample of each group, with its weight's probability, by uniform numbers in [0, 1), (groups,).

        >>> Cloud(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0, -99.0]])).chosen(torch.tensor([0.5]))
        tensor([[1.]])
        """
        groups, particles = self.log_weights.shape
        share = self.log_weights.softmax(1).cumsum(1)
        at = torch.searchsorted(share, uniform.to(share)[:, None]).clamp(max=particles - 1)[:, 0]
        return self.x[torch.arange(groups, device=self.x.device) * particles + at.to(self.x.device)]


class _Twist(NamedTuple):
    """What is known at x_t: the denoiser's answer, its mean guided, and log p(y|x_t) up to a constant of the level."""

    plain: Denoised
    guided: Tensor
    log_prob: Tensor


def particles(
    denoise: Denoiser,
    seen: Observation,
    path: Sequence[Level],
    x: Tensor,
    groups: int = 1,
    *,
    randn: Randn = torch.randn_like,
    threshold: float = 0.5,
    iterations: int = 3,
) -> Iterator[Cloud]:
    """The ancestral chain, guided, with weights that correct for all that guidance gets wrong.

    A step proposes x_s from the chain p(x_s|x_t) whose mean is guided as by `observed(..., ball)`, and multiplies the
    weight by p(x_s|x_t) / proposal(x_s) · twist(x_s) / twist(x_t); the last twist is p(y|x_0) itself. So with any twist
    the weighted samples have the law of the chain given y as their number grows: what remains is the error of the
    denoiser and of the chain's steps. x is (groups · particles, ...), noise at path[0]; the particles of a group are
    resampled (systematically) where their effective number falls below `threshold` of them. Yields after every step.
    The path goes down to a level without noise. Raises ValueError for an observation without noise, whose weights would
    all be zero.

    >>> from fromnoise.process import GaussianMixture, VP
    >>> from fromnoise.sampling import strided
    >>> law, seen = GaussianMixture([1.0], [[0.0]], [[[1.0]]]), Observation(torch.tensor([[2.0]]), lambda x: x, 1.0)
    >>> *_, cloud = particles(law, seen, strided(VP(), 40), torch.randn(2000, 1).double())
    >>> bool((cloud.log_weights.softmax(1) @ cloud.x - 1).abs() < 0.15)  # the mean of N(1, 1/2)
    True
    """
    if seen.std <= 0:
        raise ValueError("particles need an observation with noise: give it a std above 0")
    if len(x) % groups:
        raise ValueError(f"{len(x)} particles do not make {groups} groups of equal size")
    log_weights = x.new_zeros(groups, len(x) // groups)
    twist = None
    for t, s in pairwise(path):
        last = bool(s.sigma == 0)
        if twist is None:
            twist = _twisted(denoise, seen, x, t, iterations)
            log_weights = log_weights + twist.log_prob.reshape(log_weights.shape)
        if last:
            x = twist.plain.mean
            log_weights = log_weights + (seen.log_prob(x) - twist.log_prob).reshape(log_weights.shape)
            yield Cloud(x, log_weights)
            return
        x, log_weights, twist = _resampled(x, log_weights, twist, threshold, randn)
        plain, std = reverse(x, twist.plain, t, s)
        guided, _ = reverse(x, twist.plain._replace(mean=twist.guided), t, s)
        x = guided + std * randn(x)
        gain = _log_ratio(x, plain, guided, std) - twist.log_prob
        twist = _twisted(denoise, seen, x, s, iterations)
        log_weights = log_weights + (gain + twist.log_prob).reshape(log_weights.shape)
        yield Cloud(x, log_weights)


def _twisted(denoise: Denoiser, seen: Observation, x: Tensor, n: Level, iterations: int) -> _Twist:
    """log N(y; A D, std² I + A V A') up to a constant, V = r² I: the constant is the same for all particles."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        denoised = denoise(x, n)
        residual = seen.y.to(x) - seen.operator(denoised.mean)
    covariance = ball(Known(x, n, denoised, lambda v: v))
    clean = denoised.mean.detach()

    def matrix(u: Tensor) -> Tensor:
        back = torch.func.vjp(seen.operator, clean)[1]
        return seen.std**2 * u + torch.func.jvp(seen.operator, (clean,), (covariance(back(u)[0]),))[1]

    solved = conjugate_gradients(matrix, residual.detach(), iterations)
    (slope,) = torch.autograd.grad(residual, x, solved)  # −∇ log twist: matrix does not depend on x
    plain = Denoised(clean, None if denoised.var is None else denoised.var.detach())
    log_prob = -0.5 * (residual.detach() * solved).flatten(1).sum(1)
    return _Twist(plain, clean - tweedie(n) * slope, log_prob)


def _log_ratio(x: Tensor, plain: Tensor, guided: Tensor, std: Tensor) -> Tensor:
    """log N(x; plain, std²) − log N(x; guided, std²), (B,)."""
    return (((x - guided) / std) ** 2 - ((x - plain) / std) ** 2).flatten(1).sum(1) / 2


def _resampled(
    x: Tensor, log_weights: Tensor, twist: _Twist, threshold: float, randn: Randn
) -> tuple[Tensor, Tensor, _Twist]:
    """Particles drawn by weight in the groups whose effective number is small; their weights are equal then."""
    groups, count = log_weights.shape
    share = log_weights.softmax(1)
    poor = 1 / share.square().sum(1) < threshold * count
    # One uniform number a group, from the samples' own streams: a seed gives the same particles in any batch.
    normal = randn(x).flatten(1)[:, 0].reshape(groups, count)[:, 0]
    uniform = 0.5 * (1 + torch.erf(normal / math.sqrt(2)))
    if not bool(poor.any()):
        return x, log_weights, twist
    places = (torch.arange(count, device=x.device) + uniform[:, None]) / count
    drawn = torch.searchsorted(share.cumsum(1).contiguous(), places.to(share).contiguous()).clamp(max=count - 1)
    drawn = torch.where(poor[:, None], drawn, torch.arange(count, device=x.device))
    at = (drawn + torch.arange(groups, device=x.device)[:, None] * count).flatten()
    equal = log_weights.logsumexp(1, keepdim=True) - math.log(count)  # what the group as a whole weighs stays
    log_weights = torch.where(poor[:, None], equal.expand_as(log_weights), log_weights)
    var = None if twist.plain.var is None else twist.plain.var[at]
    return x[at], log_weights, _Twist(Denoised(twist.plain.mean[at], var), twist.guided[at], twist.log_prob[at])
