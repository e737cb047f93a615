"""A run that is killed again and again ends with the bits of a run that never was (on a CPU)."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from fromnoise.training import log
from runs import differing, finish, pictures, recipe_file, start

pytestmark = pytest.mark.slow


def begin(what: Path, out: Path) -> subprocess.Popen[str]:
    """The command that begins the run and goes on with it."""
    return start(what, out, "--network", "nets:Stumbling")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, Path]:
    """The settings as a file, and the run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    what = recipe_file(folder, pictures(folder))
    code, said = finish(begin(what, folder / "run"))
    assert code == 0, said
    return what, folder / "run"


def begun(run: Path) -> int:
    """When training began the last time: its settings are written anew each time."""
    return (run / "config.toml").stat().st_mtime_ns if (run / "config.toml").exists() else 0


def seconds(run: Path) -> float:
    """How long the steps of a run took."""
    rows = [{"step": 0}, *log.read(run)]
    return sum((now["step"] - before["step"]) / now["rate"] for before, now in pairwise(rows))


def killed_and_resumed(what: Path, run: Path, whole: Path, kills: int, seed: int) -> tuple[int, int]:
    """Kill -9 a run `kills` times and let it end; gives how often it was cut, and how often in a save.

    It is killed after a while, or then at the next moment when a checkpoint is half written.
    """
    rng, cut, torn = random.Random(seed), 0, 0
    for i in range(kills):
        before, process = begun(run), begin(what, run)
        while begun(run) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, seconds(whole) / kills))
        while i % 2 and process.poll() is None and not any((run / "checkpoints").glob(".step-*.partial/*")):
            pass
        process.kill()
        process.communicate()
        cut += process.returncode == -signal.SIGKILL
        torn += any((run / "checkpoints").glob(".step-*.partial"))
    code, said = finish(begin(what, run))
    assert code == 0, said
    return cut, torn


def test_three_kills_change_no_bit(whole, tmp_path):
    what, run = whole
    cut, _ = killed_and_resumed(what, tmp_path / "run", run, 3, seed=0)
    assert cut >= 2, "the run ended before it was killed"
    assert differing(run, tmp_path / "run") == []


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_twenty_kills_change_no_bit(tmp_path):
    config = pictures(tmp_path).override({"train.steps": 900, "train.keep_steps": [300, 600]})
    what = recipe_file(tmp_path, config)
    assert finish(begin(what, tmp_path / "whole"), 600)[0] == 0
    cut, torn = killed_and_resumed(what, tmp_path / "killed", tmp_path / "whole", 20, seed=1)
    print(f"cut {cut} times, {torn} of them while a checkpoint was half written")
    assert cut >= 15, "the run ended before it was killed"
    assert torn >= 1, "no kill met a half-written checkpoint"
    assert differing(tmp_path / "whole", tmp_path / "killed") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_130(whole, tmp_path, number):
    what, run = whole
    process = begin(what, tmp_path / "run")
    while not (tmp_path / "run" / "checkpoints").exists():
        time.sleep(0.01)
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(number)
    code, said = finish(process)
    assert code == 130, said
    assert "saved" in said
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].endswith("the same line again goes on"), said
    assert finish(begin(what, tmp_path / "run"))[0] == 0
    assert differing(run, tmp_path / "run") == []
