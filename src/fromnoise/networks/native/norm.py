"""Shift, group normalisation and SiLU as one operation, compiled where it can be and in plain PyTorch elsewhere."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from fromnoise.networks.native.build import library

KERNELS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
PLAIN = (Tensor, nn.Parameter)
"""Tensors that surely have numbers in memory: fake and distributed ones may have none."""


def group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, *, shift: Tensor | None = None, silu: bool = False
) -> Tensor:
    """weight * (h - mean) / sd + bias for each group of channels of h = x + shift, then SiLU if `silu`.

    Wu and He (2018), with 1e-5 added to the variance. On a CPU, with pictures that lie channels-last, the compiled
    kernel does it all in one pass (two backward), in float32 inside; elsewhere PyTorch's own operations do.

    Args:
        x: shape (B, C, H, W), float32 or bfloat16 for the kernel, any float otherwise.
        weight: shape (C,).
        bias: shape (C,).
        groups: a divisor of C.
        shift: shape (B, C), added to every pixel before, or None.
        silu: whether z * sigmoid(z) follows.

    Returns:
        Shape (B, C, H, W), x's type and layout.

    >>> x = torch.randn(2, 8, 4, 4)
    >>> y = group_norm(x, torch.ones(8), torch.zeros(8), 2)
    >>> bool(torch.allclose(y.reshape(2, 2, -1).mean(2), torch.zeros(2, 2), atol=1e-6))
    True
    """
    return forked_group_norm(x, weight, bias, groups, shift=shift, silu=silu)[1]


def forked_group_norm(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, *, shift: Tensor | None = None, silu: bool = False
) -> tuple[Tensor, Tensor]:
    """x itself and its `group_norm`, for a path around what follows: backward both gradients are summed on the way.

    What comes first is not to be changed in place.

    >>> x = torch.randn(2, 8, 4, 4)
    >>> around, y = forked_group_norm(x, torch.ones(8), torch.zeros(8), 2)
    >>> torch.equal(around, x), torch.equal(y, group_norm(x, torch.ones(8), torch.zeros(8), 2))
    (True, True)
    """
    if compiled(x) and _fits(x, weight, bias, groups, shift):
        around, y = _Compiled.apply(x, weight, bias, shift, groups, silu)
        return (around if x.requires_grad else x), y
    return x, _plain(x, weight, bias, shift, groups, silu)


def compiled(x: Tensor) -> bool:
    """Whether the compiled kernel takes x: on the CPU, channels-last, float32 or bfloat16, eager, no transforms.

    >>> compiled(torch.zeros(1, 2, 3, 3, dtype=torch.float64))
    False
    """
    return (
        type(x) in PLAIN
        and x.device.type == "cpu"
        and x.dtype in KERNELS
        and x.numel() > 0
        and not torch.compiler.is_compiling()
        and not transformed()
        and x.is_contiguous(memory_format=torch.channels_last)
        and library() is not None
    )


def _fits(x: Tensor, weight: Tensor, bias: Tensor, groups: int, shift: Tensor | None) -> bool:
    """Whether all shapes are what the kernel reads; PyTorch's own operations broadcast others, or refuse them."""
    channels = x.shape[1]
    whole = weight.shape == bias.shape == (channels,) and groups > 0 and channels % groups == 0
    return whole and (shift is None or shift.shape == x.shape[:2])


def transformed() -> bool:
    """Whether something is at work that sees only PyTorch's own operations.

    torch.func, torch.jit.trace, forward-mode differentiation, or a mode that traces, fakes or counts operations.
    """
    if torch.jit.is_tracing():
        return True
    if torch._C._len_torch_dispatch_stack() or forward_ad._current_level >= 0:
        return True
    return bool(torch._C._functorch.peek_interpreter_stack())


def batched(*gradients: Tensor | None) -> bool:
    """Whether a gradient stands for many at once (`is_grads_batched`), or sees only PyTorch's own operations."""
    legacy = torch._C._functorch.is_legacy_batchedtensor
    return transformed() or any(part is not None and legacy(part) for part in gradients)


