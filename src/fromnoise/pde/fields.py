"""Random fields to begin with."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fromnoise.pde.equation import dirichlet, restored
from fromnoise.pde.grid import Grid


def prior(grid: Grid, decay: float = 1.5, scale: float = 1.0) -> Tensor:
    """Var[c_k] of Gaussian fields, (*cells): scale² (λ_1 / λ_k)^decay, and 0 for the mean; rougher for a smaller decay.

    >>> [round(v, 3) for v in prior(Grid((100,)))[:4].tolist()]
    [0.0, 1.0, 0.125, 0.037]
    """
    lam = grid.eigenvalues
    first = lam[lam > 0].min()
    return torch.where(lam > 0, scale**2 * (first / lam.clamp(min=first)) ** decay, 0.0)


def random_fields(
    grid: Grid, n: int, *, variances: Tensor | None = None, R: float | None = 2.0, seed: int = 0, first: int = 0
) -> Tensor:
    """n Gaussian fields (n, *cells), float64, of these variances of their modes (`prior` unless given).

    Each is scaled to ∫|∇u|² = R, which makes their law one on a sphere; with R None they stay Gaussian. Field i depends
    on the seed and on first + i alone. Raises ValueError for a negative seed.

    >>> grid = Grid((100,))
    >>> u = random_fields(grid, 5)
    >>> u.shape, bool((grid.energy(u) - 2).abs().max() < 1e-12)
    (torch.Size([5, 100]), True)
    """
    if seed < 0:
        raise ValueError(f"a seed is a whole number from 0 on, got {seed}")
    variances = prior(grid) if variances is None else variances
    size = math.prod(grid.cells)
    z = np.stack([np.random.default_rng([seed, 1, first + i]).standard_normal(size) for i in range(n)])
    u = grid.field(torch.from_numpy(z).reshape(n, *grid.cells) * variances.sqrt())
    return u if R is None else restored(u, dirichlet(grid), torch.full((n,), R, dtype=torch.float64), grid.axes)
