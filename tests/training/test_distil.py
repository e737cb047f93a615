"""Distillation: its targets are where the teacher goes; a student of four steps is far better than four were."""

from __future__ import annotations

import copy
from collections import Counter, deque

import pytest
import torch

import fromnoise as fn
from fromnoise.data import load as load_data
from fromnoise.errors import UserError
from fromnoise.evaluation import bound, flow, sliced_wasserstein
from fromnoise.model import Model
from fromnoise.process import Denoised, at, reverse
from fromnoise.sampling import Multistep, path
from fromnoise.training import distilled
from fromnoise.training.distil import WALKS, Walks
from fromnoise.training.draws import mix
from runs import drain


def walks_of(steps, mine=slice(0, 8), **changes):
    config = distilled("swissroll", steps).override({"train.batch": 8, **changes})
    return Walks(config, fn.load("swissroll").schedule, torch.device("cpu"), mine)


def test_the_walks_are_the_teachers():
    """From its noise to its samples, in its own units, through the student's levels."""
    model, walks = fn.load("swissroll"), walks_of(4, **{"distil.substeps": 5})
    seed, way = mix(0, "walks", 0), path(model.schedule, [1000.0 - 50 * k for k in range(21)])
    states = list(model.trajectory(6, seed=seed, first=3, solver=Multistep(2), path=way))
    torch.testing.assert_close(walks.walked(3, 6), torch.stack(states[::5]))


def test_a_step_with_the_target_arrives_where_the_teacher_does():
    """Of the first step, those between, and the last, which goes home."""
    walks, schedule = walks_of(4, **{"distil.substeps": 5}), fn.load("swissroll").schedule
    walked, seen = walks.walked(0, 8 * WALKS), set()
    for step in range(walks.steps):
        batch = walks[step]
        x_0, level, eps = batch.x_0, batch.level, batch.eps
        for row, t in enumerate(level[0].flatten()):
            start, index = at(schedule, t), int(4 - t / 250)
            x_t = start.alpha * x_0[row] + start.sigma * eps[row]
            near = (walked[index, row * WALKS : (row + 1) * WALKS] - x_t).abs().amax(1)
            walk = row * WALKS + int(near.argmin())
            assert near.min() < 1e-5
            end = reverse(x_t, Denoised(x_0[row]), start, at(schedule, t - 250), 0.0)[0] if t > 250 else x_0[row]
            torch.testing.assert_close(end, walked[index + 1, walk], rtol=2e-4, atol=2e-4)
            seen.add((walk, index))
    assert len(seen) == 8 * WALKS * 4  # every walk at every level


def test_each_walk_is_used_as_often_at_each_level():
    walks = walks_of(2, **{"distil.reuse": 3, "distil.substeps": 2})
    counts = Counter(
        (row, round(float(x), 5)) for step in range(walks.steps) for row, x in enumerate(walks[step].x_0[:, 0])
    )
    assert len(counts) == 8 * WALKS * 2
    assert set(counts.values()) == {3}
    assert not torch.equal(walks[0].x_0, walks[walks.steps].x_0)  # the next block has walks of its own


def test_processes_take_their_rows_of_the_same_batches():
    whole, half = walks_of(2, **{"distil.substeps": 2}), walks_of(2, slice(4, 8), **{"distil.substeps": 2})
    for step in (0, whole.steps + 1):
        torch.testing.assert_close(half[step].x_0, whole[step].x_0[4:])
        torch.testing.assert_close(half[step].eps, whole[step].eps[4:])
        assert torch.equal(half[step].level.t, whole[step].level.t[4:])


