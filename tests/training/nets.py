"""Networks of a user's own, for the tests of training; processes import them by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.networks import UNet


class Stumbling(nn.Module):
    """A small U-Net that gives NaN at every `every`-th call while it trains, and is random beside its dropout.

    What it counts is a buffer, which a checkpoint must hold for a resumed run to be the same run.
    """

    count: Tensor

    def __init__(self, shape: tuple[int, ...], *, classes: int = 0, outputs: int = 1, dropout: float = 0.0,
                 every: int = 0) -> None:  # fmt: skip
        super().__init__()
        self.net = UNet(
            shape, classes=classes, outputs=outputs, width=8, multiples=(1, 2), blocks=1, groups=4, dropout=dropout
        )
        self.every = every
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None) -> Tensor:
        """x (B, *shape), time (B,) -> (B, outputs * shape[0], ...)."""
        h = self.net(x, time, label)
        if not self.training:
            return h
        self.count += 1
        if self.every and self.count % self.every == 0:
            return h * torch.nan
        return h + 1e-3 * F.dropout(torch.ones_like(h), 0.5) * torch.rand_like(h)


class Silent(nn.Module):
    """One number a channel: it gives NaN at the calls `bad`, counted from 1."""

    bad: tuple[int, ...] = ()
    calls = 0

    def __init__(self, shape: tuple[int, ...], *, classes: int = 0, outputs: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs * shape[0]))

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None) -> Tensor:
        """x (B, d), time (B,) -> (B, d)."""
        cls = type(self)
        cls.calls += self.training
        bad = self.training and cls.calls in cls.bad
        return (self.weight * (torch.nan if bad else 1.0)).expand_as(x)
