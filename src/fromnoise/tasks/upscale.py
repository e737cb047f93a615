"""Large pictures from small ones, by a model that was trained for it (SR3, Saharia et al. 2021; K Figure 5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.small import given_small
from fromnoise.sampling import Streams
from fromnoise.tasks.restore import APART
from fromnoise.tasks.told import weight_for


def upscaled(
    model: Model, small: Tensor, n: int | None = None, *, noise: float = 0.0, seed: int = 0, **how: Any
) -> Tensor:
    """n large pictures, (n, *shape) in [-1, 1], of small ones (m, C, h, w): the i-th of small picture i % m.

    The model was trained with process.small = factor. n is m unless given. `noise` is added to the small ones first, at
    most the process.small_noise of training: it forgives what is wrong with them. `how` are other arguments of
    `Model.sample`; without a label no class is told. Raises UserError for a model that was not trained for it, and for
    small pictures of another size.

    >>> import fromnoise as fn
    >>> try:
    ...     upscaled(fn.load("mnist"), torch.zeros(1, 1, 14, 14))
    ... except fn.UserError as error:
    ...     print(str(error).split(":")[0])
    this model was not trained to make small pictures large
    """
    factor, (channels, height, width) = model.config.process.small, model.facts.shape
    if not factor:
        raise UserError("this model was not trained to make small pictures large: train with --process.small 4")
    wanted = (channels, height // factor, width // factor)
    if tuple(small.shape[1:]) != wanted or not len(small):
        raise UserError(f"small pictures have shape {wanted} here, got {tuple(small.shape[1:])}")
    if not 0 <= noise <= model.config.process.small_noise:
        raise UserError(f"noise lies from 0 to {model.config.process.small_noise:g} for this model, got {noise:g}")
    n = n or len(small)
    how |= {"weight": weight_for(model, how.get("label"), how.get("weight"))}
    rows = small.float()[torch.arange(n) % len(small)]
    z = Streams(seed, 0, n, draw=APART)(rows)
    return model.sample(n, seed=seed, given=given_small(rows, factor, torch.full((n,), noise), z), **how)
