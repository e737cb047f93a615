"""A convolution whose weight gradient is a compiled kernel where there are AMX tiles, and PyTorch's own elsewhere."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fromnoise.networks.native.build import library
from fromnoise.networks.native.norm import PLAIN, batched, transformed

LAST = torch.channels_last


def convolve(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """The convolution of x with `weight`, plus bias, in the type that autocast asks for.

    In bfloat16 on a CPU with AMX tiles, with pictures that lie channels-last, a step of 1 and a kernel of 1 x 1 or
    3 x 3 that keeps the size, the gradients of weight and bias come from the compiled kernel, in float32 and not
    rounded to bfloat16 on the way: the part of a training step that PyTorch does at half the speed of the others.

    Args:
        x: shape (B, C, H, W).
        weight: shape (channels, C, side, side).
        bias: shape (channels,).
        stride: pixels from one place of the kernel to the next.
        padding: rows and columns of zeros around x.

    Returns:
        Shape (B, channels, H', W').

    >>> convolve(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), torch.zeros(1), 1, 1)[0, 0, 1, 1]
    tensor(9.)
    """
    if _fits(x, weight, bias, stride, padding) and tiles():
        return _Compiled.apply(x.bfloat16(), weight, bias)
    if _narrow(x, stride):
        with torch.autocast("cpu", enabled=False):
            exact = F.conv2d(x.float(), weight.float(), bias.float(), stride, padding)
        return exact.bfloat16()
    return F.conv2d(x, weight, bias, stride, padding)


@functools.cache
def tiles() -> bool:
    """Whether the compiled kernels have the weight gradient and the system lets this process use AMX tiles.

    >>> tiles() in (True, False)
    True
    """
    found = library()
    return found is not None and hasattr(found, "amx_allowed") and bool(found.amx_allowed())


def _narrow(x: Tensor, stride: int) -> bool:
    """Whether oneDNN would read beside the numbers: in bfloat16, with a step of 2, of pictures one or two pixels wide.

    Seen in PyTorch 2.13 on processors with AMX: forward where they are higher than 8, backward where they are one
    pixel wide.
    """
    if x.device.type != "cpu" or stride == 1 or x.shape[-1] > 2 or x.dtype == torch.float64:
        return False
    return (torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype) == torch.bfloat16


def _fits(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> bool:
    """Whether a gradient of the weights will be asked for, of what the kernel can do."""
    if not (torch.is_grad_enabled() and weight.requires_grad and x.device.type == "cpu" and x.numel()):
        return False
    if type(x) not in PLAIN or torch.compiler.is_compiling() or transformed():
        return False
    low = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    shape = (weight.shape[0], x.shape[1], 2 * padding + 1, 2 * padding + 1)
    return (
        low
        and weight.dtype == bias.dtype == torch.float32
        and stride == 1
        and padding in (0, 1)
        and weight.shape == shape
        and bias.shape == shape[:1]
        and x.is_contiguous(memory_format=LAST)
    )


class _Compiled(torch.autograd.Function):
    """PyTorch's convolution and input gradient, and the compiled kernel's gradients of weight and bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        low = weight.to(x.dtype)
        ctx.save_for_backward(x, weight, bias, low)
        return torch.ops.aten.convolution(x, low, bias.to(x.dtype), *_settings(weight))

    @staticmethod
    def backward(ctx: Any, up: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, low = ctx.saved_tensors
        again = torch.is_grad_enabled()  # the gradient is to be differentiated again
        if again or batched(up):
            with torch.enable_grad():
                y = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=weight.shape[-1] // 2)
            parts = [part for part, needed in zip((x, weight, bias), ctx.needs_input_grad, strict=True) if needed]
            found = iter(torch.autograd.grad(y, parts, up, create_graph=again))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        up = up.to(x.dtype).contiguous(memory_format=LAST)
        ours = weight_gradient(x, up, weight.shape[-1])
        asked = [ctx.needs_input_grad[0], *[ours is None] * 2]
        dx, dweight, dbias = torch.ops.aten.convolution_backward(
            up, x, low, list(bias.shape), *_settings(weight), asked
        )
        return (dx, dweight.float(), dbias.float()) if ours is None else (dx, *ours)


def _settings(weight: Tensor) -> tuple[Any, ...]:
    """Stride, padding, dilation and what else PyTorch's operation takes."""
    padding = weight.shape[-1] // 2
    return [1, 1], [padding, padding], [1, 1], False, [0, 0], 1


def weight_gradient(x: Tensor, up: Tensor, side: int) -> tuple[Tensor, Tensor] | None:
    """The gradients of weight (channels, C, side, side) and bias (channels,), float32, by the compiled kernel.

    x (B, C, H, W) and up (B, channels, H, W) are bfloat16 and lie channels-last; `tiles()` must be True. None where
    there is no memory for it: each thread has sums of its own.
    """
    dweight = torch.empty(up.shape[1], x.shape[1], side, side, dtype=torch.float32, device=x.device)
    dbias = torch.empty(up.shape[1], dtype=torch.float32, device=x.device)
    n, inputs, height, width = x.shape
    found = library()
    assert found is not None
    assert tiles()  # without the system's leave the kernel would end the process
    failed = found.weight_gradient(
        *(ctypes.c_void_p(part.data_ptr()) for part in (x, up, dweight, dbias)),
        *map(ctypes.c_long, (n, height, width, inputs, up.shape[1], side)),
        ctypes.c_int(torch.get_num_threads()),
    )
    return None if failed else (dweight, dbias)
