"""Measurements with noise of known size: what they are most likely of, and draws of what they may be of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.asked import Label
from fromnoise.process import Level, at
from fromnoise.sampling import path
from fromnoise.tasks.told import check_levels, weight_for


def level_of(model: Model, std: float) -> Level:
    """The level whose noise over signal is `std`: y = x_0 + std z is x_t / alpha_t there.

    Raises UserError for a std that is not positive, or beyond the schedule's noisiest level.

    >>> import fromnoise as fn
    >>> round(float(level_of(fn.load("swissroll"), 0.5).nu), 6)
    0.5
    """
    if not std > 0:
        raise UserError(f"the standard deviation of the noise must be positive, got {std:g}")
    lam = -torch.tensor(std, dtype=torch.float64).log()
    noisiest = at(model.schedule, model.schedule.T)
    if bool(lam < noisiest.lam):
        raise UserError(f"noise of {std:g} is more than this model knows: at most {float(noisiest.nu):.3g}")
    return at(model.schedule, model.schedule.time(lam).clamp(0, model.schedule.T))


def denoised(model: Model, y: Tensor, std: float, *, label: Label = None, precision: str = "fp32") -> Tensor:
    """E[x_0 | y] of y = x_0 + std z in one network call, (n, *shape): the estimate of least squared error.

    y is (n, *shape) and std in the units that the network sees (images in [-1, 1]; `Model.from_own` for others); so is
    the result. Without a label no class is told. Raises UserError as `level_of` does, and where the model knows nothing
    without its class.

    >>> import fromnoise as fn
    >>> denoised(fn.load("swissroll"), torch.zeros(3, 2), 0.1).shape
    torch.Size([3, 2])
    """
    n = level_of(model, std)
    x = n.alpha * y.to(model.device, torch.float32)
    check_levels(model)
    weight_for(model, label)
    labels = None if label is None else model.labels(len(y), label)
    with torch.no_grad():
        return model.guided(labels, 1.0, precision)(x, n).mean


def denoisings(
    model: Model, y: Tensor, std: float, n: int, *, steps: int = 50, seed: int = 0, label: Label = None, **how: Any
) -> Tensor:
    """n draws of p(x_0 | y) of one measurement y = x_0 + std z, (1, *shape): the chain begun at its level.

    y as in `denoised`; the draws, (n, *shape), are in the data's own units. They spread as what y leaves open, so their
    mean is near `denoised`: without guidance, unless `how` says otherwise. The chain (solver "ddpm" unless given) takes
    `steps` from there to the data, even in time; `how` are other arguments of `Model.sample`. Raises UserError as
    `denoised` does.

    >>> import fromnoise as fn
    >>> denoisings(fn.load("swissroll"), torch.zeros(1, 2), 0.1, 5).shape
    torch.Size([5, 2])
    """
    begin = level_of(model, std)
    levels = path(model.schedule, torch.linspace(float(begin.t), 0, steps + 1, dtype=torch.float64).tolist())
    start = (begin.alpha * y.to(model.device, torch.float32)).expand(n, *model.facts.shape)
    check_levels(model)
    weight = weight_for(model, label)
    plain = {"solver": "ddpm", "weight": 1.0 if weight is None else weight}
    return model.sample(n, seed=seed, start=start, path=levels, label=label, **plain | how)
