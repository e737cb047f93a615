"""The levels that sampling walks through, from noise to data; a path may also go up again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

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


def quadratic(schedule: Schedule, steps: int) -> list[Level]:
    """From T to 0 with time T (i / steps)²: short steps near the data (Song et al. 2021, DDIM, appendix D.2).

    Of a table whole times, no two alike. Raises ValueError for steps outside 1 ... T (1 ... in continuous time).

    >>> from fromnoise.process import linear
    >>> [level.t.item() for level in quadratic(linear(1000), 4)]
    [1000.0, 562.0, 250.0, 62.0, 0.0]
    """
    i = torch.linspace(1.0, 0.0, len(strided(schedule, steps)), dtype=torch.float64)
    times = schedule.T * i**2
    if is_discrete(schedule):
        times = torch.maximum(times.round(), (i * steps).round())
    return path(schedule, times.tolist())


def uniform_in_lambda(schedule: Schedule, steps: int, cleanest: float | None = None) -> list[Level]:
    """From T to time `cleanest` in steps − 1 equal steps of lam = log(alpha / sigma), then home to 0.

    `cleanest` is 1 for a table and 0.001 in continuous time unless given. Raises ValueError for steps < 2
    and where the schedule has no signal at T (lam is infinite there).

    >>> from fromnoise.process import linear
    >>> [round(level.t.item()) for level in uniform_in_lambda(linear(1000), 4)]
    [1000, 604, 74, 1, 0]
    """
    return _between(schedule, steps, cleanest, lambda lam: lam, lambda lam: lam)


def leading(schedule: Schedule, steps: int) -> list[Level]:
    """Whole strides of T // steps up from 1, as many pipelines walk: the noisiest levels are never visited.

    For tables. x_T is treated as if it were of level T − T / steps + 1, which costs contrast with few steps; here for
    comparison. Raises ValueError for steps outside 1 ... T and in continuous time.

    >>> from fromnoise.process import linear
    >>> [level.t.item() for level in leading(linear(1000), 4)]
    [751.0, 501.0, 251.0, 1.0, 0.0]
    """
    if not is_discrete(schedule):
        raise ValueError("a leading path needs a schedule of whole steps")
    if not 1 <= steps <= schedule.T:
        raise ValueError(f"steps must be at least 1 and at most T = {schedule.T:g}, got {steps}")
    stride = int(schedule.T) // steps
    return path(schedule, [*(1.0 + stride * i for i in reversed(range(steps))), 0.0])


def karras(schedule: Schedule, steps: int, rho: float = 7.0, cleanest: float | None = None) -> list[Level]:
    """From T to time `cleanest` evenly in nu^(1/rho), nu = sigma / alpha, then home to 0 (Karras et al. 2022, eq. 5).

    `cleanest` is as in `uniform_in_lambda`, which is the limit of a large rho. Raises ValueError for steps < 2, for
    rho <= 0 and where the schedule has no signal at T.

    >>> from fromnoise.process import linear
    >>> [round(level.t.item()) for level in karras(linear(1000), 4)]
    [1000, 776, 302, 1, 0]
    """
    if rho <= 0:
        raise ValueError(f"rho must be positive, got {rho}")
    return _between(schedule, steps, cleanest, lambda lam: (-lam / rho).exp(), lambda place: -rho * place.log())


def equidistributed(schedule: Schedule, steps: int, lams: Tensor, density: Tensor) -> list[Level]:
    """From T home to 0, each step but the last with the same share of ∫ density dlam.

    `lams` (K,) rise from lam at T to lam at the cleanest level before 0, and `density` (K,), not negative, says how
    hard the ODE is there: the classical way to place the nodes of a mesh. Raises ValueError for steps < 2 and for a
    density that is nowhere positive.

    >>> from fromnoise.process import linear
    >>> flat = equidistributed(linear(1000), 4, torch.tensor([-5.0, 4.6]), torch.ones(2))
    >>> [round(level.lam.item(), 1) for level in flat[:-1]]
    [-5.1, -1.8, 1.4, 4.6]
    """
    if steps < 2:
        raise ValueError(f"such a path takes at least 2 steps, got {steps}")
    lams, density = lams.double(), density.double()
    pieces = (density[1:] + density[:-1]) / 2 * lams.diff()
    if not bool((density >= 0).all() and pieces.sum() > 0):
        raise ValueError("the density must be positive somewhere and negative nowhere")
    share = torch.cat([pieces.new_zeros(1), pieces.cumsum(0)]) / pieces.sum()
    wanted = torch.linspace(0, 1, steps, dtype=torch.float64)
    k = torch.searchsorted(share, wanted).clamp(1, len(lams) - 1)
    inside = (wanted - share[k - 1]) / (share[k] - share[k - 1]).clamp_min(1e-300)
    found = lams[k - 1] + inside * (lams[k] - lams[k - 1])
    found[-1] = lams[-1]  # also where the density ends at zero
    times = schedule.time(found).clamp(0, schedule.T).tolist()
    return path(schedule, [float(schedule.T), *times[1:], 0.0])


def churned(
    schedule: Schedule, levels: Sequence[Level], churn: float, least: float = 0.0, most: float = 50.0
) -> list[Level]:
    """The path with a rise before each step: nu times 1 + min(churn / N, √2 − 1) (Karras et al. 2022, algorithm 2).

    Only from levels with nu in [least, most] and never above T; noise for the way up is the walk's. With a solver that
    has no memory this is EDM's stochastic sampler.

    >>> from fromnoise.process import linear
    >>> schedule = linear(1000)
    >>> [round(level.t.item()) for level in churned(schedule, strided(schedule, 2), churn=0.5)]
    [1000, 500, 540, 0]
    """
    factor = 1 + min(churn / (len(levels) - 1), math.sqrt(2) - 1)
    found = [levels[0]]
    for t, s in pairwise(levels):
        nu = float(t.nu) * factor
        if least <= float(t.nu) <= most and nu <= float(levels[0].nu):
            lam = torch.tensor(-math.log(nu), dtype=torch.float64)
            found.append(at(schedule, schedule.time(lam).clamp(0, schedule.T)))
        found.append(s)
    return found


def resampled(levels: Sequence[Level], length: int = 10, times: int = 10) -> list[Level]:
    """RePaint's path (Lugmayr et al. 2022): after each `length` steps down, as many up again, `times` − 1 times over.

    What is made up and what is known have then `times` occasions to agree. The last jump is from the last level with
    noise, the others a whole number of `length` steps above it; of 250 steps with 10 and 10 come 2,410 network calls.
    Raises ValueError unless both are at least 1.

    >>> from fromnoise.process import linear
    >>> [round(level.t.item()) for level in resampled(strided(linear(1000), 4), 1, 2)]
    [1000, 750, 1000, 750, 500, 750, 500, 250, 500, 250, 0]
    """
    if length < 1 or times < 1:
        raise ValueError(f"a jump takes at least 1 step and 1 time, got {length} and {times}")
    steps = len(levels) - 1
    found = [levels[0]]
    for i in range(1, steps + 1):
        found.append(levels[i])
        above, left = i - length, steps - i
        if above >= 0 and left > 0 and (left - 1) % length == 0:
            up_and_down = [*reversed(levels[above:i]), *levels[above + 1 : i + 1]]
            found += up_and_down * (times - 1)
    return found


def _between(
    schedule: Schedule,
    steps: int,
    cleanest: float | None,
    place: Callable[[Tensor], Tensor],
    lam_of: Callable[[Tensor], Tensor],
) -> list[Level]:
    """From T to `cleanest` evenly in some coordinate of lam, then home."""
    if steps < 2:
        raise ValueError(f"such a path takes at least 2 steps, got {steps}")
    cleanest = cleanest if cleanest is not None else (1.0 if is_discrete(schedule) else 1e-3)
    if not 0 < cleanest < schedule.T:
        raise ValueError(f"the cleanest level before 0 lies between 0 and T = {schedule.T:g}, not at {cleanest:g}")
    ends = [at(schedule, t).lam for t in (schedule.T, cleanest)]
    if math.isinf(float(ends[0])):
        raise ValueError("lambda is infinite at T on this schedule: choose a path that is even in t")
    start, end = (float(place(lam)) for lam in ends)
    inner = schedule.time(lam_of(torch.linspace(start, end, steps, dtype=torch.float64))).tolist()
    return path(schedule, [float(schedule.T), *inner[1:-1], cleanest, 0.0])
