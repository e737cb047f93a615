"""Training that goes on is training that never stopped: in one process, through `fit`."""

from __future__ import annotations

import signal

import pytest
import torch

from fromnoise.errors import UserError
from fromnoise.model import precision, read_config
from fromnoise.training import Finished, Saved, Skipped, Started, Stepped, fit, log
from runs import differing, drain, leave, pictures, points, state


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A run with everything that resuming could get wrong, and its settings."""
    folder = tmp_path_factory.mktemp("everything")
    config = pictures(folder).override({"train.steps": 26, "train.keep_steps": [5]})
    return config, folder / "run", drain(config, folder / "run", network="nets:Stumbling")


@pytest.mark.parametrize("kind", [Stepped, Skipped, Saved])
@pytest.mark.parametrize("times", [1, 2])
def test_leaving_the_loop_at_any_event_saves_and_resumes_to_the_bit(everything, tmp_path, kind, times):
    config, run, _ = everything
    left = []
    leave(config, tmp_path / "run", lambda e: isinstance(e, kind) and left.append(e) is None and len(left) == times,
          network="nets:Stumbling")  # fmt: skip
    started, *_ = events = drain(config, tmp_path / "run", network="nets:Stumbling")
    assert started.step == left[-1].step
    assert isinstance(events[-1], Finished)
    assert differing(run, tmp_path / "run") == []


def test_muon_resumes_to_the_bit(tmp_path):
    config = points(train__optimizer="muon", network__width=32, train__weight_decay=0.1)
    *_, finished = drain(config, tmp_path / "whole")
    leave(config, tmp_path / "run", lambda e: isinstance(e, Saved))
    drain(config, tmp_path / "run")
    assert differing(tmp_path / "run", tmp_path / "whole") == []
    *_, other = drain(points(network__width=32, train__weight_decay=0.1))
    assert not torch.equal(finished.model.sample(4), other.model.sample(4))  # it was not AdamW


def test_a_measured_precision_is_written_and_kept_when_the_machine_changes(tmp_path, monkeypatch):
    config = pictures(tmp_path).override({"train.precision": "auto", "train.steps": 3, "network.every": 0})
    for half in (2.0, 0.5):  # then on another machine
        monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path / str(half)))
        monkeypatch.setattr(
            precision, "convolution_rate", lambda name, device, half=half: half if name == "bf16" else 1.0
        )
        drain(config, tmp_path / "run", network="nets:Stumbling")
        assert read_config(tmp_path / "run" / "config.toml").train.precision == "bf16"


def test_the_precision_of_samples_stays_unless_it_is_given(tmp_path):
    for given, kept in (("fp32", "fp32"), ("auto", "fp32"), ("bf16", "bf16"), ("auto", "bf16")):
        drain(points(sample__precision=given), tmp_path / "run")
        assert read_config(tmp_path / "run" / "config.toml").sample.precision == kept


def test_the_run_skips_and_counts_steps_without_stopping(everything):
    _, run, events = everything
    skipped = [e for e in events if isinstance(e, Skipped)]
    # 52 calls, NaN at 9, 18, 27, 36 and 45; two calls a step
    assert [e.step for e in skipped] == [5, 9, 14, 18, 23]
    assert [e.total for e in skipped] == [1, 2, 3, 4, 5]
    assert [row["skipped"] for row in log.read(run)] == [1, 3, 4, 5]


def test_leaving_at_the_start_saves_nothing_and_the_run_begins_anew(tmp_path):
    leave(points(), tmp_path / "run", lambda e: isinstance(e, Started))
    assert not (tmp_path / "run" / "checkpoints").exists()
    drain(points(), tmp_path / "run")
    drain(points(), tmp_path / "whole")
    assert differing(tmp_path / "run", tmp_path / "whole") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_loop_after_its_step_and_is_restored(tmp_path, number):
    before = signal.getsignal(number)
    events = []

    def train() -> None:
        for event in fit(points(), tmp_path / "run"):
            events.append(event)
            if isinstance(event, Stepped):
                signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):  # once all is saved
        train()
    assert signal.getsignal(number) is before
    assert isinstance(events[-1], Finished)
    assert events[-1].interrupted
    assert events[-1].step == 4
    drain(points(), tmp_path / "run")
    drain(points(), tmp_path / "whole")
    assert differing(tmp_path / "run", tmp_path / "whole") == []


def test_an_error_between_steps_saves_and_one_within_a_step_does_not(tmp_path, monkeypatch):
    from fromnoise.training import loop, tasks

    step, move = loop.Loop.step, loop.Loop._move

    def fails_before(self):
        if self.progress.step == 7:
            raise MemoryError("full")
        return step(self)

    def fails_within(self, norm, loss):
        move(self, norm, loss)
        if self.progress.step == 8:
            raise KeyboardInterrupt

    def fails_settled(self, total):
        if next(settled) == 7:
            raise MemoryError("full")

    settled = iter(range(100))
    for place, name, fault, error, kept in (
        (loop.Loop, "step", fails_before, MemoryError, 7),
        (loop.Loop, "_move", fails_within, KeyboardInterrupt, 5),
        (tasks.Denoising, "settle", fails_settled, MemoryError, 5),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fault)
            with pytest.raises(error):
                drain(points(), tmp_path / name)
        assert drain(points(), tmp_path / name)[0].step == kept
        drain(points(), tmp_path / "whole")
        assert differing(tmp_path / name, tmp_path / "whole") == []


def test_a_finished_run_trains_no_more_and_stays_as_it_is(tmp_path):
    drain(points(), tmp_path / "run")
    before = state(tmp_path / "run")
    started, finished = drain(points(), tmp_path / "run")
    assert (started.step, finished.step, finished.interrupted) == (12, 12, False)
    assert state(tmp_path / "run") == before


def test_more_steps_extend_a_run_to_the_same_end(tmp_path):
    """With a constant rate a run of 12 steps, extended to 20, is the run of 20 steps."""
    drain(points(train__log_every=6), tmp_path / "run")
    longer = points(train__log_every=6, train__steps=20)
    events = drain(longer, tmp_path / "run")
    assert (events[0].step, events[-1].step) == (12, 20)
    drain(longer, tmp_path / "whole")
    assert [n for n in differing(tmp_path / "run", tmp_path / "whole") if "step-00000020" in n or "log" in n] == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"train__lr": 0.5}, "train.lr = 0.01, not 0.5"),
        ({"train__batch": 4}, "train.batch = 8, not 4"),
        ({"train__seed": 1}, "train.seed = 0, not 1"),
        ({"network__width": 9}, "network.width = 8, not 9"),
        ({"schedule__T": 21}, "schedule.T = 20, not 21"),
        ({"process__loss": "clean"}, "process.loss = simple, not clean"),
        ({"data__n": 60}, r"data.n = 50, not 60 (and 2 more)"),
        ({"network__depth": 2, "train__ema": 0.5}, "network.depth = 1, not 2 (and 1 more)"),
    ],
)
def test_changed_settings_are_refused_by_name_and_nothing_is_touched(tmp_path, changes, key):
    run = tmp_path / "run"
    drain(points(train__steps=3), run)
    before = state(run)
    with pytest.raises(UserError) as error:
        drain(points(train__steps=3, **changes), run)
    assert key in str(error.value)
    assert "another --out" in str(error.value)
    assert "\n" not in str(error.value)
    assert state(run) == before


def test_what_is_shown_may_change(tmp_path):
    drain(points(train__steps=3), tmp_path / "run")
    free = {"train__steps": 6, "train__log_every": 1, "train__sample_every": 2, "train__samples": 4}
    more = {"train__checkpoint_every": 2, "train__keep": 5, "train__patience": 3, "sample__solver": "ddim"}
    assert drain(points(**free, **more), tmp_path / "run")[-1].step == 6


def test_the_log_is_that_of_the_whole_run_also_after_a_torn_line(tmp_path):
    run = tmp_path / "run"
    leave(points(), run, lambda e: isinstance(e, Saved))
    with open(run / "log.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 8, "loss": 1.0}\n{"step": 9, "lo')
    drain(points(), run)
    assert [row["step"] for row in log.read(run)] == [4, 8, 12]
    drain(points(), tmp_path / "whole")
    assert differing(run, tmp_path / "whole") == []


def test_samples_while_training_change_nothing_that_is_learned(tmp_path):
    drain(points(), tmp_path / "plain")
    drain(points(train__sample_every=3, train__samples=5), tmp_path / "sampled")
    assert [n for n in differing(tmp_path / "plain", tmp_path / "sampled") if n != "config.toml"] == []


def test_tied_weights_are_saved_and_resumed(tmp_path):
    class Tied(torch.nn.Module):
        def __init__(self, shape, *, classes=0, outputs=1):
            super().__init__()
            self.one = torch.nn.Linear(2, 2)
            self.two = torch.nn.Linear(2, 2)
            self.two.weight = self.one.weight

        def forward(self, x, time, label=None):
            return self.two(torch.relu(self.one(x)))

    config = points().override({"network.name": f"{Tied.__module__}:{Tied.__qualname__}"})
    drain(config, tmp_path / "whole", network=Tied)
    leave(config, tmp_path / "run", lambda e: isinstance(e, Saved), network=Tied)
    drain(config, tmp_path / "run", network=Tied)
    assert differing(tmp_path / "run", tmp_path / "whole") == []
