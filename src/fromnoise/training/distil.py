"""Distillation: a student learns to take in one step what its teacher takes in many (Salimans & Ho 2022)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from fromnoise.errors import UserError
from fromnoise.model import Config, Model, load
from fromnoise.model.assembly import make_denoiser
from fromnoise.model.options import unknown
from fromnoise.model.store import pack
from fromnoise.process import Level, Schedule, at, denoising_loss
from fromnoise.process.objectives import velocity
from fromnoise.sampling import SOLVERS, path
from fromnoise.training.batches import Batch, Blocks
from fromnoise.training.draws import mix
from fromnoise.training.matching import Draws, Matching

STEPS = 4000
"""Optimiser steps of a distillation unless told otherwise."""
WALKS = 4
"""Of the teacher at once, for each row of a batch."""


def distilled(name: str, steps: int, network: str | type[nn.Module] | None = None) -> Config:
    """The configuration that distils a trained model into one of so many steps.

    The student begins as the teacher and is told the class always: it learns the teacher's guided samples, and needs no
    guidance of its own. A teacher that was distilled itself knows its own levels alone: it takes its own steps, of
    which the student's must be a part. Of images the last quarter of training is `Matching`. `network` is the class of
    a network of your own. Raises UserError for a model that there is not, and for a number of steps that it cannot
    teach.

    >>> distilled("mnist", 4).sample.steps
    4
    """
    teacher = load(name, device="cpu", network=network)
    most, own = teacher.steps(), bool(teacher.config.distil.teacher)
    if not 1 <= steps < most:
        raise UserError(f"{name} takes {most} steps: distil it into 1 to {most - 1}, not {steps}")
    if own and most % steps:
        parts = " or ".join(str(n) for n in range(1, most) if most % n == 0)
        raise UserError(f"{name} was distilled into {most} steps: distil it into {parts}, not {steps}")
    root = (teacher.config.distil.law or teacher.config.distil.teacher) if own else name
    changes = {
        "distil.teacher": name, "distil.law": root, "distil.steps": steps, "distil.solver": "ddim" if own else "dpmpp",
        "distil.substeps": most // steps if own else max(1, round(min(32, most) / steps)),
        "distil.digest": fingerprint(teacher), "process.times": "uniform",
        "distil.match": 0.25 if teacher.facts.kind == "images" else 0.0,
        "train.init": name, "train.steps": STEPS, "train.warmup": 50, "train.flip": False, "train.log_every": 20,
        "train.lr": teacher.config.train.lr, "train.decay": "cosine", "train.label_dropout": 0.0,
        "sample.solver": "ddim", "sample.path": teacher.config.sample.path if own else "even",
        "sample.steps": steps, "sample.weight": 1.0,
    }  # fmt: skip
    return teacher.config.override(changes)


def fingerprint(teacher: Model) -> str:
    """Of what a student learns from: the teacher's weights, how it is guided and clipped, and steps that it learned.

    >>> len(fingerprint(load("swissroll")))
    16
    """
    weights = pack({name: weight.cpu() for name, weight in teacher.network.state_dict().items()})
    own, learned = teacher.config.sample, teacher.config.distil.teacher
    used = (own.weight, own.clip, own.path, own.steps) if learned else (own.weight, own.clip)
    return hashlib.sha256(weights + repr(used).encode()).hexdigest()[:16]


def _check(config: Config, teacher: Model) -> None:
    """See that a student is one of this teacher. Raises UserError."""
    if teacher.facts.given:
        raise UserError("a model whose samples are drawn given something cannot be distilled yet")
    same = dataclasses.replace(teacher.config.process, times="uniform")
    if config.distil.digest not in ("", fingerprint(teacher)):
        raise UserError(f"{config.distil.teacher} has changed since this distillation began: give another --out")
    if config.process.times != "uniform":
        raise UserError("a distillation trains at the student's own levels: leave process.times at uniform")
    if config.schedule != teacher.config.schedule or config.process != same:
        raise UserError("a student has its teacher's schedule and process: leave [schedule] and [process] as they are")
    if config.train.label_dropout or config.train.flip:
        raise UserError("a student is told each class and mirrors nothing: leave train.label_dropout and train.flip")
    if config.sample.weight != 1:
        raise UserError("a student has learned its teacher's guidance: leave sample.weight at 1")
    if config.distil.steps != config.sample.steps:
        raise UserError("a student is sampled in the steps that it learns: use --steps to say how many")


class Distillation:
    """First the teacher's walks are learned, step by step, then the law of their ends (`Matching`).

    Walks pair each noise with its sample: the student learns quickly what belongs where, but in one step stays too
    smooth, in four with a haze. Matching makes sharp what it has, within a few hundred steps. `distil.match` is the
    share of the steps, the last, that go to it; the critic begins earlier, and learns at the full rate while the
    student's falls. No data are needed. Raises UserError for settings that are not those of a student of this teacher.
    """

    steady = False
    EARLIER = 100
    """Steps by which the critic begins before the student follows it: a critic that lags leads astray."""

    def __init__(
        self,
        config: Config,
        schedule: Schedule,
        device: torch.device,
        mine: slice,
        network: str | type[nn.Module] | None = None,
    ):
        self.walks, self.matching, self.step = Walks(config, schedule, device, mine, network), None, -1
        self.config, self.schedule = config, schedule
        self.split = round((1 - config.distil.match) * config.train.steps)
        if self.split < config.train.steps:
            law = config.distil.law or config.distil.teacher
            same = law == config.distil.teacher
            model = self.walks.model if same else load(law, device=device, network=network)
            self.matching = Matching(config, schedule, self.walks.levels, model, mine)

    def _begun(self) -> Matching | None:
        """The matching, once its critic has begun."""
        return self.matching if self.step >= self.split - self.EARLIER else None

    def batch(self, step: int) -> Batch:
        self.step = step
        matching = self._begun()
        if matching is None:
            return self.walks[step]
        if step >= self.split:
            return matching.batch(step)
        batch = self.walks[step]
        return dataclasses.replace(batch, beside=matching.draws(step, batch.labels))

    def loss(self, network: Callable[..., Tensor], part: Batch) -> Tensor:
        denoise = make_denoiser(network, self.config.process, self.schedule, part.labels)
        matching = self._begun()
        if matching is not None:
            assert isinstance(part.beside, Draws)
            if self.step >= self.split:
                return matching.loss(denoise, part.beside)
            matching.watch(denoise, part.beside)
        return denoising_loss(denoise, part.x_0, part.level, part.eps, velocity)

    def settle(self, total: Callable[[Tensor], Tensor]) -> None:
        if (matching := self._begun()) is not None:
            matching.settle(total)

    def state(self) -> Mapping[str, Tensor]:
        return {} if (matching := self._begun()) is None else matching.state()

    def restore(self, state: Mapping[str, Tensor], step: int) -> None:
        self.step = step - 1  # the last that was done
        if (matching := self._begun()) is not None:
            matching.restore(state)


class Walks:
    """The batches of a distillation: where the teacher's walks pass the student's levels, and where they go from there.

    A walk is the teacher's, from noise to a sample, by an ODE solver in `substeps` steps for each of the student's. At
    a level t of the student it is at x_t, at the next level at x_s: a batch holds x_t, as x_0 and ε, with the x_0 with
    which one step of DDIM from x_t arrives at x_s. So the loss of training is that of distillation. A teacher that was
    distilled itself takes its own steps, of which the student's levels are a part.

    Each walk serves `distil.reuse` times at each level, in an order drawn anew for every block of steps; all is a
    function of the settings and the step alone. `mine` are the rows of each batch that this process trains on.
    """

    def __init__(
        self,
        config: Config,
        schedule: Schedule,
        device: torch.device,
        mine: slice,
        network: str | type[nn.Module] | None = None,
    ):
        own = config.distil
        self.config, self.schedule, self.mine = config, schedule, mine
        self.model = load(own.teacher, device=device, network=network)
        _check(config, self.model)
        if own.solver not in SOLVERS or SOLVERS[own.solver].noise:
            raise unknown("solver without noise", own.solver, [name for name, one in SOLVERS.items() if not one.noise])
        self.solver = SOLVERS[own.solver].make(schedule)
        self.way, self.passed = self._learned_way() if self.model.config.distil.teacher else self._fine_way()
        self.levels = [self.way[i] for i in self.passed]
        self.steps = own.steps * own.reuse * WALKS
        self._blocks = Blocks(self.steps, self._prepare)

    def __getitem__(self, step: int) -> Batch:
        return self._blocks[step]

    def walked(self, first: int, n: int) -> Tensor:
        """Where the teacher's walks first ... first + n − 1 are at the student's levels, (levels, n, *shape)."""
        seed, precision = mix(self.config.train.seed, "walks", 0), self.config.train.precision
        states = self.model.trajectory(
            n, seed=seed, first=first, solver=self.solver, path=self.way, precision=precision
        )
        return torch.stack([x for i, x in enumerate(states) if i in self.passed])

    def _learned_way(self) -> tuple[list[Level], list[int]]:
        """The levels that a distilled teacher learned, and which of them are the student's. Raises UserError."""
        levels, own = self.model.walk().levels, self.config.distil
        if (len(levels) - 1) != own.steps * own.substeps:
            raise UserError(f"{own.teacher} has {len(levels) - 1} steps, not {own.steps} x {own.substeps} of them")
        return levels, list(range(0, len(levels), own.substeps))

    def _fine_way(self) -> tuple[list[Level], list[int]]:
        """The student's levels with `substeps` steps of the teacher between each two, and which they are."""
        levels = self.model.walk("ddim", self.config.distil.steps, self.config.sample.path).levels
        times, passed = [float(levels[0].t)], [0]
        for t, s in pairwise(levels):
            between = torch.linspace(float(t.t), float(s.t), self.config.distil.substeps + 1, dtype=torch.float64)
            between = (between.round() if self.schedule.T > 1 else between).unique().flip(0)
            times += between[1:].tolist()
            passed.append(len(times) - 1)
        return path(self.schedule, times), passed

    def _prepare(self, block: int) -> Walked:
        n, train = self.config.train.batch, self.config.train
        rows = len(range(n)[self.mine])
        first = (block * n + (self.mine.start or 0)) * WALKS
        walked = self.walked(first, rows * WALKS)
        labels = self.model.labels(rows * WALKS, None, first) if self.config.process.conditional else None
        host = torch.Generator().manual_seed(mix(train.seed, "order", block))
        order = torch.rand(n, self.steps, generator=host).argsort(1)[self.mine]
        times = torch.stack([level.t for level in self.levels])
        return Walked(self.schedule, times, walked, labels, order)


@dataclass(frozen=True)
class Walked:
    """Walks (levels, rows · WALKS, *shape) at the levels of some times, and in which order (rows, steps) they serve."""

    schedule: Schedule
    times: Tensor
    walked: Tensor
    labels: Tensor | None
    order: Tensor

    def __getitem__(self, step: int) -> Batch:
        """One example a row, of those that its walks give: the level, then the walk, then again from the first."""
        which, count = self.order[:, step], len(self.times) - 1
        level, walk = which % count, torch.arange(len(which)) * WALKS + which // count % WALKS
        x, end = self.walked[level, walk], self.walked[level + 1, walk]
        t, s = (at(self.schedule, times[level], x) for times in (self.times[:-1], self.times[1:]))
        ratio = s.sigma / t.sigma
        x_0 = (end - ratio * x) / (s.alpha - ratio * t.alpha)
        return Batch(x_0, None if self.labels is None else self.labels[walk], t, (x - t.alpha * x_0) / t.sigma)
