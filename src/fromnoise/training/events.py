"""What training says while it goes on: `fit` yields these, and command line, notebook and tests read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from fromnoise.model import Config, Model


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on from `step`; `skipped` names the broken files of the data."""

    config: Config = field(repr=False)
    step: int
    steps: int
    parameters: int
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stepped:
    """`step` steps are done; loss is the mean since the last such event: a number of the data, or with
    `train.reduction` sum a whole batch.

    `rate` is steps a second, without sampling and saving.
    """

    step: int
    loss: float
    lr: float
    grad_norm: float
    rate: float


@dataclass(frozen=True)
class Compiling:
    """After `step` steps the network is being compiled, which takes a minute or two and saves more."""

    step: int


@dataclass(frozen=True)
class Skipped:
    """A step whose gradient was not finite was left out; `total` so far."""

    step: int
    total: int


@dataclass(frozen=True)
class Sampled:
    """Samples drawn with the averaged weights, in the data's own units, (n, *shape); labels or None."""

    step: int
    samples: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Saved:
    """A whole checkpoint is on disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class Finished:
    """The last step is done, or training was interrupted; the model samples with the averaged weights."""

    step: int
    model: Model
    interrupted: bool


Event = Started | Stepped | Compiling | Skipped | Sampled | Saved | Finished
