"""What a model's samples walk: a solver and a path of levels, by name or as given, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fromnoise.errors import UserError
from fromnoise.model.config import Sample
from fromnoise.model.options import unknown
from fromnoise.process import Level, Schedule, is_discrete
from fromnoise.sampling import PATHS, SOLVERS, Solver
from fromnoise.sampling import path as level_path


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
    name = solver if solver is not None else own.solver
    if not isinstance(name, str):
        return Walk(name, levels_of(own, schedule, steps, path), None)
    if name not in SOLVERS:
        raise unknown("solver", name, SOLVERS)
    choice = SOLVERS[name]
    if choice.calls is None and steps is None and path is None:  # it finds its own steps, down to the first level
        levels = level_path(schedule, [schedule.T, 1.0 if is_discrete(schedule) else 1e-3, 0.0])
    else:
        levels = levels_of(own, schedule, steps, path)
    if not choice.no_signal and float(levels[0].alpha) == 0:
        raise UserError(f"{name} cannot begin where the schedule leaves no signal: use ddpm, ddim or dpmpp")
    return Walk(choice.make(schedule), levels, None if choice.calls is None else _calls(levels, choice.calls))


def _calls(levels: list[Level], a_step: int) -> int:
    """One for a step home, none for a step up, where noise is added."""
    down = [s for t, s in pairwise(levels) if not bool(s.alpha * t.sigma < t.alpha * s.sigma)]
    return sum(1 if bool(s.sigma == 0) else a_step for s in down)


def levels_of(
    own: Sample, schedule: Schedule, steps: int | None = None, path: str | Sequence[Level] | None = None
) -> list[Level]:
    """The levels asked for, else the model's own. Raises UserError for what there is not.

    >>> from fromnoise.process import linear
    >>> [level.t.item() for level in levels_of(Sample(), linear(1000), 2)]
    [1000.0, 500.0, 0.0]
    """
    if path is not None and not isinstance(path, str):
        if steps is not None:
            raise UserError("a path of levels says itself how many steps it has: leave steps out")
        if len(path) < 2:
            raise UserError(f"a path has at least two levels, got {len(path)}")
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
