"""The U-Net: the papers' parameter counts, its sizes, dropout, patches and blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fromnoise.errors import UserError
from fromnoise.networks import UNet
from fromnoise.networks.blocks import Attention, Down, Norm, Residual, Up, attend, divisor

NO, YES = False, True
SMALL = {"width": 8, "multiples": (1, 2), "blocks": 1}


def parameters(shape: tuple[int, ...], **options) -> int:
    """Number of trainable parameters, counted without making any."""
    with torch.device("meta"):
        return sum(p.numel() for p in UNet(shape, **options).parameters())


def test_ho_s_cifar_network_has_35_7_million_parameters() -> None:
    """Ho et al. 2020, appendix B; 35,746,307 is also the count of the published weights."""
    count = parameters((3, 32, 32), width=128, multiples=(1, 2, 2, 2), attention=(NO, YES, NO, NO))
    assert count == 35_746_307


def test_h_s_network_has_12_9_million_parameters() -> None:
    """H section 5: residual and attention blocks, 12.9 million parameters, 32 x 32 digits.

    H gives no widths. These keep two of Ho et al.'s habits: two blocks a level, attention at 16 x 16.
    """
    options = {"width": 64, "multiples": (1, 1, 2, 2, 3), "attention": (NO, YES, NO, NO, NO)}
    assert parameters((1, 32, 32), **options) == pytest.approx(12.9e6, abs=0.05e6)


def conv(inputs: int, outputs: int, side: int = 3) -> int:
    """Parameters of a convolution with bias."""
    return side**2 * inputs * outputs + outputs


def residual(inputs: int, outputs: int) -> int:
    """Two norms, two convolutions, the condition's layer (256 wide) and a shortcut where widths differ."""
    shortcut = conv(inputs, outputs, 1) if inputs != outputs else 0
    return 2 * (inputs + outputs) + conv(inputs, outputs) + conv(outputs, outputs) + 257 * outputs + shortcut


def attention(channels: int) -> int:
    """A norm, and query, key, value and projection."""
    return 2 * channels + 4 * conv(channels, channels, 1)


@pytest.mark.parametrize("last", [4, 8])
def test_k_s_networks_count_as_their_layers_do(last: int) -> None:
    """K's demonstration: 3 x 32 x 32, width 64; summed here layer by layer, written out level by level."""
    deep = 64 * last
    down = 2 * residual(64, 64) + conv(64, 64)
    down += residual(64, 128) + residual(128, 128) + 2 * attention(128) + conv(128, 128)
    down += residual(128, 256) + residual(256, 256) + 2 * attention(256) + conv(256, 256)
    down += residual(256, deep) + residual(deep, deep)
    middle = 2 * residual(deep, deep) + attention(deep)
    up = 2 * residual(2 * deep, deep) + residual(deep + 256, deep) + conv(deep, deep)
    up += residual(deep + 256, 256) + residual(512, 256) + residual(384, 256) + 3 * attention(256)
    up += conv(256, 256)
    up += residual(384, 128) + residual(256, 128) + residual(192, 128) + 3 * attention(128) + conv(128, 128)
    up += residual(192, 64) + 2 * residual(128, 64)
    ends = (65 + 257) * 256 + conv(3, 64) + 2 * 64 + conv(64, 3)
    options = {"width": 64, "multiples": (1, 2, 4, last), "attention": (NO, YES, YES, NO), "dropout": 0.1}
    assert parameters((3, 32, 32), **options) == down + middle + up + ends


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (7, 5), (28, 28)])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_any_size_comes_out_as_it_went_in(size: tuple[int, int], patch: int) -> None:
    net = UNet((2, *size), **{**SMALL, "multiples": (1, 1, 2, 2)}, patch=patch, outputs=2)
    assert net(torch.randn(3, 2, *size), torch.rand(3)).shape == (3, 4, *size)


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("size", [(9, 12), (8, 8)])
def test_every_pixel_is_seen_and_answered(size: tuple[int, int], patch: int) -> None:
    """No row or column is lost to rounding: each pixel moves some output and is moved by some."""
    torch.manual_seed(0)
    net = fill(UNet((1, *size), **SMALL, patch=patch)).double()
    x, time = torch.randn(1, 1, *size, dtype=torch.float64, requires_grad=True), torch.rand(1).double()
    result = net(x, time)
    (gradient,) = torch.autograd.grad(result.square().sum(), x)
    assert (gradient != 0).all()
    with torch.no_grad():
        assert (net(x + 1e-3 * torch.randn_like(x), time) != result).all()


