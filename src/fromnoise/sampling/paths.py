"""The levels that sampling walks through, from noise to data; a path may also go up again."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from fromnoise.process import Level, Schedule, at, is_discrete


def path(schedule: Schedule, times: Iterable[float]) -> list[Level]:
    """The levels at the given times, scalars in float64.

    >>> from fromnoise.process import linear
    >>> [level.t.item() for level in path(linear(10), [10, 5, 0])]
    [10.0, 5.0, 0.0]
    """
    return [at(schedule, torch.as_tensor(t, dtype=torch.float64)) for t in times]


def strided(schedule: Schedule, steps: int | None = None) -> list[Level]:
    """From T to 0 in `steps` steps, evenly in t; whole times for a table, whose every step is the default.

    In continuous time the default is 1,000 steps. With steps = T this is Algorithm 2 of both papers.
    Raises ValueError for steps outside 1 ... T (1 ... in continuous time).

    >>> from fromnoise.process import linear
    >>> [level.t.item() for level in strided(linear(1000), 4)]
    [1000.0, 750.0, 500.0, 250.0, 0.0]
    """
    discrete = is_discrete(schedule)
    most = int(schedule.T) if discrete else None
    steps = steps if steps is not None else (most or 1000)
    if steps < 1 or (most is not None and steps > most):
        raise ValueError(f"steps must be at least 1{f' and at most T = {most}' if most else ''}, got {steps}")
    times = torch.linspace(schedule.T, 0.0, steps + 1, dtype=torch.float64)
    return path(schedule, (times.round() if discrete else times).tolist())


def uniform_in_lambda(schedule: Schedule, steps: int, cleanest: float | None = None) -> list[Level]:
    """From T to time `cleanest` in steps − 1 equal steps of lam = log(alpha / sigma), then home to 0.

    `cleanest` is 1 for a table and 0.001 in continuous time unless given. Raises ValueError for steps < 2
    and where the schedule has no signal at T (lam is infinite there).

    >>> from fromnoise.process import linear
    >>> [round(level.t.item()) for level in uniform_in_lambda(linear(1000), 4)]
    [1000, 604, 74, 1, 0]
    """
    if steps < 2:
        raise ValueError(f"a path uniform in lambda takes at least 2 steps, got {steps}")
    cleanest = cleanest if cleanest is not None else (1.0 if is_discrete(schedule) else 1e-3)
    start, end = (at(schedule, t).lam.item() for t in (schedule.T, cleanest))
    if start == -float("inf"):
        raise ValueError("lambda is infinite at T on this schedule: choose a path that is even in t")
    inner = schedule.time(torch.linspace(start, end, steps, dtype=torch.float64)).tolist()
    return path(schedule, [float(schedule.T), *inner[1:-1], cleanest, 0.0])
