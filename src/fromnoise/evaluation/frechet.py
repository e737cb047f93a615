"""The Fréchet distance of two sets of features, each taken as a Gaussian, and what it would be of endless sets."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.evaluation.estimate import Estimate, normal

FULL = 2.5
"""Rows a direction of spread, at least, for a limit: halves with fewer have lost some of the directions."""
ZERO = 1e-12
"""Eigenvalues below this part of the largest are those of directions without any spread."""


def frechet(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|² + tr(S_a + S_b - 2 (S_a^½ S_b S_a^½)^½), in float64, of features (n, d) and (m, d).

    Dowson and Landau (1982); with Inception's features the FID (Heusel et al. 2017). The root is that of a symmetric
    matrix, so that no imaginary parts appear when there are fewer pictures than features. Biased upwards for small n:
    compare at equal n, with the floor of real data, or see `frechet_limit`. Raises ValueError for sets with other
    shapes or below 2 rows.

    >>> a = torch.tensor([[-1.0], [1.0]])
    >>> round(frechet(a, a + 3), 6), round(frechet(a, 2 * a), 6)
    (9.0, 2.0)
    """
    return _between(*_checked(a, b)).distance


def frechet_limit(a: Tensor, b: Tensor, *, splits: int = 4, seed: int = 0, level: float = 0.95) -> Estimate:
    """The distance that endless sets would have, with its interval; it may be negative where that is near 0.

    The plug-in distance of n rows is too large by about c / n. The same of random halves is too large by twice that,
    so 2 F_n - F_{n/2} has lost it (Chong & Forsyth 2020 fit a line instead). Its error is that of the plug-in to first
    order: the spread of what each row adds. With T the map that carries one Gaussian to the other, x of a adds
    2 (m_a - m_b)·(x - m_a) + (x - m_a)·(1 - T)(x - m_a) - its mean. Raises ValueError as `frechet`, and where there are
    fewer rows than 2.5 for each direction of spread, of which features have (tr S)² / tr S².

    >>> a, b = torch.randn(2, 2000, 4, generator=torch.Generator().manual_seed(0))
    >>> found = frechet_limit(a, b + 1)  # the truth is 4
    >>> found.low < 4 < found.high < 4.7
    True
    """
    a, b = _checked(a, b)
    for x in (a, b):
        if len(x) < max(4.0, FULL * _directions(x)):
            raise ValueError(
                f"{len(x)} rows are too few for {_directions(x):.0f} directions: give at least 2.5 for each"
            )
    whole = _between(a, b)
    generator = torch.Generator().manual_seed(seed)
    halves = []
    for _ in range(splits):
        first, second = (torch.randperm(len(x), generator=generator) for x in (a, b))
        halves += [_between(a[first[k::2]], b[second[k::2]]).distance for k in (0, 1)]
    added = whole.added(a, b)
    error = math.sqrt(sum(float(part.var()) / len(part) for part in added))
    return normal(2 * whole.distance - sum(halves) / len(halves), error, level)


class _Between(NamedTuple):
    """Two Gaussians: their means, the root of a's covariance as eigenvalues and vectors, and those of R S_b R."""

    means: tuple[Tensor, Tensor]
    spread: tuple[Tensor, Tensor]
    cross: tuple[Tensor, Tensor]
    distance: float

    def added(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """What each row of a and of b adds to the distance, to first order, but for a constant, (n,), (m,)."""
        (values, vectors), (crossed, turned) = self.spread, self.cross
        root = (vectors * values.sqrt()) @ vectors.T
        inverse = (vectors * _inverse_root(values)) @ vectors.T
        gap, x, y = self.means[0] - self.means[1], a - self.means[0], b - self.means[1]
        carried_a = (x @ inverse @ turned).square() @ crossed.sqrt()  # x·T x, T = R^-1 (R S_b R)^½ R^-1
        carried_b = (y @ root @ turned).square() @ _inverse_root(crossed)  # y·T^-1 y
        return 2 * x @ gap + x.square().sum(1) - carried_a, -2 * y @ gap + y.square().sum(1) - carried_b


def _between(a: Tensor, b: Tensor) -> _Between:
    first, second = (torch.atleast_2d(torch.cov(x.T)) for x in (a, b))
    means = a.mean(0), b.mean(0)
    values, vectors = _eigen(first)
    root = (vectors * values.sqrt()) @ vectors.T
    cross = _eigen(root @ second @ root)
    gap = (means[0] - means[1]).square().sum()
    distance = float(gap + first.trace() + second.trace() - 2 * cross[0].sqrt().sum())
    return _Between(means, (values, vectors), cross, distance)


def _checked(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"two sets of at least 2 features are compared, (n, d) and (m, d), not {a.shape}, {b.shape}")
    return a.double(), b.double()


def _directions(x: Tensor) -> float:
    """(tr S)² / tr S², how many directions of equal spread would be as many, 0 without spread."""
    covariance = torch.atleast_2d(torch.cov(x.T))
    return float(covariance.trace().square() / covariance.square().sum().clamp_min(1e-300))


def _eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and vectors of a symmetric matrix that has no negative ones but for rounding."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return values.clamp_min(0), vectors


def _inverse_root(values: Tensor) -> Tensor:
    """1 / √ of what is not 0."""
    least = ZERO * values.max()
    return torch.where(values > least, values.clamp_min(least).rsqrt(), 0.0)
