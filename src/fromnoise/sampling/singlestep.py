"""Solvers without a memory, of higher order: several network calls a step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fromnoise.process import Denoised, Denoiser, Level, Randn, Schedule, at, reverse
from fromnoise.sampling.forms import Data, through

_TABLEAUX: dict[int, tuple[list[list[float]], list[float]]] = {
    1: ([], [1.0]),
    2: ([[1.0]], [1 / 2, 1 / 2]),
    3: ([[1 / 2], [-1.0, 2.0]], [1 / 6, 2 / 3, 1 / 6]),
    4: ([[1 / 2], [0.0, 1 / 2], [0.0, 0.0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
}


def level_at(schedule: Schedule, lam: Tensor | float) -> Level:
    """The level of a schedule at which log(alpha / sigma) is lam.

    >>> from fromnoise.process import linear
    >>> round(level_at(linear(1000), 0.0).t.item(), 1)
    259.1
    """
    return at(schedule, schedule.time(torch.as_tensor(lam, dtype=torch.float64)).clamp(0, schedule.T))


@dataclass(frozen=True)
class Heun:
    """Heun's second-order step, a step of DDIM and then the trapezoidal rule by the estimates at both ends.

    Where there is more signal than noise, in the noise over nu = sigma / alpha, as in Karras et al. (2022); before, in
    the data over kappa = alpha / sigma: near pure noise nu is huge, and the rule in nu would blow up. Two calls a step,
    so 2 N − 1 on a path of N steps whose last one goes home.

    >>> Heun()
    Heun()
    """

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        mean = denoise(x, t).mean
        first = reverse(x, Denoised(mean), t, s, 0.0)[0]
        last = denoise(first, s).mean
        if bool(t.alpha < t.sigma):
            return s.sigma * (x / t.sigma + (s.alpha / s.sigma - t.alpha / t.sigma) * (mean + last) / 2), None
        slope = (x - t.alpha * mean) / t.sigma + (first - s.alpha * last) / s.sigma
        return s.alpha * (x / t.alpha + (s.nu - t.nu) * slope / 2), None


@dataclass(frozen=True)
class RungeKutta:
    """Classical Runge–Kutta steps of y = x / sigma in kappa = alpha / sigma, in which dy/dkappa = E[x_0|x_t].

    Of order 1 to 4, in `order` calls a step. It starts where there is no signal (kappa = 0), and it starts the
    multistep solvers where they would lose their order. Raises ValueError for another order.

    >>> from fromnoise.process import linear
    >>> RungeKutta(linear(1000), 3).order
    3
    """

    schedule: Schedule
    order: int = 4

    def __post_init__(self) -> None:
        if self.order not in _TABLEAUX:
            raise ValueError(f"there are Runge-Kutta steps of order 1 to 4, got {self.order}")

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        inner, last = _TABLEAUX[self.order]
        start, h = t.alpha / t.sigma, s.alpha / s.sigma - t.alpha / t.sigma
        slopes = [denoise(x, t).mean]
        for row in inner:
            place = sum(row)
            n = s if place == 1 else level_at(self.schedule, (start + place * h).log())
            inside = sum((a * slope for a, slope in zip(row, slopes, strict=True)), start=0 * x)
            slopes.append(denoise(n.sigma * (x / t.sigma + h * inside), n).mean)
        whole = sum((b * slope for b, slope in zip(last, slopes, strict=True)), start=0 * x)
        return s.sigma * (x / t.sigma + h * whole), None


@dataclass(frozen=True)
class Midpoint:
    """DPM-Solver++ 2S (Lu et al. 2022): a first step to the middle in lam, then the whole by both values.

    Two calls a step. From a level without signal the middle is that in kappa = alpha / sigma.

    >>> from fromnoise.process import linear
    >>> Midpoint(linear(1000)).schedule.T
    1000
    """

    schedule: Schedule

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        mean = denoise(x, t).mean
        if math.isinf(float(t.lam)):
            middle = level_at(self.schedule, s.lam - math.log(2))
            between = middle.sigma / t.sigma * x + middle.alpha * mean
            return s.sigma / t.sigma * x + s.alpha * denoise(between, middle).mean, None
        middle = level_at(self.schedule, (t.lam + s.lam) / 2)
        known = [(t, mean)]
        between = through(Data(), known, x, t, middle)
        known.append((middle, denoise(between, middle).mean))
        return through(Data(), known, x, t, s), None
