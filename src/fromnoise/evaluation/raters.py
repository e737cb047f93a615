"""What people answer who say of each picture whether it is real or generated: how often right, and how alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fromnoise.evaluation.estimate import Estimate, normal

Answers = Sequence[bool | None]
"""Of each picture in turn whether it is generated; None where there is no answer."""


def hit_rate(answers: Answers, truth: Sequence[bool], level: float = 0.95) -> Estimate:
    """The share of right answers, in [0, 1], with the exact interval of Clopper and Pearson (1934).

    `truth` says whether each picture is generated. Pictures without an answer do not count. Raises ValueError for
    lists of different lengths, or where nothing is answered.

    >>> [round(end, 3) for end in hit_rate([True, True, False, None], [True, False, False, True])]
    [0.667, 0.094, 0.992, 0.95]
    """
    from scipy.stats import binomtest

    right, n = _right(answers, truth)
    found = binomtest(right, n).proportion_ci(level, method="exact")
    return Estimate(right / n, float(found.low), float(found.high), level)


def by_guessing(answers: Answers, truth: Sequence[bool]) -> float:
    """The probability that coin tosses are as far from half right: the exact two-sided binomial test against 1/2.

    Raises ValueError as `hit_rate` does.

    >>> by_guessing([True] * 5, [True] * 5)
    0.0625
    """
    from scipy.stats import binomtest

    return float(binomtest(*_right(answers, truth), 0.5).pvalue)


def kappa(a: Answers, b: Answers, level: float = 0.95) -> Estimate:
    """Cohen's kappa (1960) of two raters over the pictures that both answered: (p_o - p_e) / (1 - p_e), in [-1, 1].

    p_o is the share of pictures on which they agree, p_e the one on which they would by chance, each answering as
    often "generated" as they do. 1 is full agreement, 0 what chance gives. NaN, with a NaN interval, where p_e is 1
    (both say the same of every picture), or where there is no picture that both answered.

    The interval has the large-sample error of Fleiss, Cohen & Everitt (1969) after one more picture for each of the
    four pairs of answers, as Agresti & Caffo (2000) do for shares: without them it is much too short near 1 and for
    few pictures. Raises ValueError for lists of different lengths.

    >>> a, b = [True, True, False, False, None], [True, False, False, False, True]
    >>> [round(end, 3) for end in kappa(a, b)]
    [0.5, -0.4, 0.9, 0.95]
    """
    table = np.zeros((2, 2))
    for one, other in zip(a, b, strict=True):
        if one is not None and other is not None:
            table[int(one), int(other)] += 1
    value, _ = _kappa(table)
    if math.isnan(value):
        return Estimate(math.nan, math.nan, math.nan, level)
    _, low, high, _ = normal(*_kappa(table + 1), level)
    return Estimate(value, max(-1.0, min(low, value)), min(1.0, max(high, value)), level)


def _right(answers: Answers, truth: Sequence[bool]) -> tuple[int, int]:
    """Right answers, and answers."""
    right = [answer == true for answer, true in zip(answers, truth, strict=True) if answer is not None]
    if not right:
        raise ValueError("nothing is answered, so no share is right")
    return sum(right), len(right)


def _kappa(table: np.ndarray) -> tuple[float, float]:
    """Kappa of counts (2, 2), a's answers down and b's across, and its standard error."""
    n = table.sum()
    p = table / max(n, 1)
    down, across = p.sum(1), p.sum(0)
    agreed, chance = float(np.trace(p)), float(down @ across)
    if n == 0 or chance >= 1:
        return math.nan, math.nan
    # What one picture of each cell adds to kappa; their spread over pictures is Fleiss, Cohen & Everitt's error.
    expected = across[:, None] + down[None, :] - 2 * chance
    adds = (np.eye(2) - agreed) / (1 - chance) - (1 - agreed) / (1 - chance) ** 2 * expected
    return (agreed - chance) / (1 - chance), math.sqrt(float((p * adds**2).sum()) / n)
