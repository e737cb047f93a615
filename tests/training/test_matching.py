"""Distribution matching: its fixed point is the model's law, its critic learns the student's, and a run resumes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import fromnoise as fn
from fromnoise.errors import UserError
from fromnoise.model import checkpoints
from fromnoise.model.store import read_tensors
from fromnoise.process import Denoised, Flow, GaussianMixture, at
from fromnoise.training import Saved, distilled
from fromnoise.training.distil import Distillation
from fromnoise.training.matching import Matching
from runs import differing, drain, leave

MEAN, WIDTH = 0.7, 0.4


def matching_of(steps=1, mine=slice(0, 64), **changes):
    config = distilled("swissroll", steps).override({"train.batch": 64, **changes})
    model = fn.load("swissroll")
    levels = model.walk("ddim", steps, "even").levels
    return Matching(config, model.schedule, levels, model, mine)


def normal(mean, width):
    """The exact denoiser of N(mean, width² I) in the plane."""
    return GaussianMixture([1.0], [[float(mean)] * 2], [(float(width) ** 2 * torch.eye(2)).tolist()])


class Line(nn.Module):
    """A student that makes mean + width z of noise z: its law is known exactly."""

    def __init__(self):
        super().__init__()
        self.mean, self.width = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(1.0))

    def forward(self, x, n):
        return Denoised(self.mean + self.width * (x - 0 * n.alpha))


def single(law):
    """An exact denoiser of doubles for floats."""
    return lambda x, n: Denoised(law(x.double(), n).mean.float())


def test_exact_denoisers_lead_a_student_to_the_models_law():
    """KL(N(m, s²) ‖ N(0.7, 0.4²)) is least at m = 0.7, s = 0.4 and nowhere else; begun at m = 0, s = 1."""
    matching, student = matching_of(), Line()
    matching.model.guided = lambda *_, **__: single(normal(MEAN, WIDTH))
    matching._own = lambda labels: single(normal(student.mean.detach(), student.width.detach()))
    matching._learn = lambda x, draws: None
    optimizer = torch.optim.Adam(student.parameters(), 0.02)
    torch.manual_seed(0)
    seen = []
    for step in range(400):
        optimizer.zero_grad()
        matching.loss(student, matching.draws(step, None)).mean().backward()
        optimizer.step()
        seen.append((student.mean.item(), student.width.item()))
    mean, width = torch.tensor(seen[-100:]).mean(0)
    assert abs(mean - MEAN) < 0.02
    assert abs(width - WIDTH) < 0.02


def test_the_critic_learns_the_students_law():
    """It begins as the model of the Swiss roll; a student that draws N(0.7, 0.4²) makes it that law's denoiser."""
    matching, student = matching_of(**{"train.lr": 1e-3}), Line()
    student.mean.data.fill_(MEAN)
    student.width.data.fill_(WIDTH)
    level = at(matching.schedule, 400)
    x = level.alpha.float() * (MEAN + WIDTH * torch.randn(500, 2)) + level.sigma.float() * torch.randn(500, 2)
    exact = single(normal(MEAN, WIDTH))(x, level).mean

    def off():
        with torch.no_grad():
            return float((matching._own(None)(x, level).mean - exact).square().mean().sqrt())

    before = off()
    for step in range(150):
        matching.loss(student, matching.draws(step, None))
        matching.settle(lambda value: value)
    assert off() < 0.25 * before, (before, off())


@pytest.mark.parametrize("steps", [1, 3])
def test_the_gradient_is_that_of_the_last_step(steps):
    matching, levels = matching_of(steps), []

    class Watched(Line):
        def forward(self, x, n):
            levels.append((float(n.t.flatten()[0]), torch.is_grad_enabled()))
            return super().forward(x, n)

    student = Watched()
    matching.loss(student, matching.draws(0, None)).sum().backward()
    assert [grad for _, grad in levels] == [False] * (steps - 1) + [True]
    assert [t for t, _ in levels] == [float(level.t) for level in matching.levels[:-1]]
    assert student.width.grad is not None


def test_processes_take_their_rows_of_the_same_noise():
    whole, half = matching_of(), matching_of(mine=slice(32, 64))
    for name in ("z", "u", "noise", "own"):
        of_all, of_half = (getattr(one.batch(3).beside, name) for one in (whole, half))
        assert torch.equal(of_half, of_all[32:])
        assert torch.equal(getattr(whole.batch(3).part(slice(32, 64)).beside, name), of_half)
    draws = whole.batch(3).beside
    assert not torch.equal(draws.z, whole.batch(4).beside.z)
    assert not torch.equal(draws.z, draws.noise)
    assert not torch.equal(draws.noise, draws.own)


def test_the_noise_has_the_size_of_the_first_level():
    """For a level whose alpha² + sigma² is 1/2, as that of data of unit variance noised to there."""
    matching, seen = matching_of(), []
    matching.levels = [at(Flow(), 0.5), at(Flow(), 0.0)]
    draws = matching.draws(0, None)
    matching._drawn(lambda x, n: seen.append(x) or Denoised(x), draws)
    torch.testing.assert_close(seen[0], 0.5**0.5 * draws.z)


