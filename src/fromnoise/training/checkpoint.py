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
from fromnoise.training.learned import LearnedTimes


@dataclass
class Progress:
    """Where a run is: everything that changes from step to step besides tensors."""

    step: int = 0  # optimiser steps done; with the batch size it is the position in the data
    skipped: int = 0
    skipped_in_a_row: int = 0
    loss_sum: float = 0.0  # since the last line of the log
    loss_count: int = 0
    scaler: dict[str, float] | None = None  # loss scaling under fp16
    times: dict[str, list[float]] | None = None  # a learned law of times


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
) -> Path:
    """Write checkpoints/step-N: weights, averaged weights, optimiser state and progress. Raises UserError."""
    path = folder(run, progress.step)
    files = {
        "network.safetensors": pack(network.state_dict()),
        "optimizer.safetensors": pack(_optimizer_tensors(optimizer)),
        "progress.json": json.dumps(asdict(progress), indent=1).encode(),
    }
    if averaged is not None:
        files["ema.safetensors"] = pack(averaged.state_dict())
    write_folder(path, files)
    return path


def restore(
    path: Path,
    network: nn.Module,
    averaged: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    law: LearnedTimes | None = None,
) -> Progress:
    """Load a checkpoint into the given network, average, optimiser and law. Raises UserError for a damaged one."""
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
        _load_optimizer(optimizer, tensors)
        if law is not None and progress.times is not None:
            law.restore(progress.times)
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


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state: Mapping[int, Mapping[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{i}.{key}": torch.as_tensor(v) for i, values in state.items() for key, v in values.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        if key != "step" and tensor.shape != weights[int(index)].shape:
            raise ValueError(f"optimizer.safetensors holds {name} for other weights")
        state.setdefault(int(index), {})[key] = tensor
    tree = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": tree["param_groups"]})
