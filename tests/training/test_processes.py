"""Two processes train as one: the same gradient, the same run, one writer; none is left waiting for the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import two

from fromnoise.errors import UserError
from fromnoise.model import checkpoints
from fromnoise.model.store import read_tensors
from fromnoise.training import log
from fromnoise.training.processes import first_alone, together
from runs import HERE, drain, environment, finish, points, ranks, recipe_file, start

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="gloo over loopback")]

ENDS_WITHIN = 10.0
"""Seconds after the loss of a process within which the others have ended; on an idle machine it takes about one."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """The folder where two processes left their gradients, samples and run."""
    folder = tmp_path_factory.mktemp("pair")
    command = [sys.executable, str(HERE / "training" / "two.py"), str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for process in [subprocess.Popen(command, env=environment(**rank), **pipes) for rank in ranks()]:
        code, said = finish(process)
        assert (code, said) == (0, "")
    return folder


def test_the_gradient_of_two_is_that_of_the_union_batch(pair):
    """Measured: 1.2e-7 of the norm, the rounding of float32 (2^-23) in another order of summation."""
    theirs, ours = read_tensors(pair / "gradients.safetensors"), two.gradients()
    assert len(theirs) == len(ours) == 4
    for case, whole in ours.items():
        assert whole.norm() > 0
        assert (theirs[case] - whole).norm() < 1e-6 * whole.norm(), case


def same(theirs: Path, ours: Path, names: tuple[str, ...]) -> None:
    """Two runs end alike but for the rounding of sums in another order, relative to each tensor's largest."""
    assert [p.name for p in checkpoints(theirs)] == [p.name for p in checkpoints(ours)]
    for name in names:
        found, wanted = (read_tensors(checkpoints(run)[-1] / f"{name}.safetensors") for run in (theirs, ours))
        for key, tensor in wanted.items():
            assert (found[key] - tensor).abs().max() <= 1e-5 * tensor.abs().max(), (name, key)


def test_a_run_of_two_is_the_run_of_one(pair, tmp_path):
    """20 steps multiply the rounding of one gradient by less than 100; measured: 1.2e-6."""
    drain(two.short_run(), tmp_path / "run")
    same(pair / "run", tmp_path / "run", ("network", "ema", "optimizer"))
    # Both have seen the losses of both.
    theirs, ours = (read_tensors(checkpoints(run)[-1] / "task.safetensors") for run in (pair / "run", tmp_path / "run"))
    torch.testing.assert_close(theirs["seen"], ours["seen"], rtol=1e-5, atol=0)


def test_a_student_and_its_critic_of_two_are_those_of_one(pair, tmp_path):
    """Walks, then the critic that watches, then matching: all draw the same, whoever trains on which rows."""
    two.matched(tmp_path / "matched")
    same(pair / "matched", tmp_path / "matched", ("network", "ema", "optimizer", "task"))


def test_samples_of_two_are_the_samples_of_one_and_all_have_them(pair):
    theirs, ours = read_tensors(pair / "samples.safetensors"), two.samples(None)
    assert {"10", "20", "labels 10", "labels 20"} == set(theirs) == set(ours)
    for key, tensor in ours.items():
        assert theirs[key].shape == tensor.shape
        assert (theirs[key] - tensor).abs().max() < 1e-5
        assert torch.equal(theirs[key], read_tensors(pair / "samples-1.safetensors")[key])


def test_only_the_first_writes_and_writes_once(pair):
    assert [row["step"] for row in log.read(pair / "run")] == [4, 8, 12, 16, 20]
    assert sorted(p.name for p in (pair / "run").iterdir()) == [".lock", "checkpoints", "config.toml", "log.jsonl"]


def begin(folder: Path, **changes: object) -> list[subprocess.Popen[str]]:
    """Two processes of one training by command line."""
    what = recipe_file(folder, points(**{"train__steps": 100_000, "train__checkpoint_every": 10, **changes}))
    return [start(what, folder / "run", **rank) for rank in ranks()]


def wait_for_checkpoint(folder: Path, processes: list[subprocess.Popen[str]]) -> None:
    """Until the first checkpoint is there."""
    until = time.monotonic() + 90
    while not checkpoints(folder / "run"):
        time.sleep(0.02)
        assert all(p.poll() is None for p in processes)
        assert time.monotonic() < until


@pytest.mark.parametrize("victim", [0, 1])
def test_when_one_is_killed_the_other_ends_soon_with_one_line(tmp_path, victim):
    processes = begin(tmp_path)
    wait_for_checkpoint(tmp_path, processes)
    processes[victim].kill()
    began = time.monotonic()
    code, said = finish(processes[1 - victim], ENDS_WITHIN)
    print(f"the other ended after {time.monotonic() - began:.2f} s")
    assert code not in (0, None)
    assert "another process of this training is gone" in said
    assert "Traceback" not in said
    assert processes[victim].wait() == -signal.SIGKILL
    processes[victim].communicate()
    # What is there is whole: one process goes on from it.
    config = points(train__steps=int(checkpoints(tmp_path / "run")[-1].name[5:]) + 3, train__checkpoint_every=10)
    assert len(drain(config, tmp_path / "run")) >= 2


def test_a_signal_to_one_stops_both_at_the_same_step_and_saves(tmp_path):
    processes = begin(tmp_path)
    wait_for_checkpoint(tmp_path, processes)
    processes[1].send_signal(signal.SIGTERM)
    (first, said), (second, other) = (finish(p, 30) for p in processes)
    assert (first, second) == (130, 130), said + other
    assert "Traceback" not in said + other


def test_what_the_first_refuses_ends_all(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    lines = ("holds no run; choose another --out", "the first process could not go on; its line says why")
    for process, line in zip(begin(tmp_path), lines, strict=True):
        code, said = finish(process, 60)
        assert code == 2, said
        assert line in said
        assert "Traceback" not in said


def test_a_batch_must_divide_among_the_processes(tmp_path):
    for process in begin(tmp_path, train__batch=9):
        code, said = finish(process, 60)
        assert code == 2
        assert "train.batch (9) must be a multiple of processes x accumulate (2)" in said


def test_accelerate_launches_it(tmp_path):
    what = recipe_file(tmp_path, points())
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--cpu", "--num_processes", "2",
               "--main_process_port", ranks()[0]["MASTER_PORT"], "-m", "fromnoise", "train", str(what),
               "--out", str(tmp_path / "run"), "--quiet"]  # fmt: skip
    environ = {k: v for k, v in environment().items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert checkpoints(tmp_path / "run")[-1].name == "step-00000012"
    assert done.stderr.count("12 steps: beginning") == 1
    assert os.path.exists(tmp_path / "run" / "log.jsonl")


class Lone:
    """One process that is not alone, as far as `together` can see."""

    num_processes = 2
    is_main_process = True


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1", True),
        ("CUDA out of memory", False),
    ],
)
def test_only_the_loss_of_a_process_is_called_so(text, lost):
    with pytest.raises(UserError if lost else RuntimeError), together(Lone()):  # type: ignore[arg-type]
        raise RuntimeError(text)


def test_alone_an_error_of_the_network_is_itself():
    from accelerate import Accelerator

    with pytest.raises(RuntimeError, match="gloo"), together(Accelerator()):
        raise RuntimeError("gloo is gone")
    with pytest.raises(UserError, match="no room"):
        first_alone(Accelerator(), lambda: (_ for _ in ()).throw(UserError("no room")))
