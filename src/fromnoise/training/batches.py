"""What the optimiser steps need of data and randomness, prepared for several small steps at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fromnoise.data import Dataset
from fromnoise.model import Config
from fromnoise.model.conditions import CONDITIONS
from fromnoise.model.small import given_small
from fromnoise.process import TIMES, Level, Schedule, at
from fromnoise.sampling import shrunk
from fromnoise.training.draws import batch_index, draw, mix

NUMBERS, STEPS = 2**18, 64
"""At most so many numbers and steps are prepared at once: a small step costs less than its preparation alone.

On a GPU, where every small piece of work has to be sent, it is 16 times as many numbers.
"""


class Rows(Protocol):
    """What goes by rows, one for each sample."""

    def part(self, rows: slice) -> Rows:
        """Some of its rows."""
        ...


@dataclass(frozen=True)
class Batch:
    """Samples x_0 (n, *shape), their labels (n,) or None, the levels they go to, the noise that takes them there.

    u are the numbers in [0, 1) that their times came from, (n,), where times are drawn; `given` what the samples are
    drawn given, (n, ...); `beside` what a task needs besides, in the same rows.
    """

    x_0: Tensor
    labels: Tensor | None
    level: Level
    eps: Tensor
    u: Tensor | None = None
    given: Tensor | None = None
    beside: Rows | None = None

    def part(self, rows: slice) -> Batch:
        """Some of its samples."""
        labels, u, given = (None if some is None else some[rows] for some in (self.labels, self.u, self.given))
        beside = None if self.beside is None else self.beside.part(rows)
        level = Level(*(part[rows] for part in self.level))
        return Batch(self.x_0[rows], labels, level, self.eps[rows], u, given, beside)


class Block(Protocol):
    """Batches by place, such as a list of them."""

    def __getitem__(self, place: int, /) -> Batch: ...


class Blocks:
    """Batches by step, of which `steps` are prepared at once and kept until others are asked for.

    >>> blocks = Blocks(10, lambda block: [block] * 10)
    >>> blocks[9], blocks[10]
    (0, 1)
    """

    def __init__(self, steps: int, prepare: Callable[[int], Block]):
        self.steps, self.prepare = steps, prepare
        self._first = -1
        self._ready: Block = []

    def __getitem__(self, step: int) -> Batch:
        block, place = divmod(step, self.steps)
        if block != self._first:
            self._first, self._ready = block, self.prepare(block)
        return self._ready[place]


def given_to_samples(config: Config, data: Dataset) -> tuple[Tensor | None, Tensor | None]:
    """What the samples drawn while training are given, (train.samples, ...), and their classes: the first data's.

    None for what they are not given, and for classes where they are given nothing: they take each in turn.
    """
    index = [i % len(data) for i in range(config.train.samples)]
    factor, given = config.process.small, data.batch_given(index)
    if config.process.condition:
        given = CONDITIONS[config.process.condition](data.batch(index))
    elif factor:
        small = shrunk(factor)(data.batch(index))
        given = given_small(small, factor, torch.zeros(len(index)), torch.zeros_like(small))
    return given, None if given is None or not config.process.conditional else data.batch_labels(index)


class Batches:
    """The batches of a run by step, a function of the settings, the data and the step alone.

    `mine` are the rows of each batch that this process trains on; all processes draw the same randomness and take their
    own rows of it. `law` turns uniform numbers into those that become times; as the configuration says unless given.

    >>> from fromnoise.data import load
    >>> from fromnoise.process import linear
    >>> config = Config.from_dict({"train": {"steps": 3, "batch": 4}})
    >>> batches = Batches(config, load("moons", n=10), linear(10), torch.device("cpu"), slice(0, 4))
    >>> batches[2].x_0.shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        config: Config,
        data: Dataset,
        schedule: Schedule,
        device: torch.device,
        mine: slice,
        law: Callable[[Tensor], Tensor] | None = None,
    ):
        self.config, self.data, self.schedule, self.device, self.mine = config, data, schedule, device, mine
        self.law = law or TIMES[config.process.times]
        numbers = NUMBERS if device.type == "cpu" else 16 * NUMBERS
        steps = max(1, min(STEPS, numbers // (config.train.batch * int(np.prod(data.shape)))))
        self.blocks = Blocks(steps, self._prepare)

    def __getitem__(self, step: int) -> Batch:
        return self.blocks[step]

    def _prepare(self, block: int) -> list[Batch]:
        """All batches of a block of steps; the block draws as one large batch."""
        train, process, n, count = self.config.train, self.config.process, self.config.train.batch, self.blocks.steps
        hidden = train.label_dropout if process.conditional else 0.0
        draws = draw(train.seed, block, n * count, self.data.shape, train.flip, hidden, self.device)
        u, eps, flip, hide = (part.unflatten(0, (count, n))[:, self.mine].flatten(0, 1) for part in draws)
        steps = range(block * count, (block + 1) * count)
        index = np.concatenate([batch_index(train.seed, step, n, len(self.data))[self.mine] for step in steps])
        x_0, given = self.data.batch(index).to(self.device, non_blocking=True), self.data.batch_given(index)
        given = None if given is None else given.to(self.device, non_blocking=True)
        if train.flip:
            x_0 = torch.where(flip.to(self.device).reshape(-1, *[1] * (x_0.ndim - 1)), x_0.flip(-1), x_0)
        labels = self._labels(index, hide) if process.conditional or process.prediction == "class" else None
        u = self.law(u)
        level = at(self.schedule, self.schedule.times(u), x_0)
        given = self._small(x_0, block) if process.small else given
        given = CONDITIONS[process.condition](x_0) if process.condition else given
        whole, rows = Batch(x_0, labels, level, eps, u, given), len(index) // count
        return [whole.part(slice(i * rows, (i + 1) * rows)) for i in range(count)]

    def _small(self, x_0: Tensor, block: int) -> Tensor:
        """The pictures made small, noisy to a level that is drawn for each, and large again."""
        process, train, count = self.config.process, self.config.train, self.blocks.steps
        small = shrunk(process.small)(x_0)
        generator = torch.Generator(self.device).manual_seed(mix(train.seed, "small", block))
        shape = (count, train.batch, 1 + small[0].numel())
        drawn = torch.randn(shape, generator=generator, device=self.device)[:, self.mine].flatten(0, 1)
        share = 0.5 * (1 + torch.erf(drawn[:, 0] / math.sqrt(2)))  # uniform, from the same generator
        return given_small(small, process.small, process.small_noise * share, drawn[:, 1:].reshape(small.shape))

    def _labels(self, index: np.ndarray, hide: Tensor) -> Tensor:
        labels = self.data.batch_labels(index)
        assert labels is not None
        none = torch.full_like(labels, len(self.data.classes))
        return torch.where(hide, none, labels).to(self.device, non_blocking=True)
