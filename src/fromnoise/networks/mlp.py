"""Networks for points and tables: K's small feed-forward network, and a stronger default."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.errors import UserError
from fromnoise.networks.embeddings import Condition, Fourier, Labels, join, sinusoidal


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise UserError(f"{name} is too small for a network; try its default")


class FNN(nn.Module):
    """The feed-forward network of K's demonstration: x beside its time embedding, ReLU layers, a linear end.

    Weights start normal with standard deviation 1/sqrt(fan_in). With d = 2 and the defaults it has 35,714
    parameters. Labels, which K's network does not know, are added to the time embedding.

    Args:
        shape: of one sample, (d,) or (C, H, W); images are flattened.
        classes: number of classes, 0 for none.
        outputs: how many tensors of x's shape come out, concatenated along dimension 1.
        extra_channels: number of extra channels given beside x.
        width: of each hidden layer.
        depth: number of hidden layers.
        embedding: number of sinusoids of the time.
        time_scale: what t / T is multiplied by before its sines are taken; K's is T itself.

    Shapes: x (B, *shape), time (B,) in [0, 1], label (B,) int64 in 0..classes or None, extra
    (B, extra_channels, ...) -> (B, outputs * shape[0], ...).

    >>> FNN((2,))(torch.randn(5, 2), torch.rand(5)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        classes: int = 0,
        outputs: int = 1,
        extra_channels: int = 0,
        width: int = 128,
        depth: int = 3,
        embedding: int = 16,
        time_scale: float = 1000.0,
    ) -> None:
        super().__init__()
        _at_least_one(width=width, depth=depth, embedding=embedding)
        self.shape, self.extra_channels = (outputs * shape[0], *shape[1:]), extra_channels
        self.embedding, self.time_scale = embedding, time_scale
        self.labels = Labels(classes, embedding)
        pixels = math.prod(shape[1:])
        sizes = [(shape[0] + extra_channels) * pixels + embedding, *[width] * depth, math.prod(self.shape)]
        layers = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(sizes)]
        for layer in layers:
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None, extra: Tensor | None = None) -> Tensor:
        """x (B, *shape), time (B,) -> (B, outputs * shape[0], ...)."""
        when = sinusoidal(time, self.embedding, scale=self.time_scale).to(x.dtype)
        when = when + self.labels(label, len(x))
        h = torch.cat([join(x, extra, self.extra_channels).flatten(1), when], dim=1)
        *hidden, last = self.layers
        for layer in hidden:
            h = F.relu(layer(h))
        return last(h).reshape(-1, *self.shape)


class ResidualLayer(nn.Module):
    """h + W2 silu((1 + scale) * W1 h + shift): one residual step whose inner features the condition steers.

    Shapes: h (B, width), modulation (B, 2 width) -> (B, width).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, h: Tensor, modulation: Tensor) -> Tensor:
        """h (B, width) and its scale and shift (B, 2 width) -> (B, width)."""
        scale, shift = modulation.chunk(2, dim=1)
        return h + self.outer(F.silu(torch.addcmul(shift, self.inner(h), 1 + scale)))


class MLP(nn.Module):
    """A residual network for points and tables, steered by time and label.

    Its first layer sees x and Fourier features of x; time and label scale and shift the features inside each
    residual step (FiLM, Perez et al. 2018). The last layer starts at zero: untrained, the network answers 0.

    Args:
        shape: of one sample, (d,) or (C, H, W); images are flattened.
        classes: number of classes, 0 for none.
        outputs: how many tensors of x's shape come out, concatenated along dimension 1.
        extra_channels: number of extra channels given beside x.
        width: of the residual stream.
        depth: number of residual steps.
        fourier: number of random projections whose sine and cosine join the input; 0 for none.
        frequency: their typical angular frequency, in radians per unit of x. Higher follows sharper curves and
            learns smooth ones more slowly.
        time_scale: what t / T is multiplied by before its sines are taken.

    Shapes: x (B, *shape), time (B,) in [0, 1], label (B,) int64 in 0..classes or None, extra
    (B, extra_channels, ...) -> (B, outputs * shape[0], ...).

    >>> MLP((2,), classes=3)(torch.randn(5, 2), torch.rand(5), torch.tensor([0, 1, 2, 3, 3])).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        classes: int = 0,
        outputs: int = 1,
        extra_channels: int = 0,
        width: int = 96,
        depth: int = 3,
        fourier: int = 32,
        frequency: float = 2.0,
        time_scale: float = 1000.0,
    ) -> None:
        super().__init__()
        _at_least_one(width=width // 2, depth=depth, fourier=fourier + 1)
        self.shape, self.extra_channels = (outputs * shape[0], *shape[1:]), extra_channels
        size = (shape[0] + extra_channels) * math.prod(shape[1:])
        self.condition = Condition(64, width // 2, classes=classes, time_scale=time_scale)
        self.waves = Fourier(size, fourier, frequency)
        self.door = nn.Linear(size + 2 * fourier, width)
        self.steps = nn.ModuleList(ResidualLayer(width) for _ in range(depth))
        self.modulations = nn.Linear(width // 2, 2 * width * depth)
        self.last = nn.Linear(width, math.prod(self.shape))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None, extra: Tensor | None = None) -> Tensor:
        """x (B, *shape), time (B,) -> (B, outputs * shape[0], ...)."""
        # One product for the modulations of all steps: few large products are fast, many small ones are not.
        modulations = self.modulations(self.condition(time, label)).chunk(len(self.steps), dim=1)
        x = join(x, extra, self.extra_channels).flatten(1)
        h = self.door(torch.cat([x, self.waves(x)], dim=1))
        for step, modulation in zip(self.steps, modulations, strict=True):
            h = step(h, modulation)
        return self.last(F.silu(h)).reshape(-1, *self.shape)
