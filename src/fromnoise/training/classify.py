"""Learning which class noised samples are of: what classifier guidance climbs (Dhariwal & Nichol 2021)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from fromnoise.data import Dataset
from fromnoise.model import Config
from fromnoise.model.classifier import class_log_probs
from fromnoise.process import Schedule
from fromnoise.training.batches import Batch, Batches


class Classifying:
    """Data, noised to random times, are to be told by class: the cross-entropy, its mean over classes and times."""

    steady = True

    def __init__(self, config: Config, data: Dataset, schedule: Schedule, device: torch.device, mine: slice):
        self.batches = Batches(config, data, schedule, device, mine)
        self.classes, self.horizon = len(data.classes), schedule.T

    def batch(self, step: int) -> Batch:
        return self.batches[step]

    def loss(self, network: Callable[..., Tensor], part: Batch) -> Tensor:
        x_t = part.level.alpha * part.x_0 + part.level.sigma * part.eps
        told = class_log_probs(network, x_t, part.level, self.horizon, self.classes)
        assert part.labels is not None
        # Losses are means over elements: so many of them make it the cross-entropy of a sample.
        return F.nll_loss(told, part.labels, reduction="none") * part.x_0[0].numel()

    def settle(self, total: Callable[[Tensor], Tensor]) -> None:
        """Nothing is remembered from step to step."""

    def state(self) -> Mapping[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor], step: int) -> None:
        """Nothing is remembered from step to step."""