def test_patches_pad_with_zeros_at_the_bottom_and_the_right() -> None:
    """The same weights on a picture padded by hand say the same about the pixels that were there."""
    torch.manual_seed(0)
    net, x, time = fill(UNet((1, 9, 11), **SMALL, patch=4)).double(), torch.randn(2, 1, 9, 11), torch.rand(2)
    x = x.double()
    torch.testing.assert_close(net(x, time), net(F.pad(x, (0, 1, 0, 3)), time)[..., :9, :11])


def fill(net: nn.Module) -> nn.Module:
    """Give random numbers to all that starts at zero."""
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.2)
    return net.eval()


def test_two_outputs_are_not_mixed_by_patches() -> None:
    """The first C channels come from the first half of the last layer, the others from the second."""
    net = fill(UNet((2, 8, 8), **SMALL, patch=2, outputs=2))
    with torch.no_grad():
        net.last.weight[: 2 * 4] = 0
        net.last.bias[: 2 * 4] = 0
    first, second = net(torch.randn(2, 2, 8, 8), torch.rand(2)).chunk(2, dim=1)
    assert not first.any()
    assert (second != 0).all()


def test_dropout_works_in_training_only() -> None:
    net, x, time = fill(UNet((1, 8, 8), **SMALL, dropout=0.5)), torch.randn(2, 1, 8, 8), torch.rand(2)
    assert torch.equal(net(x, time), net(x, time))
    net.train()
    assert not torch.equal(net(x, time), net(x, time))
    dry = fill(UNet((1, 8, 8), **SMALL)).train()
    assert torch.equal(dry(x, time), dry(x, time))


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((2,), {}, "mlp"),
        ((1, 8, 8), {"attention": (True,)}, "1 entries for 3 levels"),
        ((1, 8, 8), {"multiples": ()}, "at least 1"),
        ((1, 8, 8), {"width": 0}, "at least 1"),
        ((1, 8, 8), {"patch": 0}, "at least 1"),
        ((1, 8, 8), {"head_width": 0}, "at least 1"),
        ((1, 8, 8), {"dropout": 1.5}, "dropout"),
    ],
)
def test_contradictory_options_get_one_line(shape: tuple[int, ...], options: dict, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        UNet(shape, **options)
    assert "\n" not in str(caught.value)


def test_lists_as_they_come_from_a_recipe_are_fine() -> None:
    net = UNet([1, 8, 8], width=8, multiples=[1, 2], attention=[False, True])
    assert net(torch.randn(1, 1, 8, 8), torch.rand(1)).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(("channels", "heads"), [(64, 1), (128, 2), (96, 1), (100, 1), (20, 1)])
def test_heads_divide_the_channels(channels: int, heads: int) -> None:
    assert Attention(channels, head_width=64).heads == heads


def test_groups_fit_any_width_and_keep_four_channels() -> None:
    for channels in range(1, 300):
        groups = Norm(channels, 32).num_groups
        assert channels % groups == 0
        assert groups <= 32
        assert groups == 1 or channels // groups >= 4
    assert Norm(128, 32).num_groups == 32
    assert [divisor(12, most) for most in (0, 1, 5, 6, 50)] == [1, 1, 4, 6, 12]


@pytest.mark.parametrize("width", [32, 64])
def test_attention_equals_its_formula_on_both_paths(width: int) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 49, width)
    weights = torch.einsum("bhnc,bhmc->bhnm", q.double(), k.double()).div(width**0.5).exp()
    exact = torch.einsum("bhnm,bhmc->bhnc", weights / weights.sum(-1, keepdim=True), v.double())
    torch.testing.assert_close(attend(q, k, v).double(), exact, atol=1e-5, rtol=0)
    rough = attend(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert (rough - exact).norm() / exact.norm() < 0.02


def test_attention_block_against_its_formula() -> None:
    """Rows of the one matrix: all queries, keys, values in turn; a head holds neighbouring channels."""
    torch.manual_seed(0)
    look, h = fill(Attention(16, head_width=8)), torch.randn(2, 16, 3, 5)
    q, k, v = look.qkv(look.norm(h).flatten(2).mT).chunk(3, dim=-1)
    heads = [torch.softmax(q[..., c] @ k[..., c].mT / 8**0.5, dim=-1) @ v[..., c] for c in (slice(0, 8), slice(8, 16))]
    expected = h + look.out(torch.cat(heads, dim=-1)).mT.reshape(2, 16, 3, 5)
    torch.testing.assert_close(look(h), expected)


def test_attention_does_not_care_where_pixels_are() -> None:
    """Without positions, permuted pixels give permuted results."""
    torch.manual_seed(0)
    look, h = fill(Attention(16, head_width=8)).double(), torch.randn(2, 16, 3, 5, dtype=torch.float64)
    order = torch.randperm(15)
    moved = look(h.flatten(2)[..., order].view_as(h))
    torch.testing.assert_close(moved.flatten(2), look(h).flatten(2)[..., order])


def test_the_way_up_sees_all_that_the_way_down_left() -> None:
    """Each block of the way up is given, behind its own channels, what the way down left last and unused."""
    net = fill(UNet((1, 8, 8), width=8, multiples=(1, 2, 3), blocks=2))
    left, given = [], []
    for part in [net.door, *net.down]:
        part.register_forward_hook(lambda module, inputs, result: left.append(result))
    for part in net.up:
        if not isinstance(part, Up):
            part.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    net(torch.randn(4, 1, 8, 8), torch.rand(4))
    assert len(left) == len(given) == 9
    for kept, h in zip(reversed(left), given, strict=True):
        assert torch.equal(h[:, -kept.shape[1] :], kept)


def test_blocks_start_as_their_shortcut() -> None:
    """In a new U-Net, whatever lies behind the first convolution adds nothing."""
    net = UNet((1, 8, 8), width=8, multiples=(1, 2), attention=(True, True))
    for part in net.modules():
        if isinstance(part, Residual):
            h = torch.randn(2, part.first.in_channels, 4, 4)
            torch.testing.assert_close(part(h, torch.randn(2, 32)), part.shortcut(h))
        if isinstance(part, Attention):
            h = torch.randn(2, part.norm.num_channels, 4, 4)
            torch.testing.assert_close(part(h), h)


def test_up_undoes_the_rounding_of_down() -> None:
    for height in range(1, 10):
        h = torch.randn(1, 4, height, 7)
        small = Down(4)(h, torch.empty(0))
        assert small.shape[-2:] == ((height + 1) // 2, 4)
        assert Up(4)(small, h.shape[-2:]).shape == h.shape


def test_up_keeps_pixels_where_they_were() -> None:
    up = Up(1)
    nn.init.dirac_(up.conv.weight)
    nn.init.zeros_(up.conv.bias)
    small = torch.arange(6.0).view(1, 1, 2, 3)
    expected = small.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., :3, :5]
    assert torch.equal(up(small, (3, 5)), expected)


def test_residual_block_against_its_formula() -> None:
    torch.manual_seed(0)
    block, h, condition = fill(Residual(8, 16, 4)), torch.randn(2, 8, 5, 5), torch.randn(2, 4)
    inner = block.first(F.silu(F.group_norm(h, 2, block.first_norm.weight, block.first_norm.bias)))
    inner = inner + block.steer(condition).view(2, 16, 1, 1)
    inner = F.silu(F.group_norm(inner, 4, block.second_norm.weight, block.second_norm.bias))
    torch.testing.assert_close(block(h, condition), block.shortcut(h) + block.second(inner))


def test_autocast_gradients_stay_near_float32() -> None:
    """bfloat16 autocast must not poison a gradient: finite, and within 10 % over the whole vector."""
    torch.manual_seed(0)
    net = fill(UNet((1, 8, 8), width=16, multiples=(1, 2), attention=(NO, YES), head_width=16))
    x, time = torch.randn(8, 1, 8, 8), torch.rand(8)
    gradients = []
    for rough in (False, True):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=rough):
            loss = (net(x, time) - x).square().mean()
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    assert gradients[1].isfinite().all()
    assert (gradients[1] - gradients[0]).norm() < 0.1 * gradients[0].norm()


