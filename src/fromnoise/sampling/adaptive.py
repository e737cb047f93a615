"""The probability-flow ODE to a tolerance: an embedded pair that chooses its own steps, for each sample alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.process import Denoiser, Level, Randn, Schedule, at

# Dormand & Prince (1980): order 5, and what its last stage, the first of the next step, says against order 4.
_INNER = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_GAP = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


@dataclass(frozen=True)
class Adaptive:
    """The ODE between two levels of a path to a relative and an absolute tolerance, by Dormand and Prince's 5(4) pair.

    The coordinate is the angle phi with (alpha, sigma) = r (cos phi, sin phi), in which z = x / r moves by

        dz/dphi = (z cos phi − E[x_0|x_t]) / sin phi,

    finite where there is no signal and on every schedule. Six calls a step of its own; each sample takes the steps that
    it needs, so it does not depend on its batch-mates, and a batch calls as often as its slowest sample. Raises
    ValueError for a tolerance that is not positive, and UserError where `tries` steps do not meet it.

    >>> from fromnoise.process import linear
    >>> Adaptive(linear(1000)).rtol
    0.001
    """

    schedule: Schedule
    rtol: float = 1e-3
    atol: float = 1e-3
    tries: int = 2000

    def __post_init__(self) -> None:
        if not (self.rtol > 0 and self.atol > 0):
            raise ValueError(f"tolerances must be positive, got {self.rtol} and {self.atol}")

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        z, phi, end = x / _radius(t), _angle(t).expand(len(x)), _angle(s)
        proposed = (end - phi) / 4 if state is None else state
        slope = self._slope(denoise, z, phi)
        for _ in range(self.tries):
            if bool((phi == end).all()):
                return _radius(s) * z, proposed
            h = torch.maximum(proposed, end - phi)  # both negative, or nothing left to do
            last, slopes = self._stages(denoise, z, phi, h, slope)
            gap = _sum(_GAP, slopes) * _wide(h, z)
            allowed = self.atol + self.rtol * torch.maximum(z.abs(), last.abs())
            error = (gap / allowed).flatten(1).square().mean(1).sqrt().cpu().double()
            if bool(error.isnan().any()):
                raise UserError("the network's estimates are not finite: there is no ODE to solve")
            good = (error <= 1) | (phi == end)
            factor = (0.9 * error.clamp_min(1e-10) ** -0.2).clamp(0.2, 5.0)
            proposed = torch.where(h == proposed, h * factor, torch.where(good, proposed, h * factor))
            kept = _wide(good, z)
            phi = torch.where(good, torch.where(h == end - phi, end, phi + h), phi)
            z, slope = torch.where(kept, last, z), torch.where(kept, slopes[-1], slope)
        raise UserError(f"the ODE is not solved to its tolerance in {self.tries:,} steps: take another solver")

    def _stages(
        self, denoise: Denoiser, z: Tensor, phi: Tensor, h: Tensor, slope: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        slopes, wide = [slope], _wide(h, z)
        for row in _INNER:
            moved = z + wide * _sum(row, slopes)
            slopes.append(self._slope(denoise, moved, phi + h * sum(row)))
        return moved, slopes

    def _slope(self, denoise: Denoiser, z: Tensor, phi: Tensor) -> Tensor:
        times = self.schedule.time(-phi.tan().log()).clamp(0, self.schedule.T)
        n = at(self.schedule, times, z)
        cos, sin = _wide(phi.cos(), z), _wide(phi.sin(), z)
        return (cos * z - denoise((n.alpha**2 + n.sigma**2).sqrt() * z, n).mean) / sin


def _angle(n: Level) -> Tensor:
    return torch.atan2(n.sigma, n.alpha)


def _radius(n: Level) -> Tensor:
    return (n.alpha**2 + n.sigma**2).sqrt()


def _wide(values: Tensor, x: Tensor) -> Tensor:
    """One value a sample, ready to multiply samples like x."""
    values = values.to(x.device) if values.dtype == torch.bool else values.to(x)
    return values.reshape(-1, *[1] * (x.ndim - 1))


def _sum(factors: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    return sum((f * slope for f, slope in zip(factors, slopes, strict=True) if f), start=torch.zeros_like(slopes[0]))
