"""A number with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor


class Estimate(NamedTuple):
    """A number, and the ends of an interval that holds the true one in `level` of all cases."""

    value: float
    low: float
    high: float
    level: float = 0.95


def normal(value: float, error: float, level: float = 0.95) -> Estimate:
    """The interval of a number whose error is Gaussian with this standard deviation.

    >>> [round(end, 3) for end in normal(0.0, 1.0)]
    [0.0, -1.96, 1.96, 0.95]
    """
    from scipy.stats import norm

    reach = float(norm.isf((1 - level) / 2)) * error
    return Estimate(value, value - reach, value + reach, level)


def mean(values: Sequence[float], level: float = 0.95) -> Estimate:
    """The mean of a few independent numbers, two or more, with Student's interval.

    >>> [round(end, 2) for end in mean([0.0, 1.0, 2.0])]
    [1.0, -1.48, 3.48, 0.95]
    """
    from scipy.stats import t

    found = np.asarray(values, float)
    reach = float(t.isf((1 - level) / 2, len(found) - 1)) * found.std(ddof=1) / math.sqrt(len(found))
    return Estimate(float(found.mean()), float(found.mean() - reach), float(found.mean() + reach), level)


def share(count: int, n: int, level: float = 0.95) -> Estimate:
    """A share of n independent cases with Wilson's interval, which holds near 0 and 1 too (Brown et al. 2001).

    Raises ValueError unless 0 <= count <= n and n >= 1.

    >>> [round(end, 3) for end in share(0, 100)]
    [0.0, 0.0, 0.037, 0.95]
    """
    from scipy.stats import binomtest

    if not 0 <= count <= n or n < 1:
        raise ValueError(f"a share is that of 0 to n of n >= 1 cases, got {count} of {n}")
    found = binomtest(int(count), int(n)).proportion_ci(level, method="wilson")
    return Estimate(count / n, float(found.low), float(found.high), level)


def blocks(of: Callable[..., Sequence[float]], *sets: Tensor, parts: int = 5, level: float = 0.95) -> list[Estimate]:
    """Numbers of whole sets, their intervals from those of a few disjoint parts, each with a part of every set.

    For what has neither a formula nor smoothness, as all that counts neighbours. A part's numbers are off by √parts
    times as much as the whole's, so their spread tells the error, with Student's t for so few. Parts are taken in
    turn, so rows must be in no order. Of neighbours' numbers 90 to 95 % of intervals hold.

    >>> import torch
    >>> x = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    >>> [found] = blocks(lambda rows: [float(rows.mean())], x)
    >>> found.low < 0 < found.high
    True
    """
    from scipy.stats import t

    whole = of(*sets)
    found = np.array([of(*(rows[k::parts] for rows in sets)) for k in range(parts)])
    reach = float(t.isf((1 - level) / 2, parts - 1)) * found.std(0, ddof=1) / math.sqrt(parts)
    return [Estimate(value, value - r, value + r, level) for value, r in zip(whole, reach.tolist(), strict=True)]
