"""Observations y = A(x_0) + noise, and the guidance that draws what they are of.

Of the clean sample a denoiser knows E[x_0|x_t]. With an observation it should know E[x_0|x_t, y], which is exactly

    E[x_0|x_t] + (sigma² / alpha) ∇ log p(y|x_t),

by Tweedie's formula for both. p(y|x_t) is the integral of N(y; A x_0, std² I) over p(x_0|x_t), of which only the mean D
is known; what is taken for its covariance is what the methods differ in. Of a Gaussian with covariance V the log
gradient, V alone held fixed, is J' A' (std² I + A V A')^-1 (y − A D), with J the derivative of D in x_t.
Where no signal is left, alpha = 0, x_t says nothing of y, and the denoiser's own answer stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fromnoise.process import Denoised, Denoiser, Level, Randn
from fromnoise.sampling.guidance import tweedie
from fromnoise.sampling.operators import Operator
from fromnoise.sampling.solvers import Solver


@dataclass(frozen=True)
class Observation:
    """What was seen: y = operator(x_0) + std z.

    y         (1, ...) or one a sample, (B, ...); without noise something that can be seen: 0 where a mask hides
    operator  x_0 -> what would be seen of it without noise
    std       of the noise in each number of y; 0 where there is none

    Raises ValueError for a negative std.

    >>> from fromnoise.sampling.operators import shrunk
    >>> seen = Observation(torch.zeros(1, 1, 2, 2), shrunk(4), 0.1)
    >>> round(seen.log_prob(torch.zeros(1, 1, 8, 8)).item(), 3)  # 4 (-log 0.1 - log(2 pi) / 2)
    5.535
    """

    y: Tensor
    operator: Operator
    std: float = 0.0

    def __post_init__(self) -> None:
        if not self.std >= 0:
            raise ValueError(f"the standard deviation of noise is at least 0, got {self.std}")

    def log_prob(self, x_0: Tensor) -> Tensor:
        """log N(y; operator(x_0), std² I) in nats, (B,), of x_0 (B, *shape); std must be positive."""
        offset = (self.y.to(x_0) - self.operator(x_0)).flatten(1)
        return -(0.5 * (offset / self.std) ** 2 + math.log(self.std) + 0.5 * math.log(2 * math.pi)).sum(1)


Spread = Callable[["Known"], Callable[[Tensor], Tensor]]
"""What is known at x_t -> V, the covariance of x_0 given x_t, as a function of vectors (B, *shape)."""


@dataclass(frozen=True)
class Known:
    """D at x_t and its derivative: v -> (sigma² / alpha) J' v, which is Cov[x_0|x_t] v for the exact denoiser."""

    x: Tensor
    level: Level
    denoised: Denoised
    pull: Callable[[Tensor], Tensor]


def ball(known: Known) -> Callable[[Tensor], Tensor]:
    """V = sigma² / (alpha² + sigma²) I: the covariance for white data of unit variance (Song et al. 2023).

    >>> from fromnoise.process import VP, at
    >>> level, x = at(VP(), 0.5), torch.ones(1, 2)
    >>> bool((ball(Known(x, level, Denoised(x), lambda v: v))(x) == level.sigma**2).all())
    True
    """
    n = known.level
    return lambda v: n.sigma**2 / (n.alpha**2 + n.sigma**2) * v


def jacobian(known: Known) -> Callable[[Tensor], Tensor]:
    """V = (sigma² / alpha) J', the covariance itself by Tweedie's second formula, as in MMPS (Rozet et al. 2024)."""
    return known.pull


def observed(denoise: Denoiser, seen: Observation, spread: Spread = jacobian, iterations: int = 3) -> Denoiser:
    """The denoiser of x_0 given x_t and an observation, by a Gaussian in the place of p(x_0|x_t).

    (std² I + A V A') u = y − A D is solved by so many steps of conjugate gradients, and the mean is D + (sigma² /
    alpha) J' A' u. With `spread` jacobian it is exact for Gaussian data; a call costs the denoiser's, and iterations +
    1 derivatives of it (with ball one). For an operator that is not linear A is its derivative at D. The variance is
    left out: it is not known.

    >>> from fromnoise.process import GaussianMixture, VP, at
    >>> law = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.5, 1.0]]])
    >>> A, y = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([2.0])
    >>> seen, x, n = Observation(y[None], lambda x: x @ A.mT, 0.1), torch.ones(1, 2).double(), at(VP(), 0.3)
    >>> bool((observed(law, seen)(x, n).mean - law.given(y, A, 0.1)(x, n).mean).abs().max() < 1e-9)
    True
    """

    def guided(x: Tensor, n: Level) -> Denoised:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = denoise(x, n)
            clean = denoised.mean.detach().requires_grad_()
            image = seen.operator(clean)
        known = Known(x.detach(), n, denoised, lambda v: tweedie(n) * _vjp(denoised.mean, x, v))
        covariance = spread(known)

        def back(u: Tensor) -> Tensor:
            return _vjp(image, clean, u)

        def forth(v: Tensor) -> Tensor:
            return torch.func.jvp(seen.operator, (clean.detach(),), (v,))[1]

        def matrix(u: Tensor) -> Tensor:
            return seen.std**2 * u + forth(covariance(back(u)))

        residual = seen.y.to(x).expand_as(image) - image.detach()
        return Denoised(clean.detach() + known.pull(back(conjugate_gradients(matrix, residual, iterations))))

    return guided


