"""u_t = Δu + r(t) u + ηW, where r keeps a functional of u constant (H 6.1–6.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor

from fromnoise.pde.grid import Grid


@dataclass(frozen=True)
class Functional:
    """What is conserved: value(u) (...,) of fields u (..., *cells), above 0.

    `degree` is p where value(c u) = c^p value(u) for c > 0, and None where there is no such p: then the factor is
    found by Newton's method.
    """

    value: Callable[[Tensor], Tensor]
    degree: float | None = None


def dirichlet(grid: Grid) -> Functional:
    """∫ |∇u|² dx, which H (6.2) conserve and call the total variation."""
    return Functional(grid.energy, 2.0)


def variation(grid: Grid) -> Functional:
    """∫ |∇u| dx, which is the total variation; the lengths of one-sided differences in two dimensions.

    >>> grid = Grid((100,))
    >>> round(float(variation(grid).value(torch.cos(torch.pi * grid.points[0]))), 3)
    2.0
    """

    def value(u: Tensor) -> Tensor:
        slopes = torch.zeros(len(grid.cells), *u.shape, dtype=u.dtype, device=u.device)
        for slope, axis, n in zip(slopes, grid.axes, grid.cells, strict=True):
            slope.narrow(axis, 0, n - 1).add_(u.diff(dim=axis), alpha=n)
        return grid.volume * torch.linalg.vector_norm(slopes, dim=0).sum(grid.axes)

    return Functional(value, 1.0)


Step = Callable[[Tensor, Tensor | None], Tensor]
"""(u, increment of the noise or None) -> u after δt of diffusion and noise, before anything is restored."""


@dataclass(frozen=True)
class Scheme:
    """How δt of u_t = Δu + ηW is taken: gain(λ_k δt) multiplies mode k of u, passed(λ_k δt) that of the increment."""

    make: Callable[[Grid, float], Step]
    gain: Callable[[Tensor], Tensor]
    passed: Callable[[Tensor], Tensor]


def _explicit(grid: Grid, dt: float) -> Step:
    most = 2 / float(grid.eigenvalues.max())
    if dt > most:
        raise ValueError(f"the explicit step is unstable for δt = {dt:g} on this grid: at most {most:.3g}")

    def step(u: Tensor, noise: Tensor | None) -> Tensor:
        u = torch.add(u, grid.laplacian(u), alpha=dt)
        return u if noise is None else u.add_(noise)

    return step


def _exponential(grid: Grid, dt: float) -> Step:
    decay = (-dt * grid.eigenvalues).exp()

    def step(u: Tensor, noise: Tensor | None) -> Tensor:
        u = u if noise is None else u + noise
        return grid.field(grid.coefficients(u) * decay.to(u))

    return step


explicit = Scheme(_explicit, lambda z: 1 - z, torch.ones_like)
"""H's: Euler's step with second differences, stable for δt up to 2/λ_max, about δx²/2 in one dimension."""

exponential = Scheme(_exponential, lambda z: (-z).exp(), lambda z: (-z).exp())
"""Lawson's exponential Euler step in cosine modes: diffusion is exact, so that any δt is stable."""

SCHEMES = {"explicit": explicit, "exponential": exponential}
"""Schemes by name."""


def restored(u: Tensor, functional: Functional, target: Tensor, axes: tuple[int, ...]) -> Tensor:
    """c u with the c > 0, one for each field, that makes the functional `target`: r(t)u acts along u alone.

    Raises ValueError where there is no such c, as for a field without gradient.
    """
    value = functional.value(u)
    if functional.degree is not None:
        c = (target / value) ** (1 / functional.degree)
    else:
        c = _newton(u, functional, target, axes)
    if not bool(c.isfinite().all()):
        raise ValueError("no multiple of this field has the functional's value: is it constant in space?")
    return u * _over(c, axes)


def _newton(u: Tensor, functional: Functional, target: Tensor, axes: tuple[int, ...]) -> Tensor:
    """In log c, where log J is straight for a homogeneous functional."""
    c = torch.ones_like(target)
    for _ in range(50):
        now = u * _over(c, axes)
        value, slope = torch.func.jvp(functional.value, (now,), (now,))  # type: ignore[misc]
        error = (target / value).log()
        if bool(error.abs().max() < 1e-12):
            return c
        c = c * (error * value / slope).clamp(-1, 1).exp()
    return torch.full_like(c, torch.nan)


def _over(c: Tensor, axes: tuple[int, ...]) -> Tensor:
    return c.reshape(*c.shape, *(1 for _ in axes))


def growth(grid: Grid, u: Tensor) -> Tensor:
    """r = ∫ (Δu)² dx / ∫ |∇u|² dx, (...): what keeps the Dirichlet energy of u constant (H 6.3).

    >>> grid = Grid((100,))
    >>> bool(abs(growth(grid, torch.cos(torch.pi * grid.points[0])) - grid.eigenvalues[1]) < 1e-10)
    True
    """
    return grid.volume * grid.laplacian(u).square().sum(grid.axes) / grid.energy(u)


def evolve(
    u_0: Tensor,
    grid: Grid,
    *,
    dt: float,
    noise: Iterable[Tensor] | None = None,
    scheme: Scheme = explicit,
    conserve: Callable[[Grid], Functional] | None = dirichlet,
) -> Iterator[Tensor]:
    """u after one step, two steps, and so on without end, (..., *cells): H (6.4)–(6.6).

    Each step takes δt of diffusion and an increment of the noise, takes the mean away (the φ_0 component, which would
    grow as e^∫r), and multiplies each field by what brings the functional back to the value that it had in the
    beginning. That is r(t)u, for it acts along u alone. With `conserve` None there is no r: the linear equation, whose
    laws are Gaussian. Raises ValueError for a δt that the scheme cannot take and for fields that are constant in space.

    >>> grid = Grid((100,))
    >>> u = torch.randn(5, 100, dtype=torch.float64)
    >>> for step, u in enumerate(evolve(u, grid, dt=1.5e-5), 1):
    ...     if step == 10:
    ...         break
    >>> u.shape
    torch.Size([5, 100])
    """
    if u_0.shape[-len(grid.cells) :] != grid.cells:
        raise ValueError(f"fields on this grid have shape (..., {', '.join(map(str, grid.cells))}), got {u_0.shape}")
    functional = None if conserve is None else conserve(grid)
    step = scheme.make(grid, dt)
    u = u_0 - u_0.mean(grid.axes, keepdim=True)
    target = None if functional is None else functional.value(u)
    for increment in repeat(None) if noise is None else noise:
        u = step(u, increment)
        u.sub_(u.mean(grid.axes, keepdim=True))
        if functional is not None and target is not None:
            u = restored(u, functional, target, grid.axes)
        yield u
