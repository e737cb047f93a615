"""The compiled weight gradient of a convolution is PyTorch's in float32, to float32's own rounding."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fromnoise.networks.native import convolve, tiles

info = Path("/proc/cpuinfo")
amx = info.exists() and "amx_bf16" in info.read_text() and bool(shutil.which("cc") or shutil.which("gcc"))
needs_tiles = pytest.mark.skipif(not amx, reason="there are no AMX tiles or no C compiler here")
LAST = torch.channels_last


def gap(a: Tensor, b: Tensor) -> float:
    a, b = a.detach(), b.detach()
    return float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-12))


def case(n: int, inputs: int, channels: int, side: int, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, weight, bias and the gradient of y, of numbers that bfloat16 holds."""
    torch.manual_seed(0)
    x = torch.randn(n, inputs, *size).bfloat16().float().contiguous(memory_format=LAST).requires_grad_()
    weight = torch.randn(channels, inputs, side, side).bfloat16().float().requires_grad_()
    bias = torch.randn(channels).bfloat16().float().requires_grad_()
    return x, weight, bias, torch.randn(n, channels, *size).bfloat16().float()


def found(x: Tensor, weight: Tensor, bias: Tensor, up: Tensor) -> list[Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        y = convolve(x, weight, bias, 1, weight.shape[-1] // 2)
    assert y.dtype == torch.bfloat16
    return [y, *torch.autograd.grad(y, (x, weight, bias), up.to(y.dtype))]


@needs_tiles
def test_there_are_tiles() -> None:
    assert tiles()


@needs_tiles
def test_where_memory_is_short_pytorch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias, up = case(3, 8, 8, 3, (6, 6))
    ours = found(x, weight, bias, up)
    monkeypatch.setattr("fromnoise.networks.native.convolution.weight_gradient", lambda *parts: None)
    assert all(gap(one, other) < 1e-2 for one, other in zip(ours, found(x, weight, bias, up), strict=True))


@needs_tiles
@given(
    n=st.integers(1, 9), inputs=st.integers(1, 70), channels=st.integers(1, 70), side=st.sampled_from([1, 3]),
    size=st.tuples(*[st.integers(1, 12)] * 2), threads=st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_gradients(n: int, inputs: int, channels: int, side: int, size: tuple[int, int], threads: int) -> None:
    x, weight, bias, up = case(n, inputs, channels, side, size)
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=side // 2)
    true = [exact, *torch.autograd.grad(exact, (x, weight, bias), up.double())]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        y, dx, dweight, dbias = found(x, weight, bias, up)
    finally:
        torch.set_num_threads(before)
    assert gap(y, true[0]) < 1e-2
    assert gap(dx, true[1]) < 1e-2
    # Summed in float32: beside the size of what is added up, for sums may all but cancel.
    added = torch.autograd.grad(F.conv2d(x.abs(), weight, bias, padding=side // 2), (weight, bias), up.abs())
    for one, other, size_of in zip((dweight, dbias), true[2:], added, strict=True):
        assert one.dtype == torch.float32
        assert float((one - other).norm()) < 1e-6 * float(size_of.norm())


@needs_tiles
@pytest.mark.parametrize("size", [(64, 64), (1, 300), (32, 32)])
def test_pictures_that_do_not_fit_into_the_cache_at_once(size: tuple[int, int]) -> None:
    x, weight, bias, up = case(5, 96, 160, 3, size)
    exact = F.conv2d(x, weight, bias, padding=1)
    true = torch.autograd.grad(exact, (weight, bias), up)
    for one, other in zip(found(x, weight, bias, up)[2:], true, strict=True):
        assert gap(one, other) < 1e-5


@needs_tiles
def test_not_a_number_and_infinity_are_not_hidden() -> None:
    x, weight, bias, up = case(2, 8, 8, 3, (6, 6))
    with torch.no_grad():
        x[1, 3, 2, 2] = float("nan")
    dweight = found(x, weight, bias, up)[2]
    assert bool(dweight[:, 3].isnan().all())
    assert bool(dweight[:, :3].isfinite().all())
    up[0, 5, 1, 1] = float("inf")
    assert not bool(found(x, weight, bias, up)[3][5].isfinite())


@needs_tiles
def test_gradients_of_gradients() -> None:
    x, weight, bias, up = case(2, 8, 8, 3, (6, 6))

    def second(f: Any) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            y = f(x, weight, bias)
        (dweight,) = torch.autograd.grad((y.float().square() * up).sum(), weight, create_graph=True)
        return torch.autograd.grad(dweight.square().sum(), x)[0]

    ours = second(lambda *parts: convolve(*parts, 1, 1))
    assert gap(ours, second(lambda *parts: F.conv2d(*parts, padding=1))) < 2e-2


@pytest.mark.parametrize("stride", [1, 2])
def test_elsewhere_it_is_pytorchs_own(stride: int) -> None:
    x, weight, bias, _ = case(2, 8, 8, 3, (6, 6))
    assert torch.equal(convolve(x, weight, bias, stride, 1), F.conv2d(x, weight, bias, stride, 1))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert torch.equal(convolve(x, weight, bias, stride, 1), F.conv2d(x, weight, bias, stride, 1))


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16])
def test_transforms_and_other_types_pass_through(low: torch.dtype) -> None:
    x, weight, bias, _ = case(2, 8, 8, 3, (6, 6))

    def loss(weight: Tensor) -> Tensor:
        with torch.autocast("cpu", low):
            return convolve(x.detach(), weight, bias.detach(), 1, 1).float().square().sum()

    transformed = torch.func.grad(loss)(weight.detach())
    (plain,) = torch.autograd.grad(loss(weight), weight)
    assert gap(transformed, plain) < 2e-2


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (9, 1), (64, 1), (9, 2), (64, 2), (2, 2), (64, 3), (1, 64), (2, 64)])
@pytest.mark.parametrize("cast", [True, False])
def test_narrow_pictures_made_half_as_large(size: tuple[int, int], cast: bool) -> None:
    """oneDNN reads beside them in bfloat16: numbers of 1e18, or none."""
    torch.manual_seed(0)
    x = torch.randn(3, 16, *size).bfloat16().float().contiguous(memory_format=LAST).requires_grad_()
    weight = (torch.randn(16, 16, 3, 3) / 12).bfloat16().float().requires_grad_()
    bias = torch.randn(16).bfloat16().float().requires_grad_()
    exact = F.conv2d(x, weight, bias, 2, 1)
    up = torch.randn_like(exact).bfloat16().float()
    with torch.autocast("cpu", torch.bfloat16, enabled=cast):
        parts = (x, weight, bias) if cast else (x.bfloat16(), weight.bfloat16(), bias.bfloat16())
        y = convolve(*parts, 2, 1)
    assert y.dtype == torch.bfloat16
    ours = [y, *torch.autograd.grad(y, (x, weight, bias), up.bfloat16())]
    with torch.autocast("cpu", torch.bfloat16):  # which leaves doubles alone
        assert convolve(x.double(), weight.double(), bias.double(), 2, 1).dtype == torch.float64
    theirs = [exact, *torch.autograd.grad(exact, (x, weight, bias), up)]
    assert all(gap(one, other) < 2e-2 for one, other in zip(ours, theirs, strict=True))
