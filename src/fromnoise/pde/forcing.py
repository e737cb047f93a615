"""What ηW may mean in H (6.4): four readings, each with the rate at which it feeds the modes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from fromnoise.pde.grid import Grid


@dataclass(frozen=True)
class Forcing:
    """The law of the increments that a step of size δt adds to u, at every cell, independently from step to step.

    `std(grid, eta, dt)` is their standard deviation at a cell; they are `uniform` or Gaussian, and independent from
    cell to cell unless `colour(eigenvalues)` multiplies their modes.

    >>> FORCINGS["literal"].rates(Grid((100,)), eta=300.0, dt=1.5e-5)[:2]
    tensor([0.0045, 0.0045], dtype=torch.float64)
    """

    std: Callable[[Grid, float, float], float]
    uniform: bool = False
    colour: Callable[[Tensor], Tensor] | None = None

    def rates(self, grid: Grid, eta: float, dt: float) -> Tensor:
        """q_k, the variance that the coefficient of φ_k gains in a unit of time, (*cells): δx^d std² / δt, coloured."""
        flat = torch.full(grid.cells, grid.volume * self.std(grid, eta, dt) ** 2 / dt, dtype=torch.float64)
        return flat if self.colour is None else flat * self.colour(grid.eigenvalues) ** 2


def _literal(grid: Grid, eta: float, dt: float) -> float:
    return eta * dt / math.sqrt(3)


def _cell(grid: Grid, eta: float, dt: float) -> float:
    return eta * dt * grid.volume / math.sqrt(3)


def _white(grid: Grid, eta: float, dt: float) -> float:
    return eta * math.sqrt(dt / grid.volume)


CORRELATION = 0.05
"""Length over which `smooth` noise is correlated, in units of the box."""

FORCINGS: Mapping[str, Forcing] = MappingProxyType(
    {
        "literal": Forcing(_literal, uniform=True),
        "cell": Forcing(_cell, uniform=True),
        "white": Forcing(_white),
        "smooth": Forcing(_white, colour=lambda eigenvalues: (-0.5 * CORRELATION**2 * eigenvalues).exp()),
    }
)
"""Readings of ηW by name.

`literal`: η W δt with W uniform in [−1, 1] at each cell and step, as H's text says.
`cell`: the same times the volume of a cell, as if W were a density; with it Figure 7's caption is true.
`white`: the increments of space-time white noise, η √(δt/δx^d) N(0, 1); every mode gains η² in a unit of time.
`smooth`: white noise correlated over a length of 0.05, of which ∫|∇u|² stays finite on ever finer grids.
"""

BLOCK = 2**20
"""Numbers that are drawn at once."""


class Increments:
    """The increments of fields `first` ... `first + n − 1` of a seed, step by step: a field's are its own.

    Iterate over it: each item is (n, *cells) on the device. Raises ValueError for a negative seed.

    >>> grid = Grid((4,))
    >>> alone = Increments(FORCINGS["white"], grid, eta=1.0, dt=0.1, n=1, first=2, seed=7)
    >>> together = Increments(FORCINGS["white"], grid, eta=1.0, dt=0.1, n=3, seed=7)
    >>> bool((next(alone)[0] == next(together)[2]).all())
    True
    """

    def __init__(
        self,
        forcing: Forcing,
        grid: Grid,
        *,
        eta: float,
        dt: float,
        n: int,
        first: int = 0,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ):
        if seed < 0:
            raise ValueError(f"a seed is a whole number from 0 on, got {seed}")
        self.forcing, self.grid, self.std, self.device = forcing, grid, forcing.std(grid, eta, dt), device
        # A stream a field; SFC64 is the fastest of numpy's, and numpy's uniforms take half the time of torch's.
        self._streams = [np.random.Generator(np.random.SFC64([seed, first + i])) for i in range(n)]
        self._steps = max(1, min(64, BLOCK // (n * math.prod(grid.cells))))
        self._ready: list[Tensor] = []

    def __iter__(self) -> Increments:
        return self

    def __next__(self) -> Tensor:
        if not self._ready:
            self._ready = list(reversed(self._draw().unbind(1)))
        return self._ready.pop()

    def _draw(self) -> Tensor:
        block = np.empty((len(self._streams), self._steps, *self.grid.cells), np.float32)
        for row, stream in zip(block, self._streams, strict=True):
            if self.forcing.uniform:
                stream.random(dtype=np.float32, out=row)
            else:
                stream.standard_normal(dtype=np.float32, out=row)
        drawn = torch.from_numpy(block).to(self.device)
        if self.forcing.uniform:
            return drawn.sub_(0.5).mul_(math.sqrt(12) * self.std)
        drawn.mul_(self.std)
        if self.forcing.colour is None:
            return drawn
        return self.grid.field(self.grid.coefficients(drawn) * self.forcing.colour(self.grid.eigenvalues).to(drawn))
