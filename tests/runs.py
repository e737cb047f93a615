"""Small runs to train again and again: data, settings, the command line, and what two runs must share."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fromnoise.data import load as load_data
from fromnoise.model import Config
from fromnoise.model.options import write_toml
from fromnoise.training import fit, log
from fromnoise.training.fit import facts_of
from fromnoise.training.loop import Loop

HERE = Path(__file__).parent

POINTS: dict[str, Any] = {
    "data": {"name": "mixture", "n": 50},
    "schedule": {"name": "linear", "T": 20},
    "network": {"name": "mlp", "width": 8, "depth": 1, "fourier": 4},
    "process": {"prediction": "v", "conditional": True},
    "train": {"steps": 12, "batch": 8, "lr": 1e-2, "log_every": 4, "checkpoint_every": 5, "label_dropout": 0.3},
}
"""Labelled points: a step takes a few milliseconds."""


def points(**changes: Any) -> Config:
    """The run on points with some settings changed, `train__steps=3` for train.steps."""
    return Config.from_dict(POINTS).override({key.replace("__", "."): value for key, value in changes.items()})


def pictures(folder: Path) -> Config:
    """Labelled 8x8 images with everything that a resumed run could get wrong, the network from `nets`."""
    rng = np.random.default_rng(0)
    data = folder / "pictures.npz"
    if not data.exists():
        np.savez(data, samples=rng.integers(0, 256, (37, 1, 8, 8), dtype=np.uint8), labels=np.arange(37) % 3)
    tree = {
        "data": {"name": str(data)},
        "schedule": {"name": "cosine", "T": 50},
        "network": {"name": "nets:Stumbling", "dropout": 0.2, "every": 9},
        "process": {"prediction": "eps", "conditional": True},
        "train": {
            "steps": 90, "batch": 8, "accumulate": 2, "lr": 1e-3, "warmup": 10, "decay": "cosine", "clip": 1.0,
            "ema": 0.99, "label_dropout": 0.2, "flip": True, "log_every": 7, "checkpoint_every": 4,
            "keep": 2, "keep_steps": [31, 60], "weight_decay": 0.01, "patience": 5,
        },
    }  # fmt: skip
    return Config.from_dict(tree)


def recipe_file(folder: Path, config: Config) -> Path:
    """The configuration as a TOML file that the command line takes."""
    path = folder / "recipe.toml"
    path.write_text(write_toml(config.to_dict()), "utf-8")
    return path


def environment(**more: str) -> dict[str, str]:
    """The environment of a training process: one thread, the modules of these tests, no hub."""
    path = os.pathsep.join(filter(None, (str(HERE), str(HERE / "training"), os.environ.get("PYTHONPATH"))))
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
    return {**os.environ, **own, **more}


def start(what: Path, out: Path, *words: str, **env: str) -> subprocess.Popen[str]:
    """Begin `fromnoise train` in a process of its own."""
    command = [sys.executable, "-m", "fromnoise", "train", str(what), "--out", str(out), "--quiet", *words]
    return subprocess.Popen(command, env=environment(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str]:
    """Wait for a process: its exit code and what it said."""
    out, said = process.communicate(timeout=seconds)
    return process.returncode, out + said


def ranks(world: int = 2) -> list[dict[str, str]]:
    """The environments of the processes of one training on this machine's CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [{**shared, "ACCELERATE_USE_CPU": "true", "RANK": str(r), "LOCAL_RANK": str(r)} for r in range(world)]


def drain(config: Config, out: Path | None = None, **options: Any) -> list[Any]:
    """All events of a run."""
    return list(fit(config, out, **options))


def state(run: Path) -> dict[str, Any]:
    """All that two runs of the same settings must share: files of every checkpoint, settings, the log."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name not in (".lock", "log.jsonl"))
    shared: dict[str, Any] = {str(path.relative_to(run)): path.read_bytes() for path in files}
    rows = [{key: value for key, value in row.items() if key != "rate"} for row in log.read(run)]
    return {**shared, "log.jsonl": rows}


def leave(config, run, when, **options) -> None:
    """Train until an event is such that when(event), then leave the loop."""
    for event in fit(config, run, **options):
        if when(event):
            return


def differing(run: Path, other: Path) -> list[str]:
    """The names of what differs between two runs; nothing when one is the other, bit for bit."""
    one, two = state(run), state(other)
    return sorted(name for name in {*one, *two} if one.get(name) != two.get(name))


def loop_of(config, **options) -> Loop:
    """The loop of a configuration, before its first step."""
    data = load_data(config.data["name"], **{k: v for k, v in config.data.items() if k != "name"})
    return Loop(dataclasses.replace(config, facts=facts_of(data)), data, None, **options)


def gradient(loop: Loop) -> torch.Tensor:
    """The gradient of the loop's next step, which is not taken."""
    loop._move = lambda norm, loss: None  # type: ignore[method-assign]
    loop.step()
    return torch.cat([p.grad.flatten() for p in loop.bare.parameters() if p.grad is not None])
