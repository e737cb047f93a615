"""What is known of the clean sample given a noisy one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from fromnoise.process.levels import Level


class Denoised(NamedTuple):
    """What is known of x_0 given x_t: its mean and, elementwise, its variance (None is a point mass).

    >>> import torch
    >>> Denoised(torch.zeros(2)).var is None
    True
    """

    mean: Tensor
    var: Tensor | None = None


Denoiser = Callable[[Tensor, Level], Denoised]
"""A network, a guided network, or an exact law: (x_t, level) -> Denoised."""


def clipped(denoise: Denoiser, low: float = -1.0, high: float = 1.0) -> Denoiser:
    """The same denoiser, its mean kept within [low, high], where the data are known to lie.

    >>> import torch
    >>> wild = lambda x, n: Denoised(5 * x)
    >>> clipped(wild)(torch.ones(1), None).mean
    tensor([1.])
    """

    def inside(x: Tensor, n: Level) -> Denoised:
        denoised = denoise(x, n)
        return denoised._replace(mean=denoised.mean.clamp(low, high))

    return inside
