"""Solvers that remember: one network call a step, whatever the order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fromnoise.process import Denoised, Denoiser, Level, Randn, reverse
from fromnoise.sampling.forms import Data, Form, Known, through
from fromnoise.sampling.solvers import Solver


@dataclass(frozen=True)
class Multistep:
    """The polynomial goes through the last `order` values: exponential Adams–Bashforth, for steps of any sizes.

    With `Data()` it is DPM-Solver++ (2M, 3M; Lu et al. 2022), with `Noise()` DEIS (Zhang & Chen 2023), with `Noisy()`
    it solves the SDE. Order 1 is DDIM, and with `Noisy()` the ancestral chain. Until there are enough values, the
    polynomial is of the order that they allow, or `start` takes the steps: a solver of one step of the same order,
    without which the whole is of order 2 at most. Without a signal (lam infinite) the step is DDIM's or the chain's.
    Raises ValueError for an order below 1.

    >>> Multistep(order=3).order
    3
    """

    order: int = 2
    form: Form = field(default_factory=Data)
    start: Solver | None = None

    def __post_init__(self) -> None:
        _check(self.order)

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        denoised = denoise(x, t)
        if math.isinf(float(t.lam)):
            return _without_signal(self.form, x, denoised, t, s, randn), None
        known = [(t, self.form.value(x, t, denoised.mean)), *(state or [])][: self.order]
        if len(known) < self.order and self.start is not None:
            return self.start.step(remembering(denoise, x, t, denoised), x, t, s, None, randn)[0], known
        return _noised(self.form, through(self.form, known, x, t, s), t, s, randn), known


class _Step(NamedTuple):
    """A step that `UniPC` may still correct: where it began, what was known there, and where it was predicted to end.

    `end` is None where there is nothing to correct.
    """

    level: Level
    x: Tensor
    known: Sequence[Known]
    end: Tensor | None


@dataclass(frozen=True)
class UniPC:
    """Predict like `Multistep`, then correct each step by the value found at its end (Zhao et al. 2023).

    The corrected step has one value more under its polynomial, hence order `order` + 1, and no call of its own. `start`
    is as in `Multistep`, of order `order` + 1; its steps are not corrected. The last step of a path is not either: it
    ends where there is no noise. For the ODE. Raises ValueError for an order below 1.

    >>> UniPC(order=3).order
    3
    """

    order: int = 2
    form: Form = field(default_factory=Data)
    start: Solver | None = None

    def __post_init__(self) -> None:
        _check(self.order)

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        denoised = denoise(x, t)
        if math.isinf(float(t.lam)):
            return _without_signal(self.form, x, denoised, t, s, randn), None
        before: _Step | None = state
        here = (t, self.form.value(x, t, denoised.mean))
        if before is not None and before.end is not None:
            # Added, so that what else has moved x since, a projection or a correction, stays.
            x = x + through(self.form, [here, *before.known], before.x, before.level, t) - before.end
        known = [here, *(before.known if before is not None else [])][: self.order]
        if len(known) < self.order and self.start is not None:
            moved = self.start.step(remembering(denoise, x, t, denoised), x, t, s, None, randn)[0]
            return moved, _Step(t, x, known, None)
        end = through(self.form, known, x, t, s)
        return end, _Step(t, x, known, end)


@dataclass(frozen=True)
class IPNDM:
    """Adams–Bashforth for equal steps, its coefficients kept although the steps in nu = sigma / alpha are not equal.

    The pseudo-linear multistep solver in its improved form (Liu et al. 2022; Zhang & Chen 2023). Of order 2 at most on
    a path that is not even in nu, for `order` 1 ... 4 (else ValueError).

    >>> IPNDM().order
    4
    """

    order: int = 4

    def __post_init__(self) -> None:
        if self.order not in _FIXED:
            raise ValueError(f"ipndm has orders 1 to 4, got {self.order}")

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        denoised = denoise(x, t)
        if math.isinf(float(t.lam)):
            return reverse(x, Denoised(denoised.mean), t, s, 0.0)[0], None
        noises = [(x - t.alpha * denoised.mean) / t.sigma, *(state or [])][: self.order]
        coefficients = _FIXED[len(noises)]
        slope = sum((c * eps for c, eps in zip(coefficients, noises, strict=True)), start=0 * x)
        return s.alpha * (x / t.alpha + (s.nu - t.nu) * slope), noises


_FIXED = {1: (1.0,), 2: (3 / 2, -1 / 2), 3: (23 / 12, -16 / 12, 5 / 12), 4: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}


def remembering(denoise: Denoiser, x: Tensor, t: Level, denoised: Denoised) -> Denoiser:
    """The denoiser, which need not be asked again for what it has just said of x at t.

    >>> asked = remembering(lambda y, n: Denoised(y + 1), x := torch.zeros(1), t := None, Denoised(x))
    >>> asked(x, t).mean.item(), asked(x + 5, t).mean.item()
    (0.0, 6.0)
    """
    return lambda y, n: denoised if y is x and n is t else denoise(y, n)


def _check(order: int) -> None:
    if order < 1:
        raise ValueError(f"the order of a solver is at least 1, got {order}")


def _without_signal(form: Form, x: Tensor, denoised: Denoised, t: Level, s: Level, randn: Randn) -> Tensor:
    mean, _ = reverse(x, Denoised(denoised.mean), t, s, form.eta)
    return _noised(form, mean, t, s, randn)


def _noised(form: Form, mean: Tensor, t: Level, s: Level, randn: Randn) -> Tensor:
    if form.eta == 0:
        return mean
    return mean + form.eta * s.sigma * (-torch.expm1(2 * (t.lam - s.lam))).sqrt() * randn(mean)
