"""The networks for points: K's layer sizes and start, and what the residual network can learn."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from fromnoise.networks import FNN, MLP, sinusoidal
from fromnoise.networks.mlp import ResidualLayer


def test_fnn_is_k_s_network() -> None:
    """18 -> 128 -> 128 -> 128 -> 2 with ReLU, on x beside 16 sinusoids of the time."""
    net = FNN((2,))
    linear = [part for part in net.modules() if isinstance(part, nn.Linear)]
    assert [(part.in_features, part.out_features) for part in linear] == [
        (18, 128),
        (128, 128),
        (128, 128),
        (128, 2),
    ]
    x, time = torch.randn(5, 2), torch.rand(5)
    h = torch.cat([x, sinusoidal(time, 16)], dim=1)
    for part in linear[:-1]:
        h = F.relu(part(h))
    torch.testing.assert_close(net(x, time), linear[-1](h))


def test_fnn_weights_start_normal_with_deviation_one_over_root_fan_in() -> None:
    torch.manual_seed(0)
    for part in FNN((2,), width=400).modules():
        if isinstance(part, nn.Linear) and part.weight.numel() > 5000:
            scaled = part.weight * part.in_features**0.5
            assert abs(scaled.std() - 1) < 0.05
            assert abs(scaled.quantile(0.975) - 1.96) < 0.1


def test_fnn_takes_k_s_forty_steps() -> None:
    """With time_scale = T = 40 the sines see the integers 1..40, as in K's demonstration."""
    torch.manual_seed(0)
    net, x = FNN((2,), time_scale=40.0), torch.randn(3, 2)
    twin = FNN((2,), time_scale=1.0)
    twin.load_state_dict(net.state_dict())
    steps = torch.tensor([1.0, 20.0, 40.0])
    torch.testing.assert_close(net(x, steps / 40), twin(x, steps))


def test_residual_layer_against_its_formula() -> None:
    layer, h, scale, shift = ResidualLayer(8), *torch.randn(3, 4, 8)
    expected = h + layer.outer(F.silu((1 + scale) * layer.inner(h) + shift))
    torch.testing.assert_close(layer(h, torch.cat([scale, shift], dim=1)), expected)


def test_mlp_learns_a_sharp_function_of_x_and_time() -> None:
    """sin(12 |x| + 3 t) on the square: far below the variance of the target (one half) in 300 steps."""
    torch.manual_seed(0)
    net = MLP((2,), width=64, depth=2)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(300):
        x, time = 2 * torch.rand(512, 2) - 1, torch.rand(512)
        target = torch.sin(12 * x.norm(dim=1, keepdim=True) + 3 * time[:, None]).expand(-1, 2)
        loss = F.mse_loss(net(x, time), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_mlp_without_fourier_features_still_works() -> None:
    assert MLP((3,), fourier=0)(torch.randn(4, 3), torch.rand(4)).shape == (4, 3)
