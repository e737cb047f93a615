"""Whether a learned ψ is right: fresh pairs beside its draws, and beside those of two maps that need no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from fromnoise.evaluation import Measured, energy_score, ranks, sliced_wasserstein, uniform
from fromnoise.pde.backward import nearest
from fromnoise.pde.forward import pairs
from fromnoise.pde.psi import Backward, modes

TESTED = 5
"""Modes whose ranks are tested."""
NEIGHBOURS = (5, 10, 20, 50, 99)
WIDENED = 1.2


@dataclass(frozen=True)
class Trial:
    """What was found with B fresh pairs and n draws for each.

    ranks     of the true modes among the draws, (B, modes), and p the p-values of their tests
    widened   the same of draws that are a fifth too far from their mean, and widened_p, which must be refused
    scores    the energy score in ∫|·|², mean and standard error, of the network, of linear regression, and of the
              nearest pairs, of as many as serve best on these very pairs, which favours them
    worse     by how much each of the other two is worse on the same pairs, mean and standard error
    again     u(T) of the draws, run forward again, beside fresh u(T): the distance of their modes' laws
    """

    ranks: Tensor
    widened: Tensor
    p: np.ndarray
    widened_p: np.ndarray
    scores: dict[str, tuple[float, float]]
    worse: dict[str, tuple[float, float]]
    neighbours: int
    again: Measured


def trial(
    psi: Backward,
    n: int = 99,
    size: int = 1000,
    *,
    first: int = 9 * 10**7,
    progress: Callable[[str], None] = lambda what: None,
) -> Trial:
    """Judge ψ with `size` fresh pairs, of the problem's numbers from `first` on."""
    problem, k = psi.problem, len(psi.line.offset)
    progress("fresh pairs")
    u_0, u_T = pairs(problem, size, first=first)
    c_0, c_T = modes(problem.grid, u_0, k), modes(problem.grid, u_T, psi.c_T.shape[1])

    def seen(u: Tensor) -> Tensor:
        return modes(problem.grid, u.flatten(0, 1), k).unflatten(0, u.shape[:2])

    progress("draws")
    drawn = seen(psi.draw(u_T, n))
    wide = drawn.mean(0) + WIDENED * (drawn - drawn.mean(0))
    own, widened = (ranks(some[..., :TESTED], c_0[:, :TESTED]) for some in (drawn, wide))
    progress("the others")
    line = seen(psi.fields(psi.line.draw(c_T, n), u_T))
    scored = {"network": energy_score(drawn, c_0), "regression": energy_score(line, c_0)}
    near = {j: seen(psi.fields(nearest(psi.c_0, psi.c_T, c_T, j), u_T)) for j in NEIGHBOURS if j <= len(psi.c_0)}
    tried = {j: energy_score(some, c_0) for j, some in near.items()}
    neighbours = min(tried, key=lambda j: float(tried[j].mean()))
    scored["nearest"] = tried[neighbours]
    worse = {name: _mean(score - scored["network"]) for name, score in scored.items() if name != "network"}
    progress("forward again")
    return Trial(
        own, widened, uniform(own, n), uniform(widened, n), {name: _mean(score) for name, score in scored.items()},
        worse, neighbours, _again(psi, size),
    )  # fmt: skip


def _mean(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std()) / len(values) ** 0.5


def _again(psi: Backward, size: int, sets: int = 3) -> Measured:
    """The sliced distance of u(T) run again from draws to fresh u(T), in units of each mode's deviation.

    The floor is that of the fresh sets among themselves. No noise or field here is that of the pairs or of another set.
    """
    problem, scale, k = psi.problem, psi.c_T.std(0), psi.c_T.shape[1]

    def seen(u: Tensor) -> Tensor:
        return modes(problem.grid, u, k) / scale

    fresh, again = [], []
    for i in range(sets):
        fresh.append(seen(pairs(problem, size, first=4 * 10**7 + i * size)[1]))
        _, u_T = pairs(problem, size, first=2 * 10**7 + i * size)
        *_, u_T = problem.states(psi.draw(u_T, 1, seed=i)[0], first=3 * 10**7 + i * size)
        again.append(seen(u_T))
    distances = torch.tensor([sliced_wasserstein(a, b) for a in again for b in fresh], dtype=torch.float64)
    floors = [sliced_wasserstein(a, b) for a, b in combinations(fresh, 2)]
    return Measured(float(distances.mean()), float(distances.std()) / sets**0.5, sum(floors) / len(floors))
