"""The Fréchet distance of two sets of features, each taken as a Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|² + tr(S_a + S_b - 2 (S_a^½ S_b S_a^½)^½), in float64, of features (n, d) and (m, d).

    Dowson and Landau (1982); with Inception's features the FID (Heusel et al. 2017). The root is that of a symmetric
    matrix, so that no imaginary parts appear when there are fewer pictures than features. Biased upwards for small n:
    compare at equal n, and with the floor of real data. Raises ValueError for sets with other shapes or below 2 rows.

    >>> a = torch.tensor([[-1.0], [1.0]])
    >>> frechet(a, a + 3), frechet(a, 2 * a)
    (9.0, 2.0)
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"two sets of at least 2 features are compared, (n, d) and (m, d), not {a.shape}, {b.shape}")
    a, b = a.double(), b.double()
    first, second = (torch.atleast_2d(torch.cov(x.T)) for x in (a, b))
    root = _root(first)
    cross = _root(root @ second @ root)
    gap = (a.mean(0) - b.mean(0)).square().sum()
    return float(gap + first.trace() + second.trace() - 2 * cross.trace())


def _root(matrix: Tensor) -> Tensor:
    """The symmetric root of a symmetric matrix without negative eigenvalues but for rounding."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
