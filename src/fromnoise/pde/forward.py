"""H's set of pairs (u(0), u(T)), and the share of the energy that the first mode keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import Tensor

from fromnoise.pde.equation import Functional, Scheme, dirichlet, evolve, explicit
from fromnoise.pde.fields import FIELDS, Law, random_fields
from fromnoise.pde.forcing import FORCINGS, Forcing, Increments
from fromnoise.pde.grid import Grid

AT_ONCE = 1000
"""Fields that evolve together: so many stay in cache."""


@dataclass(frozen=True)
class Problem:
    """All that says what a field becomes: H's Figure 7 with η = 10,000 unless given otherwise.

    `dt` is δt, 0.15 δx² unless given; `law` is that of the first fields (`FIELDS`), which are scaled to ∫|∇u|² = R
    unless R is None. With `conserve` None the equation is linear.

    >>> problem = Problem(steps=100)
    >>> problem.dt, round(problem.time, 6)
    (1.5e-05, 0.0015)
    """

    grid: Grid = field(default_factory=lambda: Grid((100,)))
    eta: float = 10_000.0
    forcing: Forcing = FORCINGS["cell"]
    dt: float = 0.0
    steps: int = 2**14
    R: float | None = 2.0
    law: Law = FIELDS["gaussian"]
    scheme: Scheme = explicit
    conserve: Callable[[Grid], Functional] | None = dirichlet
    seed: int = 0

    def __post_init__(self) -> None:
        if self.eta < 0 or self.dt < 0 or self.steps < 1:
            raise ValueError(f"eta and dt are not negative and steps at least 1: {self.eta}, {self.dt}, {self.steps}")
        if isinstance(self.forcing, str):
            raise TypeError(f"forcing is what FORCINGS holds: FORCINGS[{self.forcing!r}]")
        object.__setattr__(self, "dt", self.dt or 0.15 * min(self.grid.spacing) ** 2)

    @property
    def time(self) -> float:
        """T, at which the last step arrives."""
        return self.steps * self.dt

    @property
    def rates(self) -> Tensor:
        """q_k, what the noise adds to the variance of each mode in a unit of time, (*cells)."""
        return self.forcing.rates(self.grid, self.eta, self.dt)

    def begin(self, n: int, first: int = 0) -> Tensor:
        """Fields first ... first + n − 1 at time 0, (n, *cells)."""
        return random_fields(self.grid, n, law=self.law, R=self.R, seed=self.seed, first=first)

    def states(self, u_0: Tensor, first: int = 0) -> Iterator[Tensor]:
        """What the fields u_0 (n, *cells) become after each step, with the noise of fields first ... first + n − 1."""
        how = {"eta": self.eta, "dt": self.dt, "n": len(u_0), "first": first, "seed": self.seed}
        noise = Increments(self.forcing, self.grid, device=u_0.device, **how) if self.eta else None  # type: ignore[arg-type]
        states = evolve(u_0, self.grid, dt=self.dt, noise=noise, scheme=self.scheme, conserve=self.conserve)
        return islice(states, self.steps)


def pairs(
    problem: Problem, n: int, *, first: int = 0, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Tensor, Tensor]:
    """H's set of n pairs: u(0) and u(T), each (n, *cells). Pair i depends on the seed and on first + i alone.

    `progress(done, total)` counts the steps of blocks of fields. Raises ValueError for n below 1.

    >>> u_0, u_T = pairs(Problem(steps=10), 3)
    >>> u_0.shape, u_T.shape
    (torch.Size([3, 100]), torch.Size([3, 100]))
    """
    if n < 1:
        raise ValueError(f"there is at least one pair, got {n}")
    starts, begun, ended = range(0, n, AT_ONCE), [], []
    for i, start in enumerate(starts):
        u_0 = u_T = problem.begin(min(AT_ONCE, n - start), first + start)
        for step, state in enumerate(problem.states(u_0, first + start), 1):
            u_T = state
            if step % 64 == 0 or step == problem.steps:
                progress(i * problem.steps + step, len(starts) * problem.steps)
        begun.append(u_0)
        ended.append(u_T)
    return torch.cat(begun), torch.cat(ended)


def profiles(
    problem: Problem, at: Sequence[int], *, progress: Callable[[int, int], None] = lambda done, total: None
) -> Tensor:
    """One field after the steps `at`, which rise, (len(at), *cells): a panel of H Figure 7.

    >>> profiles(Problem(steps=20), [2, 4, 8]).shape
    torch.Size([3, 100])
    """
    found = []
    for step, u in enumerate(problem.states(problem.begin(1)), 1):
        if step in at:
            found.append(u[0])
        if step % 64 == 0:
            progress(step, problem.steps)
    return torch.stack(found)


def kept(
    problem: Problem, etas: Sequence[float], n: int = 48, *, start: float = 0.5, every: int = 10
) -> list[tuple[float, float]]:
    """For each amplitude the share of the energy in the first eigenspace, over the time from `start` to 1 of the whole.

    n fields for each amplitude begin in the first mode, all evolve together; the problem's own amplitude has no say.
    Gives means and the standard errors of the fields' means.

    >>> ((share, error),) = kept(Problem(steps=20), [0.0], 2)
    >>> round(share, 12), round(error, 12)
    (1.0, 0.0)
    """
    grid, lam, first = problem.grid, problem.grid.eigenvalues, problem.grid.first
    R = 2.0 if problem.R is None else problem.R
    c = torch.where(first, (R / lam.clamp(min=1e-9) / first.sum()).sqrt(), 0.0)
    eta = torch.tensor(etas, dtype=torch.float64).repeat_interleave(n).reshape(-1, *(1 for _ in grid.cells))
    noise = Increments(problem.forcing, grid, eta=1.0, dt=problem.dt, n=len(eta), seed=problem.seed)
    u_0 = grid.field(c).expand(len(eta), *grid.cells)
    scaled = (eta * increment for increment in noise)
    states = evolve(u_0, grid, dt=problem.dt, noise=scaled, scheme=problem.scheme, conserve=problem.conserve)
    total, count = torch.zeros(len(eta), dtype=torch.float64), 0
    for step, u in enumerate(islice(states, problem.steps), 1):
        if step > start * problem.steps and step % every == 0:
            total, count = total + grid.share(u), count + 1
    shares = (total / count).reshape(len(etas), n)
    return [(float(one.mean()), float(one.std()) / math.sqrt(n)) for one in shares]
