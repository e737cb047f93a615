"""The exact Wasserstein distance of two sets of points, by the assignment that costs least."""

from __future__ import annotations

import torch
from torch import Tensor

MOST = 1000
"""Points that are assigned: the work grows with their third power."""


def wasserstein(a: Tensor, b: Tensor) -> float:
    """The Wasserstein-2 distance of the first 1,000 of two sets of n points, (n, d) each, in their own units.

    Between sets of equally many points the best plan is an assignment, which is found exactly. Raises ValueError for
    sets of different shape.

    >>> wasserstein(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [2.0]]))
    2.0
    """
    from scipy.optimize import linear_sum_assignment

    if a.shape != b.shape or a.ndim != 2 or not len(a):
        raise ValueError(f"two sets of n points in d dimensions are compared, got {a.shape} and {b.shape}")
    cost = torch.cdist(a[:MOST].double(), b[:MOST].double()).square().numpy()
    return float(cost[linear_sum_assignment(cost)].mean() ** 0.5)
