"""Random fields to begin with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from fromnoise.pde.equation import dirichlet, restored
from fromnoise.pde.grid import Grid

Law = Callable[[Grid, Sequence[np.random.Generator]], Tensor]
"""(grid, a generator for each field) -> the fields, (n, *cells), float64."""


def prior(grid: Grid, decay: float = 1.5, scale: float = 1.0) -> Tensor:
    """Var[c_k] of Gaussian fields, (*cells): scale² (λ_1 / λ_k)^decay, and 0 for the mean; rougher for a smaller decay.

    >>> [round(v, 3) for v in prior(Grid((100,)))[:4].tolist()]
    [0.0, 1.0, 0.125, 0.037]
    """
    lam = grid.eigenvalues
    first = lam[lam > 0].min()
    return torch.where(lam > 0, scale**2 * (first / lam.clamp(min=first)) ** decay, 0.0)


@dataclass(frozen=True)
class Gaussian:
    """The law of Gaussian fields whose modes are independent, of variances (*cells), `prior` unless given."""

    variances: Tensor | None = None

    def of(self, grid: Grid) -> Tensor:
        """Var[c_k] on a grid, (*cells)."""
        return prior(grid) if self.variances is None else self.variances

    def __call__(self, grid: Grid, generators: Sequence[np.random.Generator]) -> Tensor:
        z = np.stack([generator.standard_normal(math.prod(grid.cells)) for generator in generators])
        return grid.field(torch.from_numpy(z).reshape(-1, *grid.cells) * self.of(grid).sqrt())


WIDTH, GROUND, GROUND_MODES = 0.08, 0.6, 16
"""Of a front, in units of the box; the deviation of the ground's first mode, and its modes."""


def fronts(grid: Grid, generators: Sequence[np.random.Generator]) -> Tensor:
    """One to three fronts at random places, each from −1 to 1 or back, on a Gaussian ground of 16 modes.

    Far from Gaussian, and so are the laws of u(0) given u(T): where a front was soon can hardly be told. On a square
    fronts are straight, in a random direction.

    >>> fronts(Grid((100,)), [np.random.default_rng(0)]).shape
    torch.Size([1, 100])
    """
    found = np.empty((len(generators), *grid.cells))
    points = np.stack(np.meshgrid(*grid.points, indexing="ij"))
    for row, generator in zip(found, generators, strict=True):
        toward = generator.standard_normal(len(points))  # on a line, left or right
        along = np.tensordot(toward / np.linalg.norm(toward), points, 1)
        places = along.min() + np.ptp(along) * np.sort(generator.uniform(0.1, 0.9, generator.integers(1, 4)))
        row[:] = sum((-1) ** i * np.tanh((along - place) / WIDTH) for i, place in enumerate(places))
    ground = prior(grid, scale=GROUND)
    ground.view(-1)[grid.eigenvalues.flatten().argsort(stable=True)[GROUND_MODES + 1 :]] = 0.0
    return torch.from_numpy(found) + Gaussian(ground)(grid, generators)


FIELDS: Mapping[str, Law] = MappingProxyType({"gaussian": Gaussian(), "fronts": fronts})
"""Laws of first fields by name."""


def random_fields(
    grid: Grid, n: int, *, law: Law = FIELDS["gaussian"], R: float | None = 2.0, seed: int = 0, first: int = 0
) -> Tensor:
    """n fields (n, *cells), float64, of a law, without their mean.

    Each is scaled to ∫|∇u|² = R, which makes the law of Gaussian ones one on a sphere; with R None they stay as they
    are. Field i depends on the seed and on first + i alone. Raises ValueError for a negative seed.

    >>> grid = Grid((100,))
    >>> u = random_fields(grid, 5)
    >>> u.shape, bool((grid.energy(u) - 2).abs().max() < 1e-12)
    (torch.Size([5, 100]), True)
    """
    if seed < 0:
        raise ValueError(f"a seed is a whole number from 0 on, got {seed}")
    u = law(grid, [np.random.default_rng([seed, 1, first + i]) for i in range(n)])
    u = u - u.mean(grid.axes, keepdim=True)
    return u if R is None else restored(u, dirichlet(grid), torch.full((n,), R, dtype=torch.float64), grid.axes)
