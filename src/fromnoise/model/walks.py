"""What a model's samples walk: a solver and a path of levels, by name or as given, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fromnoise.errors import UserError
from fromnoise.model.config import Sample
from fromnoise.model.options import unknown
from fromnoise.process import Level, Schedule, is_discrete
from fromnoise.sampling import PATHS, SOLVERS, Solver


class Walk(NamedTuple):
    """A solver, the levels that it steps through, and the network calls that this takes (None: not known before)."""

    solver: Solver
    levels: list[Level]
    calls: int | None


def walk(
    own: Sample,
    schedule: Schedule,
    solver: str | Solver | None = None,
    steps: int | None = None,
    path: str | Sequence[Level] | None = None,
) -> Walk:
    """The solver and the path asked for, else the model's own. Raises UserError for what there is not.

    >>> from fromnoise.process import linear
    >>> walk(Sample(), linear(1000), "heun", 10).calls
    19
    """
    levels = _levels(own, schedule, steps, path)
    name = solver if solver is not None else own.solver
    if not isinstance(name, str):
        return Walk(name, levels, None)
    if name not in SOLVERS:
        raise unknown("solver", name, SOLVERS)
    choice = SOLVERS[name]
    if not choice.no_signal and float(levels[0].alpha) == 0:
        raise UserError(f"{name} cannot begin where the schedule leaves no signal: use ddpm, ddim or dpmpp")
    calls = None if choice.calls is None else (len(levels) - 2) * choice.calls + 1
    return Walk(choice.make(schedule), levels, calls)


def _levels(own: Sample, schedule: Schedule, steps: int | None, path: str | Sequence[Level] | None) -> list[Level]:
    if path is not None and not isinstance(path, str):
        if steps is not None:
            raise UserError("a path of levels says itself how many steps it has: leave steps out")
        return list(path)
    name = path or own.path
    if name not in PATHS:
        raise unknown("path", name, PATHS)
    steps = _steps(own, schedule, steps)
    try:
        return PATHS[name](schedule, steps)
    except ValueError as error:
        raise UserError(f"path {name}: {error}") from None


def _steps(own: Sample, schedule: Schedule, steps: int | None) -> int:
    """The steps asked for, else the model's own, which a short schedule may cut; 0 is every level."""
    most = int(schedule.T) if is_discrete(schedule) else None
    if steps is None:
        steps = own.steps or most or 1000
        return steps if most is None else min(steps, most)
    if steps < 1 or (most is not None and steps > most):
        raise UserError(f"steps must be at least 1{f' and at most {most}' if most else ''}, got {steps}")
    return steps