def conjugate_gradients(matrix: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """An approximate solution of matrix(u) = b for each sample alone, (B, ...), from u = 0.

    Each stops for itself, and for good, where it has arrived, or where the matrix is not positive along a direction: a
    network's derivative need not be.

    >>> conjugate_gradients(lambda u: 2 * u, torch.ones(1, 3), 5)
    tensor([[0.5000, 0.5000, 0.5000]])
    """

    def dot(a: Tensor, c: Tensor) -> Tensor:
        return (a * c).flatten(1).sum(1).reshape(-1, *(1,) * (b.ndim - 1))

    u, rest, direction = torch.zeros_like(b), b, b
    size = start = dot(rest, rest)
    going = torch.ones_like(start, dtype=torch.bool)
    for _ in range(iterations):
        along = matrix(direction)
        curve = dot(direction, along)
        going = going & (size > 1e-12 * start) & (curve > 0)
        if not bool(going.any()):
            break
        step = torch.where(going, size / curve.clamp_min(torch.finfo(b.dtype).tiny), 0.0)
        u, rest = u + step * direction, rest - step * along
        before, size = size, dot(rest, rest)
        direction = rest + torch.where(going, size / before.clamp_min(torch.finfo(b.dtype).tiny), 0.0) * direction
    return u


def _answering(denoised: Denoised) -> Denoiser:
    """A denoiser that gives what it was asked before: a solver that asks once needs no second call."""
    known = Denoised(denoised.mean.detach(), None if denoised.var is None else denoised.var.detach())
    return lambda *_: known


def _vjp(out: Tensor, x: Tensor, v: Tensor) -> Tensor:
    """v times the derivative of out in x; zero where out does not depend on x."""
    (found,) = torch.autograd.grad(out, x, v.expand_as(out), retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


@dataclass(frozen=True)
class Nudged:
    """Diffusion posterior sampling (Chung et al. 2023): each step of a solver, less rate ∇‖y − A D(x_t)‖.

    `solver` asks the denoiser once a step; the norm is each sample's own. `rate` is the paper's ζ', 1 unless given.

    >>> from fromnoise.sampling.solvers import DDIM
    >>> Nudged(DDIM(1.0), Observation(torch.zeros(1, 2), lambda x: x)).rate
    1.0
    """

    solver: Solver
    seen: Observation
    rate: float = 1.0

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = denoise(x, t)
            norm = (self.seen.y.to(x) - self.seen.operator(denoised.mean)).flatten(1).norm(dim=1)
            (slope,) = torch.autograd.grad(norm.sum(), x)
        x_s, state = self.solver.step(_answering(denoised), x.detach(), t, s, state, randn)
        return x_s - self.rate * slope, state


@dataclass(frozen=True)
class Pulled:
    """Pseudoinverse guidance, ΠGDM (Song et al. 2023): each step of a solver, plus alpha_t J' A⁺ (y − A D(x_t)).

    A⁺ r = A' (A A' + (std / r_t)² I)^-1 r with r_t² = sigma² / (alpha² + sigma²), by so many steps of conjugate
    gradients: one is exact for masks and for means of squares. The solver asks the denoiser once a step. The pull does
    not shrink with the step, so it is stronger than `observed(..., ball)`, from whose formula it comes.

    >>> from fromnoise.sampling.solvers import DDIM
    >>> Pulled(DDIM(1.0), Observation(torch.zeros(1, 2), lambda x: x)).iterations
    3
    """

    solver: Solver
    seen: Observation
    iterations: int = 3

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = denoise(x, t)
            clean = denoised.mean.detach().requires_grad_()
            image = self.seen.operator(clean)
        noise = self.seen.std**2 * (t.alpha**2 + t.sigma**2) / t.sigma**2

        def matrix(u: Tensor) -> Tensor:
            return noise * u + torch.func.jvp(self.seen.operator, (clean.detach(),), (_vjp(image, clean, u),))[1]

        residual = self.seen.y.to(x).expand_as(image) - image.detach()
        back = _vjp(image, clean, conjugate_gradients(matrix, residual, self.iterations))
        pull = t.alpha * _vjp(denoised.mean, x, back)
        x_s, state = self.solver.step(_answering(denoised), x.detach(), t, s, state, randn)
        return x_s + pull, state


def replaced(y: Tensor, mask: Tensor, randn: Randn) -> Callable[[Tensor, Level], Tensor]:
    """The projection of RePaint (Lugmayr et al. 2022): where `mask` is True, x_s is a draw of q(x_s | x_0 = y).

    For `trajectory(project=)`; y (1, ...) or one a sample. At the end the known pixels are y itself, to the last bit.

    >>> from fromnoise.process import CLEAN
    >>> project = replaced(torch.ones(1, 2), torch.tensor([True, False]), torch.randn_like)
    >>> project(torch.zeros(1, 2), CLEAN)
    tensor([[1., 0.]])
    """

    def project(x: Tensor, s: Level) -> Tensor:
        known = y.to(x).expand_as(x)
        if bool(s.sigma > 0):
            known = s.alpha * known + s.sigma * randn(x)
        return torch.where(mask.to(x.device), known, x)

    return project
