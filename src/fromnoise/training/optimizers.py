"""The optimisers that [train] can name."""

from __future__ import annotations

import torch
from torch import nn

from fromnoise.model import Train
from fromnoise.training.muon import Muon, hidden_weights


def make_optimizer(network: nn.Module, train: Train) -> torch.optim.Optimizer:
    """The optimiser that train.optimizer names, for all weights of a network.

    >>> type(make_optimizer(nn.Linear(2, 2), Train(optimizer="muon"))).__name__
    'Muon'
    """
    weights = list(network.parameters())
    if train.optimizer == "muon":
        hidden = hidden_weights(network)
        apart = {id(weight) for weight in hidden}
        others = [weight for weight in weights if id(weight) not in apart]
        return Muon(
            hidden, others, train.lr, scale=train.hidden_rate, betas=train.betas, weight_decay=train.weight_decay
        )
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, train.lr, betas=train.betas, weight_decay=train.weight_decay, fused=True)
