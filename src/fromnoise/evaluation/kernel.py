"""Kernel distances: KID, MMD and the energy distance are one formula with three kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fromnoise.evaluation.estimate import Estimate, normal

ROWS = 1000
"""Of a kernel's matrix at once: memory does not grow with the square of the sets."""
Kernel = Callable[[Tensor, Tensor], Tensor]
"""(n, d), (m, d) -> (n, m), symmetric."""


def polynomial(a: Tensor, b: Tensor) -> Tensor:
    """(a·b / d + 1)³, the kernel of KID (Bińkowski et al. 2018).

    >>> polynomial(torch.ones(1, 2), torch.ones(1, 2))
    tensor([[8.]])
    """
    return (a @ b.T / a.shape[1] + 1) ** 3


def gaussian(a: Tensor, b: Tensor, width: float) -> Tensor:
    """exp(-|a - b|² / 2 width²).

    >>> gaussian(torch.zeros(1, 1), torch.zeros(1, 1), 1.0)
    tensor([[1.]])
    """
    return torch.exp(-torch.cdist(a, b).square() / (2 * width**2))


def apart(a: Tensor, b: Tensor) -> Tensor:
    """-|a - b|, the kernel of the energy distance 2 E|a - b| - E|a - a'| - E|b - b'| (Székely & Rizzo 2013).

    >>> apart(torch.zeros(1, 1), torch.ones(1, 1))
    tensor([[-1.]])
    """
    return -torch.cdist(a, b)


def mmd(a: Tensor, b: Tensor, kernel: Kernel, level: float = 0.95) -> Estimate:
    """E k(a, a') + E k(b, b') - 2 E k(a, b) of sets (n, d), (m, d), without bias (Gretton et al. 2012), in float64.

    It may be negative where the laws are alike. The interval is that of the jackknife, which row sums give exactly: no
    subsets are drawn. Where the laws are equal it is too wide by about a factor of √2. Raises ValueError for other
    shapes, or fewer than 3 rows.

    >>> a, b = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0))
    >>> near, far = mmd(a, b, apart), mmd(a, b + 3, apart)
    >>> near.low < 0 < near.high < far.low
    True
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 3:
        raise ValueError(f"two sets of at least 3 rows are compared, (n, d) and (m, d), not {a.shape}, {b.shape}")
    a, b = a.double(), b.double()
    inner = [_row_sums(x, x, kernel) - _diagonal(x, kernel) for x in (a, b)]
    across = [_row_sums(a, b, kernel), _row_sums(b, a, kernel)]
    pairs, between = len(a) * len(b), float(across[0].sum())
    value, var = -2 * between / pairs, 0.0
    for own, other in zip(inner, across, strict=True):
        n, total = len(own), own.sum()
        value += float(total) / (n * (n - 1))
        without = (total - 2 * own) / ((n - 1) * (n - 2)) - 2 * (between - other) / (pairs - pairs // n)
        var += float((n - 1) * without.var(correction=0))
    return normal(value, math.sqrt(var), level)


def kid(a: Tensor, b: Tensor, level: float = 0.95) -> Estimate:
    """The kernel distance of features with the polynomial kernel; of Inception's features the KID.

    The whole sets are compared at once, where other programs average over subsets. Raises ValueError as `mmd`.

    >>> a = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
    >>> kid(a, 2 * a).low > 0
    True
    """
    return mmd(a, b, polynomial, level)


def energy_distance(a: Tensor, b: Tensor, level: float = 0.95) -> Estimate:
    """2 E|a - b| - E|a - a'| - E|b - b'|, without bias: 0 for equal laws alone. Raises ValueError as `mmd`.

    >>> energy_distance(torch.tensor([[0.0], [0.0], [0.0]]), torch.tensor([[1.0], [1.0], [1.0]])).value
    2.0
    """
    return mmd(a, b, apart, level)


def median_width(a: Tensor, most: int = 1000) -> float:
    """The median distance between rows of a (n, d), of the first `most`: a usual width of the Gaussian kernel.

    >>> median_width(torch.tensor([[0.0], [1.0], [2.0]]))
    1.0
    """
    return float(torch.pdist(a[:most].double()).median())


def gaussian_mmd(a: Tensor, b: Tensor, level: float = 0.95) -> Estimate:
    """`mmd` with the Gaussian kernel, its width the median distance among b, the data.

    >>> a = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    >>> gaussian_mmd(a + 2, a).low > 0
    True
    """
    return mmd(a, b, partial(gaussian, width=median_width(b)), level)


def _row_sums(a: Tensor, b: Tensor, kernel: Kernel) -> Tensor:
    return torch.cat([kernel(part, b).sum(1) for part in a.split(ROWS)])


def _diagonal(a: Tensor, kernel: Kernel) -> Tensor:
    return torch.cat([kernel(part, part).diagonal() for part in a.split(ROWS)])
