"""Distillation: a student learns to take in one step what its teacher takes in many (Salimans & Ho 2022)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from fromnoise.errors import UserError
from fromnoise.model import Config, load
from fromnoise.model.options import unknown
from fromnoise.process import Denoiser, Level, Schedule
from fromnoise.process.objectives import velocity
from fromnoise.sampling import SOLVERS, path, trajectory
from fromnoise.training.batches import Batch

Objective = Callable[[Denoiser, Batch], Tensor]
"""(denoiser, batch) -> the loss of each sample, summed over its elements, (B,)."""

STEPS = 4000
"""Optimiser steps of a distillation unless told otherwise."""


def distilled(name: str, steps: int, network: str | type[nn.Module] | None = None) -> Config:
    """The configuration that distils a trained model into one of so many steps.

    The student begins as the teacher and is told the class always: it learns the teacher's guided samples, and needs no
    guidance of its own. `network` is the class of a network of your own. Raises UserError for a model that there is
    not, and for as many steps as it takes itself.

    >>> distilled("mnist", 4).sample.steps
    4
    """
    teacher = load(name, device="cpu", network=network)
    if not 1 <= steps < teacher.steps():
        raise UserError(f"{name} takes {teacher.steps()} steps: distil it into 1 to {teacher.steps() - 1}, not {steps}")
    changes = {
        "distil.teacher": name, "distil.steps": steps, "distil.substeps": max(1, min(8, teacher.steps() // steps)),
        "train.init": name, "train.steps": STEPS, "train.warmup": 50,
        "train.lr": teacher.config.train.lr / 2, "train.label_dropout": 0.0, "process.times": "uniform",
        "sample.solver": "ddim", "sample.path": "even", "sample.steps": steps, "sample.weight": 1.0,
    }  # fmt: skip
    return teacher.config.override(changes)


class Teacher:
    """The targets of a distillation.

    Data are noised to one of the student's levels t. From there the teacher walks to the student's next level s, by an
    ODE solver in `substeps` steps; the target is the x̂_0 with which a step of DDIM from t would arrive at the same x_s.
    """

    def __init__(
        self, config: Config, schedule: Schedule, device: torch.device, network: str | type[nn.Module] | None = None
    ):
        own = config.distil
        self.model = load(own.teacher, device=device, network=network)
        self.precision = config.train.precision
        self.levels = self.model.walk("ddim", own.steps, "even").levels
        if own.solver not in SOLVERS or SOLVERS[own.solver].noise:
            raise unknown("solver without noise", own.solver, [name for name, one in SOLVERS.items() if not one.noise])
        self.solver = SOLVERS[own.solver].make(schedule)
        self.ways = [_between(schedule, t, s, own.substeps) for t, s in pairwise(self.levels)]

    def times(self, u: Tensor) -> Tensor:
        """Uniform numbers -> the times of the student's levels, each as often."""
        times = torch.tensor([float(level.t) for level in self.levels[:-1]], dtype=torch.float64)
        return times[(u.double() * len(times)).long().clamp(max=len(times) - 1)]

    def loss(self, denoise: Denoiser, batch: Batch) -> Tensor:
        """(1 + SNR) ‖E[x_0|x_t] − target‖² a sample, (B,), summed over its elements."""
        n = batch.level
        x_t = n.alpha * batch.x_0 + n.sigma * batch.eps
        error = denoise(x_t, n).mean - self.target(x_t, n, batch.labels)
        return (velocity(n) * error**2).flatten(1).sum(1)

    def target(self, x_t: Tensor, n: Level, labels: Tensor | None) -> Tensor:
        """What the student's estimate of x_0 should be at x_t (B, ...), whose levels n are the student's."""
        target = torch.empty_like(x_t)
        for (t, s), way in zip(pairwise(self.levels), self.ways, strict=True):
            mine = (n.t.flatten() - t.t.to(n.t)).abs() < 1e-6 * max(1.0, float(self.levels[0].t))
            if bool(mine.any()):
                target[mine] = self._walked(x_t[mine], t, s, way, None if labels is None else labels[mine])
        return target

    @torch.no_grad()
    def _walked(self, x: Tensor, t: Level, s: Level, way: list[Level], labels: Tensor | None) -> Tensor:
        denoise = self.model.guided(labels, precision=self.precision)
        *_, end = trajectory(denoise, self.solver, way, x)
        if bool(s.sigma == 0):
            return end
        ratio = s.sigma / t.sigma
        return (end - ratio * x) / (s.alpha - ratio * t.alpha)


def _between(schedule: Schedule, t: Level, s: Level, count: int) -> list[Level]:
    """From t to s in `count` steps even in time; of whole times as many as there are."""
    times = torch.linspace(float(t.t), float(s.t), count + 1, dtype=torch.float64)
    times = (times.round() if schedule.T > 1 else times).unique().flip(0)
    return path(schedule, times.tolist())
