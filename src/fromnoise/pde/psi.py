"""H's backward map ψ, learned: a diffusion model of u(0) given u(T)."""

from __future__ import annotations

import dataclasses
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.assembly import check
from fromnoise.model.store import write_file
from fromnoise.pde.backward import Regression, regression
from fromnoise.pde.equation import restored
from fromnoise.pde.forward import Problem, pairs
from fromnoise.pde.grid import Grid
from fromnoise.training import Event, Finished, fit, recipe

MODES = 16
"""Modes of u(0) that are drawn, and of u(T) that they are drawn given: those of the smallest eigenvalues."""

SETTINGS: dict[str, Any] = {
    "network.width": 160, "network.fourier": 0, "train.steps": 4000, "train.checkpoint_every": 500,
    "sample.solver": "unipc3", "sample.path": "lambda", "sample.steps": 20,
}  # fmt: skip


@dataclass(frozen=True)
class Backward:
    """A law of u(0) for every u(T).

    What is learned is u(0) times the number that makes the map from it to u(T) linear but for the noise (`straight`).
    Linear regression gives the modes of that a mean and a covariance; the model draws what regression leaves, in units
    in which it is white, given the modes of u(T). Draws are scaled to what the problem conserves, which u(T) tells.

    c_0, c_T    the modes of the pairs that it was learned from, those of u(0) times that number, (N, k) each
    """

    problem: Problem
    line: Regression
    model: Model
    c_0: Tensor
    c_T: Tensor

    def draw(self, u_T: Tensor, n: int, *, seed: int = 0) -> Tensor:
        """n fields u(0) for each field u_T (B, *cells), (n, B, *cells), float64."""
        given = modes(self.problem.grid, u_T, self.c_T.shape[1])
        z = self.model.sample(n * len(u_T), given=given.float(), seed=seed).cpu().double()
        return self.fields(self.line.coloured(z.reshape(n, len(u_T), -1), given), u_T)

    def fields(self, c: Tensor, u_T: Tensor) -> Tensor:
        """The fields (n, B, *cells) of modes c (n, B, k), each with what u_T (B, *cells) has of what is conserved."""
        grid, conserve = self.problem.grid, self.problem.conserve
        whole = torch.zeros(*c.shape[:2], math.prod(grid.cells), dtype=c.dtype)
        whole[..., _order(grid, c.shape[2])] = c
        u = grid.field(whole.reshape(*c.shape[:2], *grid.cells))
        if conserve is None:
            return u
        functional = conserve(grid)
        return restored(u, functional, functional.value(u_T).expand(c.shape[:2]), grid.axes)


def straight(problem: Problem, u_0: Tensor) -> Tensor:
    """u(0) (B, *cells) times the number that makes its heat at T have what the problem conserves.

    r(t)u acts along u alone, so without noise u(T) is the heat flow of u(0), scaled: of this u(0), without scaling.

    >>> problem = Problem(eta=0.0, steps=300)
    >>> u_0, u_T = pairs(problem, 2)
    >>> gain = problem.scheme.gain(problem.grid.eigenvalues * problem.dt) ** problem.steps
    >>> heat = problem.grid.field(gain * problem.grid.coefficients(straight(problem, u_0)))
    >>> bool((heat - u_T).abs().max() < 1e-9)
    True
    """
    if problem.conserve is None:
        return u_0
    grid, functional = problem.grid, problem.conserve(problem.grid)
    gain = problem.scheme.gain(grid.eigenvalues * problem.dt) ** problem.steps
    heat = grid.field(gain * grid.coefficients(u_0))
    scaled = restored(heat, functional, functional.value(u_0), grid.axes)
    number = scaled.flatten(1).norm(dim=1) / heat.flatten(1).norm(dim=1)
    return u_0 * number.reshape(-1, *(1 for _ in grid.cells))


def modes(grid: Grid, u: Tensor, k: int) -> Tensor:
    """The coefficients of the k modes of smallest positive eigenvalue, of fields (B, *cells): (B, k)."""
    return grid.coefficients(u).flatten(1)[:, _order(grid, k)]


def _order(grid: Grid, k: int) -> Tensor:
    return grid.eigenvalues.flatten().argsort(stable=True)[1 : k + 1]


def learn(
    problem: Problem,
    out: str | Path,
    n: int = 60_000,
    *,
    k: int = MODES,
    settings: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Event | Backward]:
    """Make H's set of n pairs and train on it; yields the events of training and, last, the map.

    The folder `out` holds the pairs and the run; the same call again goes on where it stopped. `settings` are changes
    to the recipe, "section.key": value. `progress` counts the steps of the pairs. Raises UserError for a folder with
    the pairs of another problem.
    """
    out = Path(out)
    k = min(k, math.prod(problem.grid.cells) - 1)
    path = out / "pairs.npz"
    config = recipe("swissroll").override({"data.name": str(path), "data.key": "x", "data.given": "c_T"})
    config = dataclasses.replace(config, about="u(0) given u(T)").override(SETTINGS | (settings or {}))
    check(config)
    _check_modes(problem, k)
    if not path.exists():
        write_file(path, _gathered(problem, n, k, progress))
    c_0, c_T = _read(problem, path, n, k)
    for event in fit(config, out / "run"):
        yield event
        if isinstance(event, Finished) and not event.interrupted:
            yield Backward(problem, regression(c_0, c_T), event.model, c_0, c_T)


def _check_modes(problem: Problem, k: int) -> None:
    """See that the modes that are drawn hold what is conserved, to which draws are scaled. Raises UserError."""
    if problem.conserve is None:
        return
    u_0, functional = problem.begin(100), problem.conserve(problem.grid)
    c = problem.grid.coefficients(u_0).flatten(1)
    seen = torch.zeros_like(c)
    seen[:, _order(problem.grid, k)] = c[:, _order(problem.grid, k)]
    held = float((functional.value(problem.grid.field(seen.reshape(u_0.shape))) / functional.value(u_0)).mean())
    if held < 0.99:
        raise UserError(
            f"the {k} modes that are drawn hold {held:.0%} of what is conserved, and draws are scaled to all of it: "
            "take smoother fields, as --fields fronts, or more modes"
        )


def _gathered(problem: Problem, n: int, k: int, progress: Callable[[int, int], None]) -> bytes:
    c_0, c_T = _modes(problem, n, k, progress)
    x = regression(c_0, c_T).whitened(c_0, c_T)
    out = io.BytesIO()
    np.savez(out, x=x.numpy().astype(np.float32), c_T=c_T.numpy(), c_0=c_0.numpy())
    return out.getvalue()


def _modes(
    problem: Problem, n: int, k: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Tensor, Tensor]:
    u_0, u_T = pairs(problem, n, progress=progress)
    return modes(problem.grid, straight(problem, u_0), k), modes(problem.grid, u_T, k)


def _read(problem: Problem, path: Path, n: int, k: int) -> tuple[Tensor, Tensor]:
    """The modes of the pairs of a file, once its first is seen to be the problem's own."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            c_0, c_T = (torch.from_numpy(archive[name]) for name in ("c_0", "c_T"))
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}; remove it, or give another --out") from None
    if len(c_0) != n:
        raise UserError(f"{path.parent} holds {len(c_0):,} pairs, not {n:,}: ask for as many, or give another --out")
    own = torch.cat(_modes(problem, 1, k))
    if c_0.shape != (n, k) or not torch.allclose(torch.stack([c_0[0], c_T[0]]), own, rtol=1e-6, atol=1e-9):
        raise UserError(f"{path.parent} holds the pairs of another problem: give another --out")
    return c_0, c_T
