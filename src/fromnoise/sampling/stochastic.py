"""The reverse SDE and Langevin's correction: noise on the way down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fromnoise.process import Denoiser, Level, Randn, Schedule, sde
from fromnoise.sampling.solvers import Solver


def score(denoise: Denoiser, x: Tensor, n: Level) -> Tensor:
    """∇ log q(x_t) = (alpha E[x_0|x_t] − x_t) / sigma² (Tweedie).

    >>> from fromnoise.process import GaussianMixture, at, linear
    >>> law = GaussianMixture([1.0], [[0.0]], [[[1.0]]])  # x_t is N(0, 1) at every level
    >>> import torch
    >>> round(score(law, torch.tensor([[0.5]]).double(), at(linear(1000), 400)).item(), 9)
    -0.5
    """
    return (n.alpha * denoise(x, n).mean - x) / n.sigma**2


@dataclass(frozen=True)
class EulerMaruyama:
    """Euler and Maruyama's step of the reverse SDE dx = (f x − g² ∇ log q) dt + g dW (Song et al. 2021, equation 6).

    H section 7 asks whether it is a coincidence that Algorithm 2 looks like it: with dt one step of the table the two
    differ by terms of second order in beta, and both are of weak order 1. It needs far more steps than the chain, which
    solves the Gaussian part exactly. Not from a level without signal, where f is infinite.

    >>> from fromnoise.process import linear
    >>> EulerMaruyama(linear(1000)).schedule.T
    1000
    """

    schedule: Schedule

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        f, g2 = sde(self.schedule, torch.nextafter(t.t, s.t))  # the slope of a table on this side of its knot
        dt = s.t - t.t
        drift = f * x - g2 * score(denoise, x, t)
        return x + dt * drift + (-dt * g2).sqrt() * randn(x), None


@dataclass(frozen=True)
class Corrected:
    """A predictor, then `steps` steps of Langevin's dynamics at the level reached (Song et al. 2021, Algorithm 3).

    The length of a step is 2 (snr sigma)²: theirs, 2 (snr |z| / |score|)², with the score taken for −eps / sigma, so
    that a sample does not depend on its batch-mates. `steps` calls more than the predictor's own.

    >>> from fromnoise.sampling import DDIM
    >>> Corrected(DDIM(1.0), steps=2).snr
    0.16
    """

    predictor: Solver
    steps: int = 1
    snr: float = 0.16

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        x, state = self.predictor.step(denoise, x, t, s, state, randn)
        length = 2 * (self.snr * s.sigma) ** 2
        for _ in range(self.steps):
            x = x + length * score(denoise, x, s) + (2 * length).sqrt() * randn(x)
        return x, state
