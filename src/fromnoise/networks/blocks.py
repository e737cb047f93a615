"""The parts of the U-Net: normalisation, residual block, attention, and the way down and up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.networks.native import batched, compiled, convolve, forked_group_norm, group_norm, library, transformed


def divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is not above `most` (1 if `most` is below 1).

    >>> divisor(48, 32), divisor(7, 4)
    (24, 1)
    """
    return next((d for d in range(min(number, most), 0, -1) if number % d == 0), 1)


class Norm(nn.GroupNorm):
    """Group normalisation with as many groups as fit: up to `groups`, of at least four channels each.

    A group of one channel would erase all it holds when the picture has shrunk to one pixel.

    Shapes: h (B, channels, H, W), shift (B, channels) or None -> (B, channels, H, W).

    >>> Norm(128, 32).num_groups, Norm(48, 32).num_groups, Norm(3, 32).num_groups
    (32, 12, 1)
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__(divisor(channels, min(groups, channels // 4)), channels)

    def forward(self, h: Tensor, *, shift: Tensor | None = None, silu: bool = False) -> Tensor:
        """Shift, normalise, and SiLU if asked: (B, C, H, W) -> (B, C, H, W)."""
        return group_norm(h, self.weight, self.bias, self.num_groups, shift=shift, silu=silu)

    def fork(self, h: Tensor, *, silu: bool = False) -> tuple[Tensor, Tensor]:
        """h for the path around what follows, and h normalised: (B, C, H, W) each."""
        return forked_group_norm(h, self.weight, self.bias, self.num_groups, silu=silu)


class Convolution(nn.Conv2d):
    """A convolution that keeps the size, or halves it with a step of 2; its kernel is 1 x 1 or 3 x 3.

    Shapes: (B, inputs, H, W) -> (B, channels, ceil(H / step), ceil(W / step)).

    >>> Convolution(2, 4)(torch.zeros(1, 2, 5, 5)).shape, Convolution(2, 4, step=2)(torch.zeros(1, 2, 5, 5)).shape
    (torch.Size([1, 4, 5, 5]), torch.Size([1, 4, 3, 3]))
    """

    def __init__(self, inputs: int, channels: int, *, side: int = 3, step: int = 1) -> None:
        super().__init__(inputs, channels, side, stride=step, padding=side // 2)

    def forward(self, h: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, channels, ceil(H / step), ceil(W / step))."""
        assert self.bias is not None
        return convolve(h, self.weight, self.bias, self.stride[0], self.kernel_size[0] // 2)


def layout(x: Tensor) -> torch.memory_format:
    """How pictures should lie on x's device: channels-last, unless that is the slow way there.

    On a CPU it is the fast way for convolutions, and four times the slower for PyTorch's own group normalisation.
    torch.func knows no other layout than PyTorch's own.

    >>> layout(torch.zeros(1)) in (torch.channels_last, torch.contiguous_format)
    True
    """
    if torch.compiler.is_compiling():
        slow = x.device.type == "cpu"
    else:
        slow = transformed() or (x.device.type == "cpu" and library() is None)
    return torch.contiguous_format if slow else torch.channels_last


class Residual(nn.Module):
    """Norm, SiLU, convolution, plus the condition; norm, SiLU, dropout, convolution; plus the input.

    The second convolution starts at zero, so that the block starts as its shortcut (Ho et al. 2020).

    Shapes: h (B, inputs, H, W), condition (B, dim) -> (B, channels, H, W).

    >>> Residual(8, 16, 32)(torch.randn(2, 8, 5, 7), torch.randn(2, 32)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, inputs: int, channels: int, dim: int, *, dropout: float = 0.0, groups: int = 32) -> None:
        super().__init__()
        self.first_norm, self.second_norm = Norm(inputs, groups), Norm(channels, groups)
        self.first = Convolution(inputs, channels)
        self.second = Convolution(channels, channels)
        self.steer = nn.Linear(dim, channels)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = Convolution(inputs, channels, side=1) if inputs != channels else nn.Identity()

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """(B, inputs, H, W), (B, dim) -> (B, channels, H, W)."""
        h, inner = self.first_norm.fork(h, silu=True)
        inner = self.first(inner)
        inner = self.second_norm(inner, shift=self.steer(condition), silu=True)
        return self.shortcut(h) + self.second(self.dropout(inner))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(width)) v for each head, all of shape (B, heads, N, width).

    The gradient of its gradient is not in PyTorch's fused kernel: for that, call the network within
    `torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)`.

    >>> x = torch.randn(1, 2, 3, 4)
    >>> torch.allclose(attend(x, 0 * x, x), x.mean(2, keepdim=True).expand_as(x), atol=1e-6)
    True
    """
    # On the CPU the fused kernel is up to twice as fast in float32, and two to four times slower backward in
    # half precision.
    if q.device.type != "cpu" or q.dtype.itemsize > 2:
        return F.scaled_dot_product_attention(q, k, v)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    return torch.softmax(scores, dim=-1) @ v


def everywhere(linear: nn.Linear, h: Tensor) -> Tensor:
    """A linear map of the channels of every pixel, as a convolution of one pixel: (B, C, H, W) -> (B, D, H, W).

    >>> everywhere(nn.Linear(2, 3), torch.zeros(1, 2, 4, 5)).shape
    torch.Size([1, 3, 4, 5])
    """
    return convolve(h, linear.weight[:, :, None, None], linear.bias, 1, 0)


class Attention(nn.Module):
    """Every pixel looks at every other: h + projection(attention(norm(h))).

    The projection starts at zero. Heads are at least `head_width` channels wide: as many as divide evenly.

    Shapes: (B, C, H, W) -> (B, C, H, W).

    >>> Attention(16, head_width=8)(torch.randn(2, 16, 5, 7)).shape
    torch.Size([2, 16, 5, 7])
    """

    def __init__(self, channels: int, *, head_width: int = 64, groups: int = 32) -> None:
        super().__init__()
        self.heads = divisor(channels, channels // head_width)
        self.norm = Norm(channels, groups)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, h: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        batch, channels, *size = h.shape
        h, normal = self.norm.fork(h)
        pixels = everywhere(self.qkv, normal).permute(0, 2, 3, 1)
        q, k, v = pixels.reshape(batch, size[0] * size[1], 3, self.heads, channels // self.heads).permute(2, 0, 3, 1, 4)
        seen = attend(q, k, v).transpose(1, 2).reshape(batch, *size, channels)
        return h + everywhere(self.out, seen.permute(0, 3, 1, 2))


def beside(h: Tensor, left: Tensor) -> Tensor:
    """The channels of both: (B, C, H, W), (B, D, H, W) -> (B, C + D, H, W)."""
    return _Beside.apply(h, left) if compiled(h) else torch.cat([h, left], dim=1)


class _Beside(torch.autograd.Function):
    """Each part's gradient comes back in one piece, where autograd's own would be a view that all who use it copy."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, left: Tensor) -> Tensor:
        ctx.channels = h.shape[1], left.shape[1]
        return torch.cat([h, left], dim=1)

    @staticmethod
    def backward(ctx: Any, up: Tensor) -> tuple[Tensor, ...]:
        parts = up.split(ctx.channels, dim=1)
        return parts if batched(up) else tuple(part.contiguous(memory_format=torch.channels_last) for part in parts)


class Stage(nn.Module):
    """A residual block, and attention behind it where there is some.

    Shapes: h (B, inputs, H, W), condition (B, dim) -> (B, channels, H, W).
    """

    def __init__(self, residual: Residual, attention: nn.Module) -> None:
        super().__init__()
        self.residual, self.attention = residual, attention

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """(B, inputs, H, W), (B, dim) -> (B, channels, H, W)."""
        return self.attention(self.residual(h, condition))


class Down(nn.Module):
    """Half the size, rounded up, by a convolution of stride 2: (B, C, H, W) -> (B, C, ceil(H/2), ceil(W/2)).

    >>> Down(4)(torch.randn(1, 4, 7, 1), torch.empty(0)).shape
    torch.Size([1, 4, 4, 1])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Convolution(channels, channels, step=2)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H/2), ceil(W/2)); the condition has no say."""
        return self.conv(h)


class Up(nn.Module):
    """Twice the size by repeating pixels, cut to the size that `Down` came from, and a convolution.

    Shapes: (B, C, ceil(H/2), ceil(W/2)), size (H, W) -> (B, C, H, W).

    >>> Up(4)(torch.randn(1, 4, 4, 1), (7, 1)).shape
    torch.Size([1, 4, 7, 1])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Convolution(channels, channels)

    def forward(self, h: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, C, ceil(H/2), ceil(W/2)) -> (B, C, H, W)."""
        height, width = size
        return self.conv(F.interpolate(h, scale_factor=2.0, mode="nearest")[..., :height, :width])
