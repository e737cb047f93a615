"""The average of the weights along training, which is what is sampled."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Averaged:
    """An exponential moving average of a network's weights, with warm-up.

    After step k the average keeps min(decay, (1 + k) / (10 + k)) of itself, so that early weights are
    forgotten; decay = 0 follows the network. Buffers are copied.

    >>> net = nn.Linear(1, 1)
    >>> averaged = Averaged(net, decay=0.0)
    >>> averaged.update(net, step=0)
    >>> bool((averaged.network.weight == net.weight).all())
    True
    """

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after optimiser step `step`, counted from 0."""
        keep = min(self.decay, (1 + step) / (10 + step))
        ours = [p.detach() for p in self.network.parameters()]
        theirs = [p.detach() for p in network.parameters()]
        torch._foreach_lerp_(ours, theirs, 1 - keep)
        for mine, its in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(its)
