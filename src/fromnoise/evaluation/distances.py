"""Distances between two sets of points, each beside the floor that two sets of real data give."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Measured(NamedTuple):
    """A mean distance of samples to data, its standard error, and the floor: data against fresh data."""

    distance: float
    error: float
    floor: float

    @property
    def floors(self) -> float:
        """The distance in units of the floor: 1 is as near as data are to themselves."""
        return self.distance / self.floor


def sliced_wasserstein(a: Tensor, b: Tensor, projections: int = 512, seed: int = 0) -> float:
    """The sliced Wasserstein-2 distance of two sets of n points, (n, d) each, in their own units.

    The root of the mean, over random directions on the sphere, of the squared one-dimensional W2 distance,
    which sorting gives exactly (Bonneel et al. 2015). Raises ValueError for sets of different shape.

    >>> a = torch.zeros(100, 2)
    >>> sliced_wasserstein(a, a)
    0.0
    """
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"two sets of n points in d dimensions are compared, got {a.shape} and {b.shape}")
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(a.shape[1], projections, generator=generator, dtype=torch.float64)
    directions /= directions.norm(dim=0)
    gaps = (a.double() @ directions).sort(0).values - (b.double() @ directions).sort(0).values
    return gaps.square().mean().sqrt().item()


def beside_floor(
    samples: Callable[[int], Tensor], data: Callable[[int], Tensor], sets: int = 10, pairs: int = 20
) -> Measured:
    """The sliced Wasserstein-2 distance of samples to data, with the floor of this number of points.

    `samples(seed)` and `data(seed)` each draw a fresh set of n points; `sets` of samples are compared with as
    many of data, and the floor is the mean of `pairs` of data sets among themselves.

    >>> cloud = lambda seed: torch.randn(500, 2, generator=torch.Generator().manual_seed(seed))
    >>> 0.5 < beside_floor(lambda seed: cloud(seed + 99), cloud, sets=2, pairs=2).floors < 2
    True
    """
    distances = torch.tensor(
        [sliced_wasserstein(samples(i), data(1_000 + i), seed=i) for i in range(sets)], dtype=torch.float64
    )
    floors = [sliced_wasserstein(data(2_000 + i), data(3_000 + i), seed=i) for i in range(pairs)]
    error = distances.std().item() / sets**0.5 if sets > 1 else float("nan")
    return Measured(distances.mean().item(), error, sum(floors) / pairs)
