"""How much of the data samples cover, and how many lie among the data: by the balls of nearest neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.evaluation.estimate import Estimate, blocks, share

ROWS = 1000
"""Of a matrix of distances at once: memory does not grow with the square of the sets."""


class Manifolds(NamedTuple):
    """Fidelity and diversity of samples, each with its interval.

    precision   the share of samples within the ball of some data point, whose radius is that to its k-th neighbour
    recall      the share of data points within such a ball of some sample (Kynkäänniemi et al. 2019)
    density     the number of data balls that a sample lies in, over k: may be above 1
    coverage    the share of data balls in which a sample lies (Naeem et al. 2020)
    """

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def manifolds(samples: Tensor, data: Tensor, k: int = 5, *, level: float = 0.95) -> Manifolds:
    """Precision, recall, density and coverage of features (n, d) of samples and (m, d) of data, in float64.

    All four depend on n, m and k: compare at equal numbers, and with the floor of data against data. Intervals are
    those of `estimate.blocks`, in which both sets count as drawn by chance, or Wilson's where wider. Rows
    must be in no order. Raises ValueError for other shapes, or fewer rows than 10 (k + 1).

    >>> a, b = torch.randn(2, 400, 2, generator=torch.Generator().manual_seed(0))
    >>> found = manifolds(a, b)
    >>> found.precision.value > 0.9, found.coverage.value > 0.9, manifolds(a + 9, b).coverage.value
    (True, True, 0.0)
    """
    if samples.ndim != 2 or data.ndim != 2 or samples.shape[1] != data.shape[1]:
        raise ValueError(f"(n, d) and (m, d) are compared, not {tuple(samples.shape)} and {tuple(data.shape)}")
    if k < 1 or min(len(samples), len(data)) < 10 * (k + 1):
        raise ValueError(f"at least {10 * (k + 1)} samples and data are needed for k = {k}, and k of 1 or more")
    found = blocks(lambda a, b: _four(a, b, k), samples.double(), data.double(), level=level)
    precision, recall, density, coverage = found
    n, m = len(samples), len(data)
    return Manifolds(_share(precision, n), _share(recall, m), density, _share(coverage, m))


def radii(points: Tensor, k: int) -> Tensor:
    """The distance of each point (n, d) to its k-th nearest other point, (n,).

    >>> radii(torch.tensor([[0.0], [1.0], [3.0]]), 1).tolist()
    [1.0, 1.0, 2.0]
    """
    parts = (torch.cdist(part, points) for part in points.split(ROWS))
    return torch.cat([apart.kthvalue(k + 1, 1).values for apart in parts])  # the nearest is the point itself


def _share(found: Estimate, n: int) -> Estimate:
    """An interval within [0, 1], and not narrower than that of n independent cases: blocks may agree by chance."""
    alone = share(round(found.value * n), n, found.level)
    return Estimate(
        found.value, max(0.0, min(found.low, alone.low)), min(1.0, max(found.high, alone.high)), found.level
    )


def _four(samples: Tensor, data: Tensor, k: int) -> list[float]:
    of_data, of_samples = radii(data, k), radii(samples, k)
    held = torch.zeros(len(samples))
    recalled = reached = 0
    for part, radius in zip(data.split(ROWS), of_data.split(ROWS), strict=True):
        apart = torch.cdist(part, samples)
        held += (apart < radius[:, None]).sum(0)
        recalled += int((apart < of_samples).any(1).sum())
        reached += int((apart.amin(1) < radius).sum())
    means = float((held > 0).double().mean()), float(held.double().mean()) / k
    return [means[0], recalled / len(data), means[1], reached / len(data)]
