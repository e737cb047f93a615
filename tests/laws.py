"""The exact laws that tests compare with: the papers' formulas written out from β alone, and known data."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
import torch
from hypothesis import Phase, settings
from torch import Tensor

from fromnoise.process import (
    VE,
    VP,
    Denoised,
    Denoiser,
    Discrete,
    Flow,
    GaussianMixture,
    Level,
    Schedule,
    SubVP,
    cosine,
    linear,
    linear_scaled,
    sigmoid,
    table,
)

# Arithmetic has no deadline. In the mutation run a fault has only to be caught, not shrunk to its smallest case.
settings.register_profile("laws", deadline=None)
settings.register_profile("mutants", deadline=None, max_examples=20, phases=[Phase.generate])
settings.load_profile(os.environ.get("LAWS_PROFILE", "laws"))

DISCRETE: dict[str, Discrete] = {
    "linear": linear(1000),
    "linear-scaled": linear_scaled(40),
    "cosine": cosine(1000),
    "sigmoid": sigmoid(300),
    "table": table([0.1, 0.5, 0.02, 0.9, 0.3]),
    "one step": table([0.3]),
}
"""Tables of several shapes: gentle, coarse, steep at both ends, not monotone, and of a single step."""

SCHEDULES: dict[str, Schedule] = {**DISCRETE, "vp": VP(), "sub-vp": SubVP(), "ve": VE(), "flow": Flow()}

ISLANDS = GaussianMixture(
    [0.4, 0.6], [[-1.2, 0.3], [1.3, -0.2]], [[[0.03, 0.0], [0.0, 0.25]], [[0.06, 0.0], [0.0, 0.1]]]
)
"""Two axis-aligned components, twelve standard deviations apart: which one a point is from is never in doubt."""

TWINS = GaussianMixture([0.3, 0.7], [[-0.8], [0.5]], [[[0.04]], [[0.16]]])
"""One dimension, two components that overlap: the posterior is not Gaussian at middling noise."""


class Paper:
    """The papers' own symbols for a table of steps, from β alone; entry t is the papers' index t.

    `noise[t]` is 1 − ᾱ_t by its recursion 1 − ᾱ_t = α_t (1 − ᾱ_{t−1}) + β_t, which keeps all digits at
    small t, where the subtraction would lose twelve of them. Index 0 means "before the first step".
    """

    def __init__(self, schedule: Discrete):
        self.T, self.beta = schedule.T, schedule.beta
        self.alpha = 1 - self.beta
        self.alpha_bar = torch.cumprod(self.alpha, 0)  # H (3.7)
        noise = [0.0]
        for alpha, beta in zip(self.alpha[1:].tolist(), self.beta[1:].tolist(), strict=True):
            noise.append(alpha * noise[-1] + beta)
        self.noise = torch.tensor(noise, dtype=torch.float64)

    def variance(self, t: Tensor) -> Tensor:
        """σ_q²(t), H (4.6): the β̃_t that K (12) leaves undefined."""
        return (1 - self.alpha[t]) * self.noise[t - 1] / self.noise[t]

    def mean(self, x_t: Tensor, x_0: Tensor, t: Tensor) -> Tensor:
        """μ_q(x_t, x_0), H (4.7)."""
        from_t = self.alpha[t].sqrt() * self.noise[t - 1] * x_t
        return (from_t + self.alpha_bar[t - 1].sqrt() * self.beta[t] * x_0) / self.noise[t]

    def mean_of_noise(self, x_t: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """μ(x_t, ε), K (12, 15) and H (4.9)."""
        return (x_t - self.beta[t] / self.noise[t].sqrt() * eps) / self.alpha[t].sqrt()

    def chain_variance(self, v: float | Tensor) -> Tensor:
        """Variance at each t of the papers' chain with the exact denoiser of N(0, v): (T + 1, ...v).

        ε_θ = E[ε|x_t] = √(1 − ᾱ_t) x_t / V_t with V_t = ᾱ_t v + 1 − ᾱ_t, so that H (4.10) reads
        w_{t−1} = (1 − β_t / V_t)² w_t / α_t + σ_q²(t), from w_T = 1.
        """
        w = [torch.ones_like(torch.as_tensor(v, dtype=torch.float64))]
        for t in range(self.T, 0, -1):
            V = self.alpha_bar[t] * v + self.noise[t]
            step = self.variance(torch.tensor(t))
            w.append((1 - self.beta[t] / V) ** 2 * w[-1] / self.alpha[t] + step)
        return torch.stack(w[::-1])


def gaussian(v: float, mean: float = 0.0) -> GaussianMixture:
    """N(mean, v) in one dimension."""
    return GaussianMixture([1.0], [[mean]], [[[v]]])


def linear_denoiser(v: float | Tensor) -> Denoiser:
    """The exact denoiser of N(0, v) without the mixture's machinery: mean and variance are two fractions."""

    def denoise(x: Tensor, n: Level) -> Denoised:
        V = n.alpha**2 * v + n.sigma**2
        return Denoised(n.alpha * v / V * x, n.sigma**2 * v / V + 0 * x)

    return denoise


def point_mass(denoise: Denoiser) -> Denoiser:
    """The same mean with nothing known of the variance: what H (4.10) makes of a denoiser."""
    return lambda x, n: Denoised(denoise(x, n).mean)


def hermite(n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss quadrature for E f(z), z ~ N(0, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return torch.tensor(nodes), torch.tensor(weights / math.sqrt(2 * math.pi))


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of its own, so that no test depends on another."""
    return torch.Generator().manual_seed(seed)


def grid(low: float, high: float, n: int) -> tuple[Tensor, float]:
    """Nodes of the trapezoid rule, spectrally accurate for what vanishes at both ends, and their spacing."""
    x = torch.linspace(low, high, n, dtype=torch.float64)
    return x, (x[1] - x[0]).item()


def z_value(samples: Tensor, expected: Tensor | float) -> Tensor:
    """(mean over the first dimension − expected) in its own standard errors."""
    return (samples.mean(0) - expected) / (samples.std(0) / math.sqrt(len(samples)))


def moment_z(samples: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """z-values of the means, variances and covariances of samples (n, d) against the stated ones."""
    centred = samples - mean
    i, j = torch.triu_indices(len(mean), len(mean))
    products = centred[:, i] * centred[:, j]
    return torch.cat([z_value(samples, mean), z_value(products, covariance[i, j])])


def derivative(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """f' elementwise by autograd, differentiable again."""
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]
