"""Checkpoints of a run: whole or absent, the newest k and the named ones kept, never a pickle."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fromnoise.errors import UserError
from fromnoise.model import checkpoints
from fromnoise.model.store import cannot_write, pack, read_json, read_tensors, write_folder
from fromnoise.training.optimizers import load_tensors, tensors_of
from fromnoise.training.tasks import Task


@dataclass
class Progress:
    """Where a run is: everything that changes from step to step besides tensors."""

    step: int = 0  # optimiser steps done; with the batch size it is the position in the data
    skipped: int = 0
    skipped_in_a_row: int = 0
    loss_sum: float = 0.0  # since the last line of the log
    loss_count: int = 0
    scaler: dict[str, float] | None = None  # loss scaling under fp16


def folder(run: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps lies.

    >>> folder(Path("run"), 20).name
    'step-00000020'
    """
    return run / "checkpoints" / f"step-{step:08d}"


def save(
    run: Path,
    progress: Progress,
    network: nn.Module,
    averaged: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    task: Mapping[str, Tensor],
) -> Path:
    """Write checkpoints/step-N: weights, averaged weights, states of optimiser and task, progress. Raises UserError."""
    path = folder(run, progress.step)
    files = {
        "network.safetensors": pack(network.state_dict()),
        "optimizer.safetensors": pack(tensors_of(optimizer)),
        "progress.json": json.dumps(asdict(progress), indent=1).encode(),
    }
    if task:
        files["task.safetensors"] = pack(task)
    if averaged is not None:
        files["ema.safetensors"] = pack(averaged.state_dict())
    write_folder(path, files)
    return path


def restore(
    path: Path,
    network: nn.Module,
    averaged: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    task: Task,
) -> Progress:
    """Load a checkpoint into the given network, average, optimiser and task. Raises UserError for a damaged one."""
    try:
        network.load_state_dict(read_tensors(path / "network.safetensors"))
        if averaged is not None:
            averaged.load_state_dict(read_tensors(path / "ema.safetensors"))
        progress = Progress(**read_json(path / "progress.json"))
        if progress.step != int(path.name[5:]):
            raise ValueError(f"progress.json says step {progress.step}")
        tensors = read_tensors(path / "optimizer.safetensors")
        if progress.step > progress.skipped and not tensors:
            raise ValueError("optimizer.safetensors is empty")
        load_tensors(optimizer, tensors)
        kept = path / "task.safetensors"
        task.restore(read_tensors(kept) if kept.exists() else {}, progress.step)
        return progress
    except (UserError, RuntimeError, TypeError, LookupError, ValueError) as error:
        before = [p.name for p in checkpoints(path.parent.parent) if int(p.name[5:]) < int(path.name[5:])]
        then = f"go on from {before[-1]}" if before else "begin again"
        line = str(error).splitlines()[0]
        raise UserError(f"checkpoint {path} cannot be used ({line}); remove that folder to {then}") from None


def prune(run: Path, keep: int, keep_steps: tuple[int, ...]) -> None:
    """Remove all but the newest `keep` checkpoints and the named steps, and what was left half done."""
    for path in checkpoints(run)[:-keep]:
        if int(path.name[5:]) not in keep_steps:
            with contextlib.suppress(OSError):  # first out of sight: a kill leaves nothing that looks whole
                path.rename(path.with_name(f".{path.name}.old"))
    for path in (run / "checkpoints").glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def alone(run: Path) -> Iterator[None]:
    """Hold a run folder for this process. Raises UserError if another one trains there."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock; two runs in one folder are then the user's to avoid
        yield
        return
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = open(run / ".lock", "w")  # noqa: SIM115 - it stays open as long as the lock is held
    except OSError as error:
        raise cannot_write(run, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another process is training in {run}; wait for it or use another --out") from None
        yield
