"""What a model of super-resolution draws its pictures given: small ones made large, and the noise that they have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fromnoise.model.config import Facts, Process


def given_shape(process: Process, facts: Facts) -> tuple[int, ...]:
    """The shape of what one picture is drawn given: the channels of the small one, and one for its noise; or a drawing.

    >>> given_shape(Process(small=4), Facts("images", (3, 32, 32), 1))
    (4, 32, 32)
    """
    if process.condition:
        return (1, *facts.shape[1:])
    return (facts.shape[0] + 1, *facts.shape[1:]) if process.small else facts.given


def given_small(small: Tensor, factor: int, std: Tensor, z: Tensor) -> Tensor:
    """Small pictures (n, C, h, w) in [-1, 1] as a network is given them, (n, C + 1, h · factor, w · factor).

    Noise std z is added first, std (n,), z like the pictures: a network that has seen small pictures of all noises, and
    is told of which, bears those of another network (noise-conditioning augmentation, Ho et al. 2022). They are made
    large by bicubic interpolation, as in SR3 (Saharia et al. 2021); the last channel is std everywhere.

    >>> given_small(torch.zeros(2, 1, 4, 4), 2, torch.zeros(2), torch.zeros(2, 1, 4, 4)).shape
    torch.Size([2, 2, 8, 8])
    """
    column = std.reshape(-1, 1, 1, 1).to(small)
    large = F.interpolate(small + column * z, scale_factor=factor, mode="bicubic", align_corners=False)
    return torch.cat([large, column.expand(-1, 1, *large.shape[-2:])], 1)
