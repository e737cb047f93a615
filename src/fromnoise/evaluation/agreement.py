"""How often runs that began alike end alike: H's unpredictability (Figures 5 and 6) as a number."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Agreement(NamedTuple):
    """The share of pairs of one class among runs of one group, its standard error, and the share among strangers."""

    share: float
    error: float
    chance: float


def same_class(classes: Tensor) -> Agreement:
    """How often two runs from one beginning come to one class, and how often two from different beginnings do.

    `classes` (groups, runs) are whole numbers, a row for each beginning. The error takes groups for independent.
    Where beginnings decide nothing, share and chance have the same expectation; where they decide all, the share is 1.
    Raises ValueError for fewer than two groups or two runs.

    >>> [round(number, 3) for number in same_class(torch.tensor([[3, 3, 3], [5, 5, 3]]))]
    [0.667, 0.333, 0.333]
    """
    if classes.ndim != 2 or min(classes.shape) < 2 or classes.is_floating_point():
        raise ValueError(f"classes are whole numbers (groups, runs), two or more of each, not {tuple(classes.shape)}")
    groups, runs = classes.shape
    counts = torch.stack([(classes == k).sum(1) for k in classes.unique()], 1).double()
    shares = (counts * (counts - 1)).sum(1) / (runs * (runs - 1))
    strangers = counts.sum(0).square().sum() - counts.square().sum()
    chance = float(strangers) / (groups * (groups - 1) * runs**2)
    return Agreement(float(shares.mean()), float(shares.std()) / groups**0.5, chance)
