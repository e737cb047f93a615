"""Which precision is the fast one on this machine: measured, not guessed from names."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from fromnoise.errors import UserError

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("auto", "fp32", *TYPES)
GAIN = 1.3
"""bfloat16 is chosen where it makes convolutions faster by this: below it the rest of a step eats the gain."""


def chosen(precision: str, kind: str, device: torch.device) -> str:
    """The precision itself, or for "auto" what suits data of this kind on this device.

    Images and fields go through convolutions: bf16 where these are faster by `GAIN` in it. Points and tables go through
    small matrices, where there is nothing to gain: fp32. Raises UserError for another word.

    >>> chosen("auto", "points", torch.device("cpu")), chosen("bf16", "points", torch.device("cpu"))
    ('fp32', 'bf16')
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision is {', '.join(PRECISIONS)}, not {precision!r}")
    if precision != "auto":
        return precision
    if kind == "points":
        return "fp32"
    return "bf16" if convolution_rate("bf16", device) > GAIN * convolution_rate("fp32", device) else "fp32"


@functools.cache
def convolution_rate(precision: str, device: torch.device) -> float:
    """TFLOP/s of a 3x3 convolution of 64 channels, channels-last, forward and backward; measured once a process.

    >>> convolution_rate("fp32", torch.device("cpu")) > 0
    True
    """
    x = torch.randn(16, 64, 16, 16, device=device).to(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, device=device) / 24
    x, weight = (part.to(TYPES.get(precision, torch.float32)).requires_grad_() for part in (x, weight))
    up = torch.ones_like(x)

    def call() -> None:
        torch.autograd.grad(F.conv2d(x, weight, padding=1), (x, weight), up)

    return 3 * 2 * 16 * 16 * 16 * 64 * 64 * 9 / seconds(call, device) / 1e12


def seconds(call: Callable[[], Any], device: torch.device) -> float:
    """The shortest of ten calls after two to warm up: what else the machine does only makes them longer."""
    times = []
    for _ in range(12):
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return min(times[2:])


def casting(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The context in which a network runs in this precision ("auto" is not one).

    >>> with casting("bf16", torch.device("cpu")):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, TYPES[precision])