def test_a_teacher_of_classes_is_asked_for_each_in_turn():
    config = distilled("mnist", 1).override({"train.batch": 5, "distil.substeps": 1, "distil.reuse": 1})
    walks = Walks(config, fn.load("mnist").schedule, torch.device("cpu"), slice(0, 5))
    labels = torch.stack([walks[step].labels for step in range(walks.steps)])
    assert sorted(labels.flatten().tolist()) == sorted(list(range(10)) * (walks.steps * 5 // 10))
    assert labels.T.sort(1).values[0].tolist() == [0, 1, 2, 3]  # the walks of the first row


@pytest.mark.parametrize("path_of_teacher", ["even", "karras"])
def test_a_distilled_teacher_takes_the_steps_that_it_learned(tmp_path, path_of_teacher):
    """Whatever the path: the student's levels are those that the teacher passes, in its own steps."""
    config = distilled("swissroll", 12).override({"train.steps": 1, "train.batch": 4, "sample.path": path_of_teacher})
    drain(config, tmp_path / "twelve")
    teacher, config = fn.load(tmp_path / "twelve"), distilled(str(tmp_path / "twelve"), 3)
    own = teacher.walk().levels
    walks = Walks(config, teacher.schedule, torch.device("cpu"), slice(0, config.train.batch))
    assert [float(level.t) for level in walks.levels] == [float(level.t) for level in own[::4]]
    seed = mix(0, "walks", 0)
    states = list(teacher.trajectory(3, seed=seed, path=own, precision=config.train.precision))
    torch.testing.assert_close(walks.walked(0, 3), torch.stack(states[::4]))
    with pytest.raises(UserError, match="has 12 steps, not 3 x 2 of them"):
        drain(config.override({"distil.substeps": 2}), None)
    assert distilled(str(tmp_path / "twelve"), 3).distil.law == "swissroll"


def test_the_data_of_the_teacher_need_not_be_there(tmp_path):
    """A model that somebody else has trained can be distilled."""
    model = fn.load("swissroll")
    Model(model.config.override({"data.name": "gone.npy"}), model.network).save(tmp_path / "theirs")
    config = distilled(str(tmp_path / "theirs"), 4).override({"train.steps": 1, "train.batch": 4})
    drain(config, tmp_path / "run")
    assert fn.load(tmp_path / "run").facts == model.facts


def test_a_teacher_that_changes_is_noticed(tmp_path):
    model = fn.load("swissroll")
    model.save(tmp_path / "teacher")
    config = distilled(str(tmp_path / "teacher"), 4).override({"train.steps": 1, "train.batch": 4})
    (tmp_path / "teacher" / "tuned.toml").write_text('solver = "heun"\nsteps = 9\n')  # of which it learns nothing
    drain(config, None)
    network = copy.deepcopy(model.network)
    next(network.parameters()).add_(1e-3)
    model.with_network(network).save(tmp_path / "teacher")
    with pytest.raises(UserError, match="has changed since this distillation began"):
        drain(config, None)


def test_a_teacher_may_move(tmp_path):
    """Its digest says that it is the same; whatever else has changed is named by what says most."""
    fn.load("swissroll").save(tmp_path / "teacher")
    how = {"train.steps": 2, "train.batch": 4}
    drain(distilled(str(tmp_path / "teacher"), 4).override(how), tmp_path / "run")
    (tmp_path / "teacher").rename(tmp_path / "moved")
    config = distilled(str(tmp_path / "moved"), 4).override(how)
    assert drain(config.override({"train.steps": 3}), tmp_path / "run")[0].step == 2
    with pytest.raises(UserError, match=r"was trained with distil\.teacher"):
        drain(distilled("swissroll", 3).override({**how, "train.seed": 1, "distil.digest": ""}), tmp_path / "run")


def test_a_student_knows_its_own_levels_alone(tmp_path):
    config = distilled("swissroll", 4).override({"train.steps": 1, "train.batch": 4})
    drain(config, tmp_path / "four")
    student = fn.load(tmp_path / "four")
    assert torch.equal(student.sample(3, solver="ddim", steps=4, path="even"), student.sample(3))
    for other in ({"steps": 8}, {"solver": "ddpm"}, {"path": "lambda"}, {"on": "cosine"}):
        with pytest.raises(UserError, match="levels of its own 4 steps alone"):
            student.sample(3, **other)
    for measure in (bound, flow):
        with pytest.raises(UserError, match="ask swissroll"):
            measure(student, torch.zeros(2, 2))


@pytest.mark.slow
def test_four_steps_become_good(tmp_path):
    """And the result is a run: it goes on, and loads with its own four steps."""
    config = distilled("swissroll", 4).override({"train.steps": 600, "train.batch": 256, "train.lr": 1e-3})
    deque(fn.fit(config, tmp_path / "four"), maxlen=0)
    model = fn.load(tmp_path / "four")
    assert model.calls() == model.steps() == 4
    again = distilled(str(tmp_path / "four"), 2)
    assert (again.distil.solver, again.distil.substeps) == ("ddim", 2)  # its own steps: it knows no other levels
    with pytest.raises(UserError, match="distil it into 1 or 2, not 3"):
        distilled(str(tmp_path / "four"), 3)
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
        walks_of(2, **{"distil.solver": "ddpm"})
