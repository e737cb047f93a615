"""What a model can be given of a picture to draw others like it in that: its edges, its mask, a sketch of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

FAINT = 0.25
"""The slope, in units of black to white within two pixels, from which on a line is an edge."""


def brightness(x: Tensor) -> Tensor:
    """How bright pictures (n, C, H, W) in [-1, 1] are, (n, 1, H, W) in [0, 1]; of colours by what an eye sees.

    Of four channels the last is opacity, and what is transparent is white.

    >>> float(brightness(torch.ones(1, 3, 1, 1)))
    1.0
    """
    if x.shape[1] == 4:
        return 1 - x[:, 3:].clamp(-1, 1).add(1).div(2) * (1 - brightness(x[:, :3]))
    weights = [0.299, 0.587, 0.114] if x.shape[1] == 3 else [1 / x.shape[1]] * x.shape[1]
    return (x.clamp(-1, 1) * x.new_tensor(weights)[:, None, None]).sum(1, keepdim=True).add(1).div(2).clamp(0, 1)


def edges(x: Tensor) -> Tensor:
    """Thin lines where brightness changes, (n, C, H, W) in [-1, 1] -> (n, 1, H, W) of 0 and 1 (Canny 1986).

    The slope is Sobel's; a pixel is of an edge where it is at least `FAINT` and no smaller than at both neighbours
    across the edge.

    >>> x = -torch.ones(1, 1, 5, 8)
    >>> x[..., 4:] = 1
    >>> edges(x)[0, 0, 2].tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    light = F.pad(brightness(x), (1, 1, 1, 1), mode="replicate")
    kernel = light.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
    across, down = F.conv2d(light, torch.stack([kernel, kernel.T])[:, None]).split(1, 1)
    slope = (across**2 + down**2).sqrt()
    # The direction of the slope to the nearest of four: 0 across, 1 down to the right, 2 down, 3 down to the left.
    direction = (torch.atan2(down, across) * 4 / math.pi).round().long() % 4
    around = F.pad(slope, (1, 1, 1, 1))
    height, width = slope.shape[-2:]
    steps = torch.tensor([[0, 1], [1, 1], [1, 0], [1, -1]]).tolist()

    def beside(sign: int) -> Tensor:
        moved = [
            around[..., 1 + sign * a : 1 + sign * a + height, 1 + sign * b : 1 + sign * b + width] for a, b in steps
        ]
        return torch.cat(moved, 1).gather(1, direction)

    # A wide edge has two largest pixels: rounding must not choose between them.
    largest = (slope >= beside(1) - 1e-4) & (slope >= beside(-1) - 1e-4)
    return (largest & (slope >= FAINT)).to(x.dtype)


def mask(x: Tensor) -> Tensor:
    """Where a picture is brighter than half between its darkest and brightest, (n, C, H, W) -> (n, 1, H, W) of 0 and 1.

    >>> mask(torch.tensor([[[[-1.0, 0.2, 0.9]]]])).flatten().tolist()
    [0.0, 1.0, 1.0]
    """
    light = brightness(x)
    return (light > (light.amin((2, 3), keepdim=True) + light.amax((2, 3), keepdim=True)) / 2).to(x.dtype)


def sketch(x: Tensor) -> Tensor:
    """Edges as of a soft pencil, which say only about where they are: (n, C, H, W) -> (n, 1, H, W) in [0, 1].

    >>> sketch(torch.zeros(1, 1, 4, 4)).abs().max().item()
    0.0
    """
    return soften(edges(x))


def soften(lines: Tensor) -> Tensor:
    """Lines (n, 1, H, W) of 0 and 1 as of a soft pencil.

    >>> soften(torch.ones(1, 1, 1, 1)).item()
    0.1111111119389534
    """
    return F.avg_pool2d(F.pad(F.max_pool2d(lines, 3, 1, 1), (1, 1, 1, 1)), 3, 1)


CONDITIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"edges": edges, "mask": mask, "sketch": sketch}
"""By the name that process.condition gives: pictures (n, C, H, W) in [-1, 1] -> what is given, (n, 1, H, W)."""
