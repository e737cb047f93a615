"""What every network promises, whatever its kind: the laws that the rest of the library relies on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fromnoise.networks import NETWORKS

PICTURES = {"width": 8, "multiples": (1, 2), "blocks": 1, "attention": (False, True), "head_width": 4}
SMALL = {
    "fnn": {"width": 16},
    "mlp": {"width": 16, "depth": 2, "fourier": 4},
    "unet": PICTURES,
    "adapted": PICTURES,
}
SHAPES = {"fnn": (3,), "mlp": (3,), "unet": (2, 6, 5), "adapted": (2, 6, 5)}
every_network = pytest.mark.parametrize("kind", sorted(NETWORKS))


def make(kind: str, shape: tuple[int, ...] | None = None, **options) -> nn.Module:
    """A small network in float64 that hides nothing: layers that start at zero are filled with numbers."""
    torch.manual_seed(0)
    net = NETWORKS[kind](shape or SHAPES[kind], **{**SMALL[kind], **options}).double().eval()
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return net


def batch(kind: str, size: int = 4, extra_channels: int = 0) -> tuple[Tensor, Tensor, Tensor | None]:
    """x, time and extra of `size` random samples."""
    generator = torch.Generator().manual_seed(1)
    channels, *rest = SHAPES[kind]
    x = torch.randn(size, channels, *rest, generator=generator, dtype=torch.float64)
    time = torch.rand(size, generator=generator, dtype=torch.float64)
    extra = torch.randn(size, extra_channels, *rest, generator=generator, dtype=torch.float64)
    return x, time, extra if extra_channels else None


@every_network
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_result_is_outputs_tensors_like_x(kind: str, data: st.DataObject) -> None:
    """Any channels, sides (down to one pixel), classes, outputs and extra channels."""
    few = st.integers(1, 4)
    shape = data.draw(st.tuples(few, st.integers(1, 9), st.integers(1, 9)))
    if SMALL[kind] is not PICTURES:
        shape = data.draw(st.sampled_from([shape[:1], shape]))
    classes, outputs, extra_channels = (data.draw(st.integers(low, 3)) for low in (0, 1, 0))
    size = data.draw(few)
    net = make(kind, shape, classes=classes, outputs=outputs, extra_channels=extra_channels)
    x = torch.randn(size, *shape, dtype=torch.float64)
    extra = torch.randn(size, extra_channels, *shape[1:], dtype=torch.float64) if extra_channels else None
    label = torch.randint(0, classes + 1, (size,))
    result = net(x, torch.rand(size, dtype=torch.float64), label, extra)
    assert result.shape == (size, outputs * shape[0], *shape[1:])
    assert result.isfinite().all()


@every_network
def test_time_matters(kind: str) -> None:
    net, (x, time, _) = make(kind), batch(kind)
    gap = (net(x, time) - net(x, time + 0.01)).flatten(1).abs().amax(1)
    assert (gap > 1e-6).all()


@every_network
def test_neighbouring_times_differ_even_in_bfloat16(kind: str) -> None:
    """999/1000 and 1 round to the same bfloat16 number when multiplied first and embedded afterwards."""
    net = make(kind).bfloat16()
    x = batch(kind, 1)[0].bfloat16()
    assert not torch.equal(net(x, torch.tensor([0.999])), net(x, torch.tensor([1.0])))


@every_network
def test_label_matters_and_none_is_the_row_after_the_last(kind: str) -> None:
    net, (x, time, _) = make(kind, classes=3), batch(kind)
    results = [net(x, time, torch.full((len(x),), label)) for label in range(4)]
    for i, one in enumerate(results):
        assert all((one - other).abs().max() > 1e-4 for other in results[:i])
    assert torch.equal(net(x, time), results[3])


@every_network
def test_each_sample_obeys_its_own_label(kind: str) -> None:
    net, (x, time, _) = make(kind, classes=3), batch(kind)
    label = torch.tensor([2, 0, 3, 1])
    for i, own in enumerate(label):
        alone = net(x[i : i + 1], time[i : i + 1], own[None])
        torch.testing.assert_close(net(x, time, label)[i : i + 1], alone)


@every_network
def test_without_classes_a_label_is_ignored(kind: str) -> None:
    net, (x, time, _) = make(kind), batch(kind)
    assert torch.equal(net(x, time, torch.tensor([0, 1, 2, 3])), net(x, time))


@every_network
def test_extra_channels_matter_and_must_be_the_promised_ones(kind: str) -> None:
    net, (x, time, extra) = make(kind, extra_channels=2), batch(kind, extra_channels=2)
    assert extra is not None
    gap = (net(x, time, None, extra) - net(x, time, None, -extra)).flatten(1).abs().amax(1)
    assert (gap > 1e-6).all()
    for wrong in (None, extra[:, :1]):
        with pytest.raises(ValueError, match="extra_channels=2"):
            net(x, time, None, wrong)
    with pytest.raises(ValueError, match="extra_channels=0"):
        make(kind)(x, time, None, extra)


@every_network
def test_a_sample_does_not_depend_on_its_batch_mates(kind: str) -> None:
    net, (x, time, _) = make(kind).train(), batch(kind)
    before = net(x, time)[:1]
    x[1:], time[1:] = 100.0, 0.0
    torch.testing.assert_close(net(x, time)[:1], before)
    torch.testing.assert_close(net(x[:1], time[:1]), before)


@every_network
def test_gradient_reaches_every_parameter(kind: str) -> None:
    net = make(kind, classes=2, outputs=2, extra_channels=1)
    x, time, extra = batch(kind, extra_channels=1)
    net(x, time, torch.tensor([0, 1, 2, 0]), extra).square().sum().backward()
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


@every_network
def test_gradient_agrees_with_differences(kind: str) -> None:
    """The directional derivative in x against a central difference, in float64."""
    net, (x, time, _) = make(kind), batch(kind, 2)
    direction, step = torch.randn_like(x), 1e-6
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(net(x, time).sum(), x)
    difference = (net(x + step * direction, time) - net(x - step * direction, time)).sum() / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=1e-5, atol=1e-6)


@every_network
def test_same_seed_same_weights_same_result(kind: str) -> None:
    x, time, _ = batch(kind)
    assert torch.equal(make(kind)(x, time), make(kind)(x, time))


@every_network
def test_state_dict_round_trip(kind: str) -> None:
    """Everything that decides the result travels with the state, the random Fourier projections too."""
    net, (x, time, _) = make(kind, classes=2), batch(kind)
    torch.manual_seed(7)
    other = NETWORKS[kind](SHAPES[kind], classes=2, **SMALL[kind]).double().eval()
    assert not torch.equal(other(x, time), net(x, time))
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x, time), net(x, time))


@every_network
@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x.repeat_interleave(2, dim=-1)[..., ::2],
        lambda x: x.transpose(0, -1).contiguous().transpose(0, -1),
        lambda x: x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x,
    ],
)
def test_memory_layout_of_the_input_does_not_matter(kind: str, layout: Callable[[Tensor], Tensor]) -> None:
    net, (x, time, _) = make(kind), batch(kind)
    torch.testing.assert_close(net(layout(x), time), net(x, time))


@every_network
def test_the_input_is_left_as_it_was(kind: str) -> None:
    net, (x, time, _) = make(kind), batch(kind)
    copies = x.clone(), time.clone()
    net(x, time)
    assert torch.equal(x, copies[0])
    assert torch.equal(time, copies[1])


@every_network
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precisions_stay_near_float64(kind: str, dtype: torch.dtype) -> None:
    net, (x, time, _) = make(kind), batch(kind)
    exact = net(x, time)
    rough = net.to(dtype)(x.to(dtype), time.float())
    assert rough.dtype == dtype
    error = (rough - exact).norm() / exact.norm()
    assert error < (1e-4 if dtype == torch.float32 else 0.15)


@every_network
def test_bad_class_counts_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="classes"):
        NETWORKS[kind](SHAPES[kind], classes=-1)


@pytest.mark.parametrize("kind", ["mlp", "unet"])
def test_untrained_the_answer_is_zero(kind: str) -> None:
    x, time, _ = batch(kind)
    assert not NETWORKS[kind](SHAPES[kind], **SMALL[kind]).double()(x, time).any()
