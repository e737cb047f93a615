"""Distillation: its targets are where the teacher goes; a student of four steps is far better than four were."""

from __future__ import annotations

from collections import deque

import pytest
import torch

import fromnoise as fn
from fromnoise.data import load as load_data
from fromnoise.errors import UserError
from fromnoise.evaluation import sliced_wasserstein
from fromnoise.process import Denoised, Level, at, reverse
from fromnoise.sampling import Multistep, path, trajectory
from fromnoise.training import distilled
from fromnoise.training.batches import Batch
from fromnoise.training.distil import Teacher


def teacher_of(steps, **changes):
    config = distilled("swissroll", steps).override(changes)
    return Teacher(config, fn.load("swissroll").schedule, torch.device("cpu"))


def test_a_step_with_the_target_arrives_where_the_teacher_does():
    """Of the first step, one between, and the last, which goes home; all in one batch, in any order."""
    teacher, model = teacher_of(4, **{"distil.substeps": 5}), fn.load("swissroll")
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    times = [1000.0, 500.0, 250.0, 500.0, 1000.0, 250.0]
    n = at(model.schedule, torch.tensor(times), x)
    target = teacher.target(x, n, None)
    for i, t in enumerate(times):
        s = at(model.schedule, t - 250)
        way = path(model.schedule, [t - 50 * k for k in range(6)])
        *_, end = trajectory(model.guided(), Multistep(2), way, x[i : i + 1])
        landed = reverse(x[i : i + 1], Denoised(target[i : i + 1]), at(model.schedule, t), s, 0.0)[0]
        torch.testing.assert_close(landed if t > 250 else target[i : i + 1], end, rtol=2e-4, atol=2e-4)


def test_times_are_the_students_levels():
    u = torch.linspace(0, 1 - 1e-9, 400, dtype=torch.float64)
    times, counts = teacher_of(4).times(u).unique(return_counts=True)
    assert times.tolist() == [250.0, 500.0, 750.0, 1000.0]
    assert counts.tolist() == [100] * 4


def test_the_loss_vanishes_at_the_target():
    teacher = teacher_of(2)
    x_0 = torch.randn(4, 2)
    n = at(fn.load("swissroll").schedule, torch.tensor([500.0, 1000.0, 500.0, 1000.0]), x_0)
    batch = Batch(x_0, None, n, torch.randn(4, 2))
    asked: list[Level] = []

    def student(x, n):
        asked.append(n)
        return Denoised(teacher.target(x, n, None))

    assert float(teacher.loss(student, batch).max()) == 0.0
    off = teacher.loss(lambda x, n: Denoised(student(x, n).mean + 1), batch)
    torch.testing.assert_close(off, 2 * (1 / n.sigma**2).flatten())


@pytest.mark.slow
def test_four_steps_become_good(tmp_path):
    """And the result is a run: it goes on, and loads with its own four steps."""
    config = distilled("swissroll", 4).override({"train.steps": 600, "train.batch": 256, "train.lr": 1e-3})
    deque(fn.fit(config, tmp_path / "four"), maxlen=0)
    model = fn.load(tmp_path / "four")
    assert model.calls() == model.steps() == 4
    data = load_data("swissroll", n=2000, seed=9)
    real = data.units.to_own(data.batch(range(2000)))
    student = sliced_wasserstein(model.sample(2000), real)
    before = sliced_wasserstein(fn.load("swissroll").sample(2000, solver="ddim", steps=4), real)
    assert student < 0.35 * before, (student, before)


@pytest.mark.parametrize("steps", [0, 1000])
def test_as_many_steps_as_the_teacher_are_refused(steps):
    with pytest.raises(UserError, match="distil it into 1 to 999"):
        distilled("swissroll", steps)


def test_a_teacher_that_adds_noise_is_refused():
    with pytest.raises(UserError, match="unknown solver without noise"):
        teacher_of(2, **{"distil.solver": "ddpm"})
