"""A small network beside a trained one, which learns to give it something more (Zhang et al. 2023, ControlNet)."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn

from fromnoise.networks.blocks import Convolution
from fromnoise.networks.unet import UNet


class Adapted(nn.Module):
    """A U-Net that does not learn, and beside it a copy of its way down that sees what is given besides, and does.

    What the copy makes at every stage goes through a convolution of one pixel that starts at zero and is added to what
    the trained network leaves for its way up: untrained, the whole is the network that it began from. The options are
    those of `UNet`, which `base` is.

    Shapes: x (B, C, H, W), time (B,) in [0, 1], label (B,) int64 in 0..classes or None, extra
    (B, extra_channels, H, W) -> (B, outputs * C, H, W).

    >>> net = Adapted((1, 8, 8), extra_channels=2, width=8, multiples=(1, 2), blocks=1)
    >>> net(torch.randn(3, 1, 8, 8), torch.rand(3), None, torch.randn(3, 2, 8, 8)).shape
    torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self, shape: tuple[int, ...], *, classes: int = 0, outputs: int = 1, extra_channels: int = 0, **options: Any
    ) -> None:
        super().__init__()
        self.base = UNet(shape, classes=classes, outputs=outputs, **options).requires_grad_(False)
        self.side = UNet(shape, classes=classes, extra_channels=extra_channels, **options)
        del self.side.up, self.side.last_norm, self.side.last
        with torch.no_grad():
            h, left, _ = self.side.descend(*_nothing(shape, extra_channels))
        gates = [Convolution(part.shape[1], part.shape[1], side=1) for part in [h, *left]]
        for weight in (weight for gate in gates for weight in gate.parameters()):
            nn.init.zeros_(weight)
        self.out = nn.ModuleList(gates)

    def begin(self) -> None:
        """Let the side begin as the base's way down; what it is given besides, its door has still to learn of."""
        base, own = self.base.state_dict(), self.side.state_dict()
        for name, weight in own.items():
            seen = weight[:, : base[name].shape[1]] if name == "door.weight" else weight  # of x; the rest is new
            seen.copy_(base[name])

    def train(self, mode: bool = True) -> Adapted:
        """The base stays as it is sampled: without dropout."""
        super().train(mode)
        self.base.eval()
        return self

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None, extra: Tensor | None = None) -> Tensor:
        """x (B, C, H, W), time (B,) -> (B, outputs * C, H, W)."""
        h, left, condition = self.base.descend(x, time, label)
        more, beside, _ = self.side.descend(x, time, label, extra)
        first, *rest = self.out
        left = [mine + gate(its) for mine, gate, its in zip(left, rest, beside, strict=True)]
        return self.base.ascend(h + first(more), left, condition, (x.shape[-2], x.shape[-1]))


functools.update_wrapper(Adapted.__init__, UNet.__init__)  # its options are those: a configuration is checked by them


def _nothing(shape: tuple[int, ...], extra_channels: int) -> tuple[Tensor, Tensor, None, Tensor | None]:
    extra = torch.zeros(1, extra_channels, *shape[1:]) if extra_channels else None
    return torch.zeros(1, *shape), torch.zeros(1), None, extra
