"""What is known of the clean sample given a noisy one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.process.levels import Level, Schedule, at


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


def translated(denoise: Denoiser, schedule: Schedule) -> Denoiser:
    """A denoiser of `schedule` on the levels of any other: at equal lam, x_t differs by a factor and x_0 not at all.

    So a model trained as DDPM is sampled as a score SDE, VP, sub-VP or VE, or along the straight path, and each the
    other way (K section II). A level beyond the schedule's noisiest is taken for the noisiest.

    >>> from fromnoise.process import VP, GaussianMixture, linear
    >>> law = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    >>> x, n = torch.ones(1, 1).double(), at(VP(), 0.3)
    >>> bool((translated(law, linear(1000))(x, n).mean - law(x, n).mean).abs() < 1e-12)
    True
    """

    noisiest = at(schedule, schedule.T).lam

    def elsewhere(x: Tensor, n: Level) -> Denoised:
        time = schedule.time(torch.maximum(n.lam.cpu().double(), noisiest)).clamp(0, schedule.T)
        m = at(schedule, time.reshape(-1), x) if n.t.ndim else at(schedule, time)
        return denoise(x * (m.sigma / n.sigma), m)

    return elsewhere