def mixed(size: tuple[int, int] = (8, 8)) -> tuple[UNet, torch.Tensor, torch.Tensor]:
    """A network of which no part is zero, and three pictures with their times."""
    torch.manual_seed(0)
    network = UNet((1, *size), width=16, multiples=(1, 2, 2), attention=(NO, NO, YES), blocks=1).eval()
    for part in network.parameters():
        nn.init.normal_(part, std=0.1)
    return network, torch.randn(3, 1, *size), torch.rand(3)


@pytest.mark.parametrize("size", [(64, 1), (64, 2), (33, 3), (40, 5), (1, 64), (2, 2), (128, 8)])
def test_narrow_pictures_in_bfloat16(size: tuple[int, int]) -> None:
    network, x, time = mixed(size)
    exact = network(x, time)
    true = torch.autograd.grad(exact.square().mean(), list(network.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        low = network(x, time)
    found = torch.autograd.grad(low.float().square().mean(), list(network.parameters()))
    flat, of_exact = (torch.cat([part.flatten() for part in parts]) for parts in (found, true))
    assert (low - exact).norm() < 2e-2 * exact.norm()
    assert (flat - of_exact).norm() < 3e-2 * of_exact.norm()


def test_torch_func_sees_through_it() -> None:
    """vmap, gradients of each sample, and batched gradients: compiled kernels would be in their way."""
    from torch.func import functional_call, grad, vmap

    network, x, time = mixed()
    torch.testing.assert_close(
        vmap(lambda x, time: network(x[None], time[None])[0])(x, time), network(x, time), rtol=1e-5, atol=1e-5
    )
    weights = dict(network.named_parameters())

    def loss(weights: dict, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return functional_call(network, weights, (x[None], time[None])).square().sum()

    each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, time)
    whole = torch.autograd.grad(network(x, time).square().sum(), list(weights.values()))
    for one, other in zip(each.values(), whole, strict=True):
        torch.testing.assert_close(one.sum(0), other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
    one = x[:1].clone().requires_grad_()
    for kind, most in ((torch.float32, 1e-5), (torch.bfloat16, 2e-2)):
        with torch.autocast("cpu", kind, enabled=kind != torch.float32):
            some = network(one, time[:1]).flatten()[:4].float()
        (batched,) = torch.autograd.grad(some, one, torch.eye(4), is_grads_batched=True, retain_graph=True)
        alone = torch.stack([torch.autograd.grad(part, one, retain_graph=True)[0] for part in some])
        assert (batched - alone).norm() < most * alone.norm()


def test_gradients_of_gradients_with_attention() -> None:
    """As the docstring of `attend` says: by the plain product. The slope of the gradient's square, by differences."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    network, x, time = mixed()
    network, x = network.double(), x.double().requires_grad_()

    def squared(x: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            (slope,) = torch.autograd.grad(network(x, time).square().sum(), x, create_graph=True)
        return slope.square().sum()

    (found,) = torch.autograd.grad(squared(x), x)
    along = torch.randn_like(x)
    step = 1e-5 * along
    by_differences = (squared(x + step) - squared(x - step)) / 2e-5
    torch.testing.assert_close((found * along).sum(), by_differences, rtol=1e-5, atol=1e-6)
    network, x = network.float(), x.float().detach().requires_grad_()  # where kernels are compiled
    (low,) = torch.autograd.grad(squared(x), x)
    torch.testing.assert_close(low.double(), found, rtol=1e-3, atol=1e-3 * float(found.abs().max()))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_network_is_traced_and_exported_whole(tmp_path) -> None:
    network, x, time = mixed()
    torch.jit.trace(network, (x, time)).save(tmp_path / "traced.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "traced.pt")(x, time), network(x, time), rtol=1e-4, atol=1e-5)
    exported = torch.export.export(network, (x, time)).module()
    torch.testing.assert_close(exported(x, time), network(x, time), rtol=1e-4, atol=1e-5)


def test_no_pictures_are_no_pictures() -> None:
    network, x, time = mixed()
    assert network(x[:0], time[:0]).shape == (0, 1, 8, 8)
