"""What an observation sees of a clean sample: linear maps of images (..., C, H, W), each with a name for the user."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Operator = Callable[[Tensor], Tensor]
"""x_0 (B, *shape) -> what would be observed of it without noise, (B, ...); differentiable, and linear unless said."""


def kept(mask: Tensor) -> Operator:
    """The pixels where `mask`, (H, W) or broadcastable to (C, H, W), is True; 0 elsewhere.

    >>> kept(torch.tensor([[True, False]]))(torch.ones(1, 1, 1, 2))
    tensor([[[[1., 0.]]]])
    """
    return lambda x: x * mask.to(x)


def shrunk(factor: int) -> Operator:
    """The means of squares of factor x factor pixels, as a camera with larger pixels sees them.

    Raises ValueError, when called, for sides that are no multiples of `factor`.

    >>> shrunk(2)(torch.arange(4.0).reshape(1, 1, 2, 2))
    tensor([[[[1.5000]]]])
    """

    def shrink(x: Tensor) -> Tensor:
        if x.shape[-1] % factor or x.shape[-2] % factor:
            raise ValueError(f"sides of {x.shape[-2]}x{x.shape[-1]} are no multiples of {factor}")
        return F.avg_pool2d(x, factor)

    return shrink


def blurred(std: float) -> Operator:
    """Convolution with a Gaussian of `std` pixels cut at three of them; the border is mirrored.

    >>> bool(torch.allclose(blurred(1.0)(torch.ones(1, 1, 8, 8)), torch.ones(1, 1, 8, 8)))
    True
    """
    if std <= 0:
        raise ValueError(f"the standard deviation of a blur must be positive, got {std}")
    reach = max(1, round(3 * std))
    row = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).double() / std) ** 2)
    row = row / row.sum()

    def blur(x: Tensor) -> Tensor:
        channels = x.shape[-3]
        # Pixel by pixel: a reach beyond the picture is mirrored as often as it takes.
        rows, columns = (_mirrored(side, reach, x.device) for side in x.shape[-2:])
        wide = x[..., rows, :][..., columns]
        across = row.to(x).expand(channels, 1, 1, -1)
        return F.conv2d(F.conv2d(wide, across, groups=channels), across.mT, groups=channels)

    return blur


def _mirrored(side: int, reach: int, device: torch.device) -> Tensor:
    """The pixel that stands at −reach ... side + reach − 1 where the border is a mirror between pixels."""
    at = torch.arange(-reach, side + reach, device=device) % (2 * side)
    return torch.where(at < side, at, 2 * side - 1 - at)