def test_the_critic_watches_what_the_student_draws_for_its_class(monkeypatch):
    """In the steps before matching the student is told the classes of its walks, and so is the critic."""
    monkeypatch.setattr(Distillation, "EARLIER", 1)
    how = {"train.steps": 2, "train.batch": 4, "train.accumulate": 2, "distil.match": 0.5, "distil.substeps": 1}
    config, schedule = distilled("mnist", 2).override(how), fn.load("mnist").schedule
    task, told = Distillation(config, schedule, torch.device("cpu"), slice(0, 4)), []
    monkeypatch.setattr(task.matching, "watch", lambda denoise, draws: told.append(draws))
    batch = task.batch(0)
    parts = [batch.part(slice(0, 2)), batch.part(slice(2, 4))]
    for part in parts:
        task.loss(fn.load("mnist").network, part)
    assert torch.equal(torch.cat([draws.labels for draws in told]), batch.labels)
    assert torch.equal(torch.cat([draws.z for draws in told]), task.matching.draws(0, None).z)


def test_a_critic_that_is_the_model_leaves_the_student_where_it_is():
    """Both means are clipped or neither: else they differ wherever the model's leaves [−1, 1]."""
    config, model = distilled("mnist", 1).override({"train.batch": 4, "train.precision": "fp32"}), fn.load("mnist")
    matching = Matching(config, model.schedule, model.walk("ddim", 1, "even").levels, model, slice(0, 4))
    matching._learn = lambda x, draws: None
    x = model.sample(4, steps=5, seed=0).requires_grad_()
    loss = matching.loss(lambda *_: Denoised(x), matching.draws(0, torch.arange(4)))
    assert float(loss.detach().max()) < 1e-6


def short(**changes):
    return distilled("swissroll", 2).override(
        {
            "train.steps": 20,
            "train.batch": 16,
            "train.checkpoint_every": 5,
            "train.log_every": 5,
            "distil.match": 0.5,
            **changes,
        }
    )


@pytest.mark.parametrize("at_step", [5, 10, 15])
def test_a_run_that_stopped_is_the_run_that_did_not(tmp_path, at_step, monkeypatch):
    """Before the critic begins, when the student begins to follow it, and after."""
    monkeypatch.setattr(Distillation, "EARLIER", 2)
    drain(short(), tmp_path / "whole")
    leave(short(), tmp_path / "run", lambda e: isinstance(e, Saved) and e.step == at_step)
    kept = checkpoints(tmp_path / "run")[-1] / "task.safetensors"
    assert kept.exists() == (at_step > 5)
    drain(short(), tmp_path / "run")
    assert differing(tmp_path / "run", tmp_path / "whole") == []
    assert any(key.startswith("critic.") for key in read_tensors(checkpoints(tmp_path / "run")[-1] / kept.name))


def test_a_lost_critic_is_one_line(tmp_path):
    leave(short(), tmp_path / "run", lambda e: isinstance(e, Saved) and e.step == 15)
    (checkpoints(tmp_path / "run")[-1] / "task.safetensors").unlink()
    with pytest.raises(UserError, match=r"checkpoint .* cannot be used"):
        drain(short(), tmp_path / "run")


def test_what_cannot_be_is_one_line():
    with pytest.raises(UserError, match="share from 0 to 1"):
        short(**{"distil.match": 1.5})
    with pytest.raises(UserError, match="bf16 or fp32"):
        matching_of(**{"train.precision": "fp16"})


def test_walks_alone_need_no_critic_and_no_epochs():
    """Nor do they mind half precision, which needs its loss scaled."""
    schedule, cpu = fn.load("swissroll").schedule, torch.device("cpu")
    task = Distillation(short(**{"distil.match": 0.0, "train.precision": "fp16"}), schedule, cpu, slice(0, 16))
    assert task.matching is None
    with pytest.raises(UserError, match=r"knows no epochs: give --train\.steps"):
        drain(short(**{"train.steps": 0, "train.epochs": 2.0}), None)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("process.times", "learned", "leave process.times at uniform"),
        ("process.prediction", "eps", r"leave \[schedule\] and \[process\]"),
        ("process.loss", "clean", r"leave \[schedule\] and \[process\]"),
        ("schedule.T", 500, r"leave \[schedule\] and \[process\]"),
        ("train.label_dropout", 0.5, "told each class"),
        ("distil.steps", 4, "in the steps that it learns"),
        ("distil.digest", "another", "has changed since"),
    ],
)
def test_settings_that_are_not_a_students_are_refused(key, value, says):
    with pytest.raises(UserError, match=says):
        drain(short(**{key: value}), None)


@pytest.mark.parametrize(("key", "value"), [("train.steps", 10), ("sample.path", "lambda"), ("sample.clip", True)])
def test_what_the_student_learns_for_stays(tmp_path, key, value):
    """Matching counts from the end, the levels are the path's: they are as they were when the run goes on."""
    leave(short(), tmp_path / "run", lambda e: isinstance(e, Saved) and e.step == 5)
    with pytest.raises(UserError, match=f"was trained with {key}"):
        drain(short(**{key: value}), tmp_path / "run")


def test_the_critic_begins_before_the_student_follows_it(monkeypatch):
    monkeypatch.setattr(Distillation, "EARLIER", 3)
    config, model = short(), fn.load("swissroll")
    task = Distillation(config, model.schedule, torch.device("cpu"), slice(0, 16))
    begun, seen = [w.clone() for w in task.matching.critic.parameters()], []
    for step in range(12):
        loss = task.loss(model.network, task.batch(step))
        task.settle(lambda value: value)
        seen.append(any(not torch.equal(a, b) for a, b in zip(begun, task.matching.critic.parameters(), strict=True)))
        assert loss.shape == (16,)
    assert seen == [False] * 7 + [True] * 5
