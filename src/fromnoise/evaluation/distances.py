"""Distances between two sets of points."""

from __future__ import annotations

import torch
from torch import Tensor


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
