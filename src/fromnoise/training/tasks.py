"""What a run learns from: batches by step, a loss on them, and what has to be remembered from step to step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from fromnoise.data import Dataset
from fromnoise.model import Config
from fromnoise.model.assembly import make_denoiser, make_loss
from fromnoise.process import WEIGHTS, Schedule
from fromnoise.training.batches import Batch, Batches
from fromnoise.training.classify import Classifying
from fromnoise.training.distil import Distillation
from fromnoise.training.learned import LearnedTimes


class Task(Protocol):
    """A task of a run; all of it is a function of the settings, the data, the step and what `state` gives."""

    @property
    def steady(self) -> bool:
        """Whether a loss is the same work at each step, on the device's tensors alone, with nothing remembered."""
        ...

    def batch(self, step: int) -> Batch:
        """The rows of step `step` that this process trains on."""
        ...

    def loss(self, network: Callable[..., Tensor], part: Batch) -> Tensor:
        """The loss of each sample of a part, summed over its elements, (B,), by the network that learns."""
        ...

    def settle(self, total: Callable[[Tensor], Tensor]) -> None:
        """End a step of which all losses were asked; `total` adds a tensor up over the processes."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """What a checkpoint has to keep."""
        ...

    def restore(self, state: Mapping[str, Tensor], step: int) -> None:
        """Take up the state after `step` steps. Raises LookupError and ValueError for what is none."""
        ...


class Denoising:
    """Algorithm 1 of both papers: data, noised to random times, are to be told from their noise."""

    def __init__(self, config: Config, data: Dataset, schedule: Schedule, device: torch.device, mine: slice):
        self.law = LearnedTimes() if config.process.times == "learned" else None
        self.batches = Batches(config, data, schedule, device, mine, self.law)
        self.denoiser = partial(make_denoiser, process=config.process, schedule=schedule)
        self.each = make_loss(config.process, schedule)
        # The mean of a posterior and the bound look the step before up in the schedule, which is on the host.
        self.steady = self.law is None and config.process.prediction != "mean" and config.process.loss in WEIGHTS

    def batch(self, step: int) -> Batch:
        if self.law is not None and step % self.batches.blocks.steps == 0:
            self.law.renew()  # the batches of so many steps are prepared at once
        return self.batches[step]

    def loss(self, network: Callable[..., Tensor], part: Batch) -> Tensor:
        denoise = self.denoiser(network, label=part.labels, given=part.given)
        each = self.each(denoise, part.x_0, part.level, part.eps)
        if self.law is None:
            return each
        assert part.u is not None
        self.law.record(part.u, each)
        return each * self.law.weight(part.u).to(each)

    def settle(self, total: Callable[[Tensor], Tensor]) -> None:
        if self.law is not None:
            self.law.settle(total)

    def state(self) -> Mapping[str, Tensor]:
        return {} if self.law is None else self.law.state()

    def restore(self, state: Mapping[str, Tensor], step: int) -> None:
        if self.law is not None:
            self.law.restore(state)


def make_task(
    config: Config,
    data: Dataset | None,
    schedule: Schedule,
    device: torch.device,
    mine: slice,
    network: str | type[nn.Module] | None = None,
) -> Task:
    """The task of a configuration: distillation where it has no data; `network` is a class of the user's own."""
    if data is None:
        return Distillation(config, schedule, device, mine, network)
    if config.process.prediction == "class":
        return Classifying(config, data, schedule, device, mine)
    return Denoising(config, data, schedule, device, mine)
