"""A uniform grid on a box with no-flux ends, and the cosines that diagonalise its Laplacian."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Cell centres x_i = (i + 1/2) δx of a box [0, 1]^d, d = 1 or 2, whose boundary lets nothing through.

    A field is a tensor (..., *cells); leading axes are many fields at once. Sums over cells times `volume` are
    integrals. The modes are φ_0 = 1 and products of √2 cos(kπx), orthonormal on the grid as they are on the box.
    Raises ValueError for fewer than two cells in a direction and for other d.

    >>> grid = Grid((100,))
    >>> grid.spacing, grid.volume, grid.points[0][:2].tolist()
    ((0.01,), 0.01, [0.005, 0.015])
    """

    cells: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.cells) not in (1, 2) or min(self.cells) < 2:
            raise ValueError(f"a grid has one or two directions of at least 2 cells, got {self.cells}")

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of a field that are directions in space."""
        return tuple(range(-len(self.cells), 0))

    @property
    def spacing(self) -> tuple[float, ...]:
        """δx in each direction."""
        return tuple(1 / n for n in self.cells)

    @property
    def volume(self) -> float:
        """Of a cell, δx^d."""
        return math.prod(self.spacing)

    @property
    def points(self) -> tuple[Tensor, ...]:
        """The coordinates of the centres in each direction, float64."""
        return tuple((torch.arange(n, dtype=torch.float64) + 0.5) / n for n in self.cells)

    @cached_property
    def eigenvalues(self) -> Tensor:
        """λ_k of −Δ, (*cells), float64: the sum over the directions of (4/δx²) sin²(k π δx / 2), near (kπ)².

        >>> Grid((100,)).eigenvalues[:3]
        tensor([ 0.0000,  9.8688, 39.4654], dtype=torch.float64)
        """
        parts = [(2 * n * torch.sin(torch.arange(n, dtype=torch.float64) * math.pi / (2 * n))) ** 2 for n in self.cells]
        return parts[0] if len(parts) == 1 else parts[0][:, None] + parts[1]

    @property
    def first(self) -> Tensor:
        """Which modes have the smallest positive eigenvalue, bool (*cells): one, or two on a square.

        >>> Grid((4,)).first.tolist(), int(Grid((4, 4)).first.sum())
        ([False, True, False, False], 2)
        """
        lam = self.eigenvalues
        return (lam > 0) & (lam < lam[lam > 0].min() * (1 + 1e-9))

    def coefficients(self, u: Tensor) -> Tensor:
        """c_k = ∫ u φ_k dx of fields (..., *cells); c_0 is their mean."""
        for axis, cosines in zip(self.axes, self._cosines, strict=True):
            u = torch.movedim(torch.movedim(u, axis, -1) @ (cosines.T / len(cosines)).to(u), -1, axis)
        return u

    def field(self, coefficients: Tensor) -> Tensor:
        """Σ c_k φ_k: the inverse of `coefficients`.

        >>> grid = Grid((8, 4))
        >>> u = torch.randn(3, 8, 4, dtype=torch.float64)
        >>> bool((grid.field(grid.coefficients(u)) - u).abs().max() < 1e-14)
        True
        """
        for axis, cosines in zip(self.axes, self._cosines, strict=True):
            coefficients = torch.movedim(torch.movedim(coefficients, axis, -1) @ cosines.to(coefficients), -1, axis)
        return coefficients

    def laplacian(self, u: Tensor) -> Tensor:
        """Δu by second differences, with no flux through the ends: what leaves a cell enters its neighbour."""
        found = torch.zeros_like(u)
        for axis, n in zip(self.axes, self.cells, strict=True):
            rise = u.diff(dim=axis)
            found.narrow(axis, 0, n - 1).add_(rise, alpha=n**2)
            found.narrow(axis, 1, n - 1).sub_(rise, alpha=n**2)
        return found

    def energy(self, u: Tensor) -> Tensor:
        """∫ |∇u|² dx by first differences, (...): H's J (6.2), which is −∫ u Δu exactly and Σ λ_k c_k².

        >>> grid = Grid((100,))
        >>> u = torch.cos(math.pi * grid.points[0])
        >>> round(float(grid.energy(u)), 3), round(math.pi**2 / 2, 3)
        (4.934, 4.935)
        """
        parts = [
            n**2 * torch.linalg.vector_norm(u.diff(dim=axis), dim=self.axes) ** 2
            for axis, n in zip(self.axes, self.cells, strict=True)
        ]
        return self.volume * torch.stack(parts).sum(0)

    def share(self, u: Tensor) -> Tensor:
        """The part of ∫|∇u|² that fields (..., *cells) have in the first eigenspace, (...); nan without gradient.

        >>> grid = Grid((100,))
        >>> one, two = (torch.cos(k * math.pi * grid.points[0]) for k in (1, 2))
        >>> round(float(grid.share(one + one + two)), 3)
        0.5
        """
        energies = self.eigenvalues * self.coefficients(u) ** 2
        return energies[..., self.first].sum(-1) / energies.sum(self.axes)

    @cached_property
    def _cosines(self) -> list[Tensor]:
        """φ_k at the centres, (modes, cells), in each direction."""
        found = []
        for n, x in zip(self.cells, self.points, strict=True):
            modes = torch.cos(math.pi * torch.arange(n, dtype=torch.float64)[:, None] * x)
            modes[1:] *= math.sqrt(2)
            found.append(modes)
        return found
