"""Training steps on a GPU, recorded as CUDA graphs and, where enough of them are left, compiled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.model.replay import Record, Recorder, waits
from fromnoise.process import Level
from fromnoise.training.batches import Batch

Gradients = Callable[[Batch], tuple[Tensor, Tensor]]
"""A batch -> its loss and the norm of its gradient, which the weights have by then."""


class Graphs:
    """What a training step gives a GPU to do, in two pieces: up to the gradient, and the optimiser's step.

    Between them the host looks whether the gradient is finite. Both must have been done before. The optimiser's
    learning rate becomes a tensor, which its step reads anew each time; gradients stay where they are.

    Args:
        gradients: how a batch becomes its loss and its gradient's norm.
        optimizer: one that takes a tensor as its learning rate.
        batch: any batch; those to come have its shapes.
        record: a `Recorder` unless given.

    Raises RuntimeError where they cannot be recorded.
    """

    def __init__(
        self, gradients: Gradients, optimizer: torch.optim.Optimizer, batch: Batch, record: Record | None = None
    ) -> None:
        self.kept, device = copied(batch), batch.x_0.device
        for group in optimizer.param_groups:
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)

        def found() -> tuple[Tensor, ...]:
            optimizer.zero_grad()  # what the recording makes is where gradients are from now on
            return gradients(self.kept)

        def moved() -> tuple[Tensor, ...]:
            optimizer.step()
            return ()

        if waits(found, device):
            raise RuntimeError("the loss waits for the GPU")
        record = record or Recorder(device)
        self._gradients = record(found)
        capturable = [group.get("capturable") for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["capturable"] = True  # the word by which PyTorch's optimisers let themselves be recorded
        self._move = record(moved)
        for group, before in zip(optimizer.param_groups, capturable, strict=True):
            group["capturable"] = before

    def gradients(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch and the norm of its gradient; both are overwritten by the next call."""
        for mine, its in zip(tensors(self.kept), tensors(batch), strict=True):
            mine.copy_(its)
        loss, norm = self._gradients()
        return loss, norm

    def move(self) -> None:
        """The optimiser's step along the gradients that `gradients` found."""
        self._move()


def tensors(batch: Batch) -> list[Tensor]:
    """What of a batch the loss of a denoiser or a classifier reads."""
    return [one for one in (batch.x_0, batch.labels, *batch.level, batch.eps, batch.given) if one is not None]


def copied(batch: Batch) -> Batch:
    """The same batch in tensors of its own."""
    x_0, eps, level = batch.x_0.clone(), batch.eps.clone(), Level(*(part.clone() for part in batch.level))
    labels, given = (None if one is None else one.clone() for one in (batch.labels, batch.given))
    return dataclasses.replace(batch, x_0=x_0, labels=labels, level=level, eps=eps, given=given)


@dataclass
class Pace:
    """Counts the steps of a process, and says when to go over to what is faster.

    >>> pace = Pace()
    >>> for _ in range(3): pace.step(1.0)
    >>> pace.warm, pace.pays(10**6)
    (True, False)
    >>> for _ in range(50): pace.step(1.0)
    >>> pace.pays(100), pace.pays(1000)
    (False, True)
    """

    WARM = 3
    """Steps before anything is recorded: the optimiser makes its state, libraries choose their kernels."""
    LOOK = 50
    """Recorded steps that tell how long a step takes."""
    LONG = 300.0
    """Seconds of training left from which on compiling, which takes a minute or two, makes it shorter."""

    taken: int = 0
    seconds: float = 0.0
    compiled: bool = False

    def step(self, seconds: float) -> None:
        """A step was done in so many seconds."""
        self.taken += 1
        if self.taken > self.WARM + 1:  # that which records does not count
            self.seconds += seconds

    @property
    def warm(self) -> bool:
        """Whether the next step can be recorded."""
        return self.taken >= self.WARM

    def pays(self, left: int) -> bool:
        """Whether compiling makes a run shorter that has so many steps to go."""
        counted = self.taken - self.WARM - 1
        return not self.compiled and counted >= self.LOOK - 1 and self.seconds / counted * left > self.LONG
