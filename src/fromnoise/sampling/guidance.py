"""Guidance maps a denoiser to a denoiser."""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.process import Denoised, Denoiser, Level


def extrapolate(base: Denoiser, towards: Denoiser, weight: float) -> Denoiser:
    """D_0 + weight (D_1 − D_0): 0 is the base, 1 is `towards`, more goes past it.

    With an unconditional base it is classifier-free guidance (Ho & Salimans 2022, whose w is weight − 1);
    the variance is that of `towards`. At weights 0 and 1 only one denoiser is called.

    >>> zero, one = (lambda x, n: Denoised(0 * x)), (lambda x, n: Denoised(0 * x + 1))
    >>> extrapolate(zero, one, 3.0)(torch.zeros(2), None).mean
    tensor([3., 3.])
    """
    if weight == 1:
        return towards
    if weight == 0:
        return base

    def guided(x: Tensor, n: Level) -> Denoised:
        end = towards(x, n)
        return end._replace(mean=torch.lerp(base(x, n).mean, end.mean, weight))

    return guided
