"""The compiled normalisation gives what PyTorch gives in float64."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fromnoise.networks.blocks import Norm
from fromnoise.networks.native import build, compiled, forked_group_norm, group_norm

# Only a missing compiler excuses: kernels that cannot be built or loaded are a failure.
without = sys.platform != "linux" or not (shutil.which("cc") or shutil.which("gcc"))
needs_kernels = pytest.mark.skipif(without, reason="there is no C compiler here")
LAST = torch.channels_last


def plain(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, *, shift: Tensor | None = None, silu: bool = False
) -> Tensor:
    """What the kernel should give, by PyTorch's own operations in the precision of the arguments."""
    y = F.group_norm(x if shift is None else x + shift[:, :, None, None], groups, weight, bias)
    return F.silu(y) if silu else y


def gap(a: Tensor, b: Tensor) -> float:
    a, b = a.detach(), b.detach()
    return float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-12))


def case(n: int, channels: int, height: int, width: int, dtype: torch.dtype, offset: float = 0.0) -> dict[str, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(n, channels, height, width) * 2 + torch.randn(channels)[:, None, None] + offset
    x = x.to(dtype).contiguous(memory_format=LAST).requires_grad_()
    weight, bias = torch.randn(channels), torch.randn(channels)
    return {
        "x": x, "weight": weight.requires_grad_(), "bias": bias.requires_grad_(),
        "shift": torch.randn(n, channels).requires_grad_(),
    }  # fmt: skip


def ways(parts: dict[str, Tensor], groups: int, silu: bool, shifted: bool) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The output and every gradient: by the kernel, by PyTorch's own operations, and by these in float64."""
    names = ["x", "weight", "bias", *(["shift"] if shifted else [])]
    own = {name: part.detach().to(parts["x"].dtype).requires_grad_() for name, part in parts.items()}
    doubles = {name: part.detach().double().requires_grad_() for name, part in parts.items()}
    up = torch.randn(parts["x"].shape).to(parts["x"].dtype)
    assert compiled(parts["x"])
    found = []
    for way, given_parts in ((group_norm, parts), (plain, own), (plain, doubles)):
        shift = given_parts["shift"] if shifted else None
        y = way(given_parts["x"], given_parts["weight"], given_parts["bias"], groups, shift=shift, silu=silu)
        found.append([y, *torch.autograd.grad(y, [given_parts[name] for name in names], up.to(y.dtype))])
    assert found[0][0].dtype == parts["x"].dtype
    assert found[0][0].is_contiguous(memory_format=LAST)
    return list(zip(*found, strict=True))


def held(parts: dict[str, Tensor], groups: int, silu: bool, shifted: bool) -> tuple[float, float]:
    """The norm of the gradient of x with the mean and the variance of each group held fixed: of what is added up.

    And that of what an ulp of the largest x of a group, which the difference from its mean loses, makes of it.
    """
    torch.manual_seed(1)
    x = parts["x"].detach().double()
    x = (x + parts["shift"].detach().double()[:, :, None, None] if shifted else x).requires_grad_()
    grouped = x.detach().unflatten(1, (groups, -1)).flatten(2)
    mean, var = grouped.mean(2), grouped.var(2, correction=0)
    spread = x.shape[1] // groups
    mean, rate = (v.repeat_interleave(spread, 1)[:, :, None, None] for v in (mean, (var + 1e-5).rsqrt()))
    y = (x - mean) * rate * parts["weight"].detach().double()[:, None, None]
    y = y + parts["bias"].detach().double()[:, None, None]
    up = torch.randn(x.shape, dtype=torch.float64)
    gradient = torch.autograd.grad(F.silu(y) if silu else y, x, up)[0]
    largest = grouped.abs().amax(2).repeat_interleave(spread, 1)[:, :, None, None]
    return float(gradient.norm()), float((gradient * largest * rate * 2**-23).norm())


@needs_kernels
@given(
    n=st.integers(1, 5), groups=st.integers(1, 9), width=st.integers(2, 9), side=st.tuples(*[st.integers(1, 9)] * 2),
    silu=st.booleans(), shifted=st.booleans(), half=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_output_and_gradients(
    n: int, groups: int, width: int, side: tuple[int, int], silu: bool, shifted: bool, half: bool
) -> None:
    """To the rounding of what is added up: in a group of two numbers the gradients of x and of the shift all but
    cancel, and nobody's float32 keeps six digits of the rest. Where the numbers of a group differ by little, x less its
    mean has lost digits before: eight such ulps are granted (PyTorch's own operations need four).
    """
    dtype, bound = (torch.bfloat16, 1e-2) if half else (torch.float32, 1e-5)
    parts = case(n, groups * width, *side, dtype)
    (y, *gradients), (added, lost) = ways(parts, groups, silu, shifted), held(parts, groups, silu, shifted)
    for name, (ours, theirs, true) in zip(("x", "weight", "bias", "shift"), gradients, strict=False):
        if name in ("x", "shift"):
            assert float((ours.double() - true).norm()) < max(bound * max(float(true.norm()), added), 8 * lost), name
        else:
            assert gap(ours, true) < max(bound, 2 * gap(theirs, true)), name
    assert gap(y[0], y[2]) < max(bound, 2 * gap(y[1], y[2]))


@needs_kernels
@pytest.mark.parametrize("silu", [True, False])
def test_a_mean_far_from_zero_costs_no_more_than_the_numbers_hold(silu: bool) -> None:
    parts = case(2, 32, 16, 16, torch.float32, offset=1000.0)
    for ours, theirs, true in ways(parts, 8, silu, False):
        assert gap(ours, true) < max(1e-5, gap(theirs, true))


@needs_kernels
@pytest.mark.parametrize(("side", "corner"), [(512, 0.0), (256, 100.0), (64, 10.0)])
def test_large_pictures_and_an_odd_first_pixel_cost_no_accuracy(side: int, corner: float) -> None:
    torch.manual_seed(0)
    x = (torch.randn(1, 8, side, side) + 3).contiguous(memory_format=LAST)
    x[..., 0, 0] += corner
    y = group_norm(x, torch.ones(8), torch.zeros(8), 2)
    assert gap(y, F.group_norm(x.double(), 2)) < 5e-5


@needs_kernels
def test_the_gradients_of_large_pictures_are_exact_too() -> None:
    """Sums over 262,144 pixels: 1e-5 is lost in one float, 1.6e-6 where each tile's sum is added to one."""
    gaps = [gap(ours, true) for ours, _, true in ways(case(1, 8, 512, 512, torch.float32), 2, True, True)]
    assert max(gaps) < 6e-7


def test_tensors_without_numbers_take_pytorchs_own_operations() -> None:
    """Fake ones have no memory to read, and a traced one must leave its operations in the graph."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    with FakeTensorMode():
        x = torch.empty(2, 8, 4, 4).contiguous(memory_format=LAST)
        assert group_norm(x, torch.ones(8), torch.zeros(8), 2).shape == x.shape
    x, norm = torch.randn(2, 8, 4, 4).contiguous(memory_format=LAST), Norm(8, 2)
    assert torch.allclose(make_fx(norm)(x)(x), norm(x), atol=1e-5)


@needs_kernels
def test_the_path_around_needs_no_gradient_where_x_needs_none() -> None:
    around, y = forked_group_norm(torch.zeros(1, 4, 2, 2), torch.ones(4, requires_grad=True), torch.zeros(4), 1)
    assert not around.requires_grad
    assert y.requires_grad


@needs_kernels
def test_a_picture_does_not_depend_on_the_others() -> None:
    parts = case(7, 24, 5, 6, torch.bfloat16)
    whole = group_norm(parts["x"], parts["weight"], parts["bias"], 6, silu=True)
    alone = group_norm(parts["x"][3:4], parts["weight"], parts["bias"], 6, silu=True)
    assert bool((whole[3:4] == alone).all())


@needs_kernels
def test_bfloat16_is_rounded_to_nearest() -> None:
    parts = case(3, 24, 5, 6, torch.bfloat16)
    exact = group_norm(parts["x"].float(), parts["weight"], parts["bias"], 6, silu=True)
    found = group_norm(parts["x"], parts["weight"], parts["bias"], 6, silu=True)
    assert float((found == exact.bfloat16()).float().mean()) > 0.98  # half of them if digits were cut off


@needs_kernels
def test_two_threads_give_what_one_gives() -> None:
    parts = case(7, 24, 5, 6, torch.float32)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            y = group_norm(parts["x"], parts["weight"], parts["bias"], 6, shift=parts["shift"], silu=True)
            found.append([y, *torch.autograd.grad(y.square().sum(), list(parts.values()))])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


@needs_kernels
def test_other_shapes_are_broadcast_or_refused_as_pytorch_does() -> None:
    x, weight, bias, _ = (part.detach() for part in case(4, 8, 3, 3, torch.float32).values())
    one = torch.randn(1, 8, requires_grad=True)
    ours, true = group_norm(x, weight, bias, 2, shift=one), plain(x, weight, bias, 2, shift=one)
    assert gap(ours, true) < 1e-5
    for y in (ours, true):
        assert torch.autograd.grad(y.square().sum(), one)[0].shape == (1, 8)
    for wrong in ((weight[:5], bias, 2), (weight, bias[:5], 2), (weight, bias, 3), (weight, bias, 0)):
        with pytest.raises((RuntimeError, ZeroDivisionError)):
            group_norm(x, *wrong)


@needs_kernels
@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_the_callers_default_type_changes_nothing(kind: torch.dtype) -> None:
    parts = case(3, 8, 4, 4, torch.float32)
    found = []
    for default in (torch.float32, kind):
        torch.set_default_dtype(default)
        try:
            y = group_norm(parts["x"], parts["weight"], parts["bias"], 2, shift=parts["shift"], silu=True)
            found.append([y, *torch.autograd.grad(y.sum(), list(parts.values()))])
        finally:
            torch.set_default_dtype(torch.float32)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


@needs_kernels
def test_not_a_number_stays_where_it_is() -> None:
    x = case(3, 8, 4, 4, torch.float32)["x"].detach()
    x[1, 2, 3, 3] = float("nan")
    y = group_norm(x, torch.ones(8), torch.zeros(8), 2, silu=True)
    assert bool(y[1, :4].isnan().all())  # its group
    assert bool(y[1, 4:].isfinite().all())
    assert bool(y[[0, 2]].isfinite().all())


@needs_kernels
@pytest.mark.parametrize("z", [-200.0, -90.0, -1.0, 0.0, 1e-8, 90.0, 1e30])
def test_silu_far_out(z: float) -> None:
    x = torch.tensor([-1.0, 1.0]).view(1, 1, 2, 1).contiguous(memory_format=LAST)
    y = group_norm(x, torch.zeros(1), torch.tensor([z]), 1, silu=True)
    true = F.silu(torch.tensor(z, dtype=torch.float64))
    assert torch.allclose(y.double(), true.expand(1, 1, 2, 1), rtol=1e-5, atol=1e-30)


@needs_kernels
def test_gradients_of_gradients() -> None:
    parts = case(2, 8, 3, 3, torch.float32)

    def second(f) -> Tensor:
        y = f(parts["x"], parts["weight"], parts["bias"])
        (dx,) = torch.autograd.grad(y.pow(3).sum(), parts["x"], create_graph=True)
        return torch.autograd.grad(dx.square().sum(), parts["weight"])[0]

    ours = second(lambda x, w, b: group_norm(x, w, b, 2, silu=True))
    assert gap(ours, second(lambda x, w, b: plain(x, w, b, 2, silu=True))) < 1e-5


def test_forward_differentiation_passes_through() -> None:
    parts = case(2, 8, 3, 3, torch.float32)
    x, step = parts["x"].detach(), torch.randn(2, 8, 3, 3)
    norm = Norm(8, 2)
    _, moved = torch.func.jvp(lambda x: norm(x, silu=True), (x,), (step,))
    with torch.autograd.forward_ad.dual_level():
        dual = norm(torch.autograd.forward_ad.make_dual(x, step), silu=True)
        tangent = torch.autograd.forward_ad.unpack_dual(dual).tangent
    double, far = norm.double(), 1e-6 * step
    near = (double(x.double() + far, silu=True) - double(x.double() - far, silu=True)) / 2e-6
    assert gap(moved, near) < 1e-4
    assert gap(tangent, near) < 1e-4


def test_without_kernels_the_plain_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fromnoise.networks.native.norm.library", lambda: None)
    h, shift = torch.randn(2, 8, 3, 3), torch.randn(2, 8)
    norm = Norm(8, 2)
    assert not compiled(h)
    assert torch.equal(norm(h, shift=shift, silu=True), plain(h, norm.weight, norm.bias, 2, shift=shift, silu=True))


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_the_path_around_is_added(dtype: torch.dtype) -> None:
    parts = case(3, 24, 5, 6, dtype)
    doubles = {name: part.detach().double().requires_grad_() for name, part in parts.items()}
    around, up = torch.randn(2, 3, 24, 5, 6).to(dtype)
    h, y = forked_group_norm(parts["x"], parts["weight"], parts["bias"], 6, silu=True)
    assert torch.equal(h, parts["x"])
    found = torch.autograd.grad((h * around).sum() + (y * up).sum(), (parts["x"], parts["weight"]))
    y = plain(doubles["x"], doubles["weight"], doubles["bias"], 6, silu=True)
    true = torch.autograd.grad((doubles["x"] * around).sum() + (y * up).sum(), (doubles["x"], doubles["weight"]))
    assert all(gap(a, b) < (1e-2 if dtype == torch.bfloat16 else 1e-5) for a, b in zip(found, true, strict=True))
    (alone,) = torch.autograd.grad((forked_group_norm(*list(parts.values())[:3], 6)[0] * around).sum(), parts["x"])
    assert torch.equal(alone, around)


@needs_kernels
def test_gradients_of_gradients_of_the_path_around() -> None:
    parts = case(2, 8, 3, 3, torch.float32)

    def second(f) -> Tensor:
        h, y = f(parts["x"], parts["weight"], parts["bias"])
        (dx,) = torch.autograd.grad((y * h.square()).sum(), parts["x"], create_graph=True)
        return torch.autograd.grad(dx.square().sum(), parts["x"])[0]

    ours = second(lambda x, w, b: forked_group_norm(x, w, b, 2, silu=True))
    assert gap(ours, second(lambda x, w, b: (x, plain(x, w, b, 2, silu=True)))) < 1e-5


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [3, 8, 21, 32])
def test_any_processor_gives_the_same(
    dtype: torch.dtype, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler's own vectors, which processors without bfloat16 use, beside what this one has."""
    monkeypatch.setattr(build, "FLAGS", [flag for flag in build.FLAGS if flag != "-march=native"])
    build._compile(str(shutil.which("cc") or shutil.which("gcc")), tmp_path / "portable.so")
    parts = case(3, channels, 7, 6, dtype)
    names, found = ["x", "weight", "bias", "shift"], []
    for kernels in (None, build._opened(build._checked(tmp_path / "portable.so"))):
        if kernels is not None:
            monkeypatch.setattr("fromnoise.networks.native.norm.library", lambda kernels=kernels: kernels)
        y = group_norm(*(parts[name] for name in names[:3]), 1, shift=parts["shift"], silu=True)
        found.append([y, *torch.autograd.grad(y.float().square().sum(), [parts[name] for name in names])])
    bound = 4e-3 if dtype == torch.bfloat16 else 1e-5
    assert all(gap(one, other) < bound for one, other in zip(*found, strict=True))
    exact = group_norm(parts["x"].float(), parts["weight"], parts["bias"], 1, shift=parts["shift"], silu=True)
    assert float((found[1][0] == exact.to(dtype)).float().mean()) > 0.98  # rounded to nearest
