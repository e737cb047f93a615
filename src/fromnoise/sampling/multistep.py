"""Solvers that remember: one network call a step, whatever the order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from fromnoise.process import Denoiser, Level, Randn

_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(24)  # exact to rounding for steps of lam up to 20
_PLACES, _WEIGHTS = (_PLACES + 1) / 2, _WEIGHTS / 2


@dataclass(frozen=True)
class Multistep:
    """Exponential Adams–Bashforth in the clean data, for steps of any sizes: DPM-Solver++ (Lu et al. 2022).

    The probability-flow ODE (Song et al. 2021) from level t to a cleaner level s is, with lam = log(alpha / sigma),

        x_s = (sigma_s / sigma_t) x_t + alpha_s ∫ e^(lam − lam_s) E[x_0|x_lam] dlam.

    Its first part is exact; under the integral stands a polynomial in lam through the last `order` estimates of x_0,
    integrated exactly. Order 1 is DDIM. A level without signal (lam infinite) counts as the only one that is known.
    The first steps have fewer estimates and so a lower order. Raises ValueError for an order below 1.

    >>> Multistep(order=3)
    Multistep(order=3)
    """

    order: int = 2

    def __post_init__(self) -> None:
        if self.order < 1:
            raise ValueError(f"the order of a solver is at least 1, got {self.order}")

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        known: list[tuple[float, Tensor]] = [(float(t.lam), denoise(x, t).mean), *(state or [])][: self.order]
        if math.isinf(known[-1][0]):
            known = known[:-1] or known
        weights = integrals([lam for lam, _ in known], float(t.lam), float(s.lam))
        mean = sum((weight * mean for weight, (_, mean) in zip(weights, known, strict=True)), start=0 * x)
        return s.sigma / t.sigma * x + s.alpha * mean, known


def integrals(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """∫ e^(lam − end) l_j(lam) dlam from start to end, for the Lagrange polynomials l_j of the nodes, of finite lam.

    From start = −inf, where a schedule has no signal, the one node counts 1.

    >>> [round(weight, 6) for weight in integrals([0.0], 0.0, 1.0)]  # 1 − 1/e
    [0.632121]
    """
    if math.isinf(start):
        return [1.0]
    lam = start + (end - start) * _PLACES
    scale = np.exp(lam - end) * _WEIGHTS * (end - start)
    return [float(np.sum(scale * _lagrange(nodes, j, lam))) for j in range(len(nodes))]


def _lagrange(nodes: Sequence[float], j: int, lam: np.ndarray) -> np.ndarray:
    found = np.ones_like(lam)
    for i, node in enumerate(nodes):
        if i != j:
            found *= (lam - node) / (nodes[j] - node)
    return found