def _plain(x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, groups: int, silu: bool) -> Tensor:
    h = x if shift is None else x + shift[:, :, None, None].to(x.dtype)
    if x.device.type == "cpu" or (not torch.compiler.is_compiling() and transformed()):
        h = h.contiguous()  # channels-last is several times slower there on a CPU, and has no forward-mode derivative
    y = F.group_norm(h, groups, weight, bias)
    return F.silu(y) if silu else y


class _Compiled(torch.autograd.Function):
    """The compiled kernel beside x itself, and their gradient."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor | None, groups: int, silu: bool
    ) -> tuple[Tensor, Tensor]:
        y, stats = torch.empty_like(x), _floats(x, len(x), groups, 2)
        exact = [_exact(part) for part in (shift, weight, bias)]
        _call("norm_forward", x, [x, *exact, y, stats], _sizes(x, groups, silu), 1e-5)
        ctx.save_for_backward(x, weight, bias, shift, stats)
        ctx.groups, ctx.silu = groups, silu
        ctx.set_materialize_grads(False)  # x itself may have no gradient
        return x, y

    @staticmethod
    def backward(ctx: Any, beside: Tensor | None, up: Tensor | None) -> tuple[Tensor | None, ...]:
        if up is None:
            return beside, None, None, None, None, None
        x, weight, bias, shift, stats = ctx.saved_tensors
        inputs = [part for part in (x, weight, bias, shift) if part is not None]
        again = torch.is_grad_enabled()  # the gradient is to be differentiated again
        if again or batched(beside, up):
            with torch.enable_grad():
                y = _plain(x, weight, bias, shift, ctx.groups, ctx.silu)
            needed = [part for part in inputs if part.requires_grad]
            found = iter(torch.autograd.grad(y, needed, up, create_graph=again))
            moved = [next(found) if part.requires_grad else None for part in inputs]
            if beside is not None and moved[0] is not None:
                moved[0] = moved[0] + beside
        else:
            up = up.to(x.dtype).contiguous(memory_format=torch.channels_last)
            if beside is not None:
                beside = beside.to(x.dtype).contiguous(memory_format=torch.channels_last)
            dx, sums = torch.empty_like(x), _floats(x, 2, *x.shape[:2])
            exact = [_exact(part) for part in (weight, bias)]
            dshift = None if shift is None else _floats(x, *shift.shape)
            tensors = [x, _exact(shift), up, beside, *exact, stats, dx, dshift, *sums]
            _call("norm_backward", x, tensors, _sizes(x, ctx.groups, ctx.silu))
            moved = [dx, *(of.to(part.dtype) for of, part in zip(sums.sum(1), (weight, bias), strict=True))]
            if shift is not None and dshift is not None:
                moved.append(dshift.to(shift.dtype))
        return (*moved, *[None] * (6 - len(moved)))


def _floats(x: Tensor, *shape: int) -> Tensor:
    """Room for what the kernel writes beside x, whatever types and devices the caller prefers."""
    return torch.empty(*shape, dtype=torch.float32, device=x.device)


def _exact(part: Tensor | None) -> Tensor | None:
    """In float32 and without gaps."""
    if part is None or (part.dtype == torch.float32 and part.is_contiguous()):
        return part
    return part.detach().float().contiguous()


def _sizes(x: Tensor, groups: int, silu: bool) -> tuple[int, ...]:
    n, channels, height, width = x.shape
    return n, height * width, channels, groups, int(silu)


def _call(name: str, x: Tensor, tensors: list[Tensor | None], sizes: tuple[int, ...], *floats: float) -> None:
    kernel = getattr(library(), f"{name}_{KERNELS[x.dtype]}")
    *counts, silu = sizes
    kernel(
        *(ctypes.c_void_p(0 if tensor is None else tensor.data_ptr()) for tensor in tensors),
        *map(ctypes.c_long, counts),
        ctypes.c_int(silu),
        *map(ctypes.c_float, floats),
        ctypes.c_int(torch.get_num_threads()),
    )
