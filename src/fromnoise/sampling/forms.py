"""The reverse process in coordinates in which one part of it is solved exactly: no error comes from that part.

With lam = log(alpha / sigma) the probability-flow ODE (Song et al. 2021) from level t to a cleaner level s is

    x_s = (sigma_s / sigma_t) x_t + alpha_s ∫ e^(lam − lam_s) D dlam         in the clean data D = E[x_0|x_t],
    x_s = (alpha_s / alpha_t) x_t − sigma_s ∫ e^(lam_s − lam) eps dlam       in the noise eps = (x − alpha D) / sigma.

A solver puts a polynomial in lam through known values of D or eps and integrates that exactly (Lu et al. 2022; Zhang &
Chen 2023). The reverse SDE has the same shape: its rate is 2 where that of the ODE is 1, and noise is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fromnoise.process import Level

_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(24)  # exact to rounding for steps of lam up to 20
_PLACES, _WEIGHTS = (_PLACES + 1) / 2, _WEIGHTS / 2

Known = tuple[Level, Tensor]
"""A level and the value that was found there, D or eps."""


class Form(Protocol):
    """What of the reverse process is taken for a polynomial in lam."""

    def value(self, x: Tensor, t: Level, mean: Tensor) -> Tensor:
        """D or eps at x_t, from D."""
        ...

    def weights(self, nodes: Sequence[float], start: float, end: float) -> Sequence[float]:
        """What each value counts that is known at the nodes in lam, in a step from lam = start to end."""
        ...

    def carry(self, x: Tensor, t: Level, s: Level, integral: Tensor) -> Tensor:
        """The mean of x_s, from x_t and the weighted sum of the values."""
        ...

    @property
    def eta(self) -> float:
        """0 for the ODE; 1 for the SDE, on whose way from t to s comes noise of the ancestral chain's size."""
        ...


@dataclass(frozen=True)
class Data:
    """The clean data are the polynomial, as in DPM-Solver++ (Lu et al. 2022): right from pure noise on.

    >>> import math
    >>> Data().weights([0.0], 0.0, math.log(2))
    [0.5]
    """

    eta = 0.0

    def value(self, x: Tensor, t: Level, mean: Tensor) -> Tensor:
        return mean

    def weights(self, nodes: Sequence[float], start: float, end: float) -> Sequence[float]:
        return integrals(nodes, start, end, 1.0)

    def carry(self, x: Tensor, t: Level, s: Level, integral: Tensor) -> Tensor:
        return s.sigma / t.sigma * x + s.alpha * integral


@dataclass(frozen=True)
class Noisy:
    """The clean data in the reverse SDE, whose noise is solved exactly too: with one value it is Algorithm 2.

    With h = lam_s − lam_t this is x_s = (sigma_s / sigma_t) e^(−h) x_t + alpha_s ∫ 2 e^(2 (lam − lam_s)) D dlam +
    sigma_s √(1 − e^(−2 h)) z (SDE-DPM-Solver++ in Lu et al. 2022).

    >>> import math
    >>> Noisy().weights([0.0], 0.0, math.log(2))
    [0.75]
    """

    eta = 1.0

    def value(self, x: Tensor, t: Level, mean: Tensor) -> Tensor:
        return mean

    def weights(self, nodes: Sequence[float], start: float, end: float) -> Sequence[float]:
        return [2 * weight for weight in integrals(nodes, start, end, 2.0)]

    def carry(self, x: Tensor, t: Level, s: Level, integral: Tensor) -> Tensor:
        return s.sigma / t.sigma * torch.exp(t.lam - s.lam) * x + s.alpha * integral


@dataclass(frozen=True)
class Noise:
    """The noise is the polynomial, as in DEIS (Zhang & Chen 2023); it begins at a level with some signal.

    >>> import math
    >>> [round(weight, 12) for weight in Noise().weights([0.0], 0.0, math.log(2))]  # e^(lam_s − lam_t) − 1
    [1.0]
    """

    eta = 0.0

    def value(self, x: Tensor, t: Level, mean: Tensor) -> Tensor:
        return (x - t.alpha * mean) / t.sigma

    def weights(self, nodes: Sequence[float], start: float, end: float) -> Sequence[float]:
        return integrals(nodes, start, end, -1.0)

    def carry(self, x: Tensor, t: Level, s: Level, integral: Tensor) -> Tensor:
        return s.alpha / t.alpha * x - s.sigma * integral


def integrals(nodes: Sequence[float], start: float, end: float, rate: float) -> list[float]:
    """∫ e^(rate (lam − end)) l_j(lam) dlam from start to end, for the Lagrange polynomials l_j of the nodes.

    >>> [round(weight, 6) for weight in integrals([0.0], 0.0, 1.0, 1.0)]  # 1 − 1/e
    [0.632121]
    """
    lam = start + (end - start) * _PLACES
    scale = np.exp(rate * (lam - end)) * _WEIGHTS * (end - start)
    return [float(np.sum(scale * _lagrange(nodes, j, lam))) for j in range(len(nodes))]


def _lagrange(nodes: Sequence[float], j: int, lam: np.ndarray) -> np.ndarray:
    found = np.ones_like(lam)
    for i, node in enumerate(nodes):
        if i != j:
            found *= (lam - node) / (nodes[j] - node)
    return found


def through(form: Form, known: Sequence[Known], x: Tensor, t: Level, s: Level) -> Tensor:
    """The mean of x_s from x_t by the polynomial through known values; all levels have signal and noise.

    >>> from fromnoise.process import at, linear
    >>> t, s, x = at(linear(1000), 500), at(linear(1000), 400), torch.ones(1, 2)
    >>> known = [(t, torch.zeros(1, 2))]
    >>> bool((through(Data(), known, x, t, s) == s.sigma / t.sigma * x).all())
    True
    """
    weights = form.weights([float(level.lam) for level, _ in known], float(t.lam), float(s.lam))
    terms = [weight * value for weight, (_, value) in zip(weights, known, strict=True)]
    return form.carry(x, t, s, sum(terms[1:], start=terms[0]))
