"""The optimisers that [train] can name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

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


def tensors_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser, by the number of the weight and the name of what is kept of it."""
    state: Mapping[int, Mapping[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{i}.{key}": torch.as_tensor(v) for i, values in state.items() for key, v in values.items()}


def load_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take up what `tensors_of` gave. Raises ValueError and LookupError for the state of other weights."""
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        weight = weights[int(index)]
        if key != "step":
            if tensor.shape != weight.shape:
                raise ValueError(f"the optimiser's {name} is for other weights")
            # It must lie as the weight does, which may be channels-last; a file knows no such thing.
            tensor = torch.empty_like(weight, dtype=tensor.dtype, device=tensor.device).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    tree = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": tree["param_groups"]})
