"""What one of several processes does for `test_processes`: gradients of a first step, then a short training.

Usage: python two.py FOLDER. The first process writes FOLDER/gradients.safetensors and FOLDER/samples.safetensors.
"""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from fromnoise.data import load
from fromnoise.model import Config, Facts
from fromnoise.model.store import pack
from fromnoise.training import Sampled, distilled, fit
from fromnoise.training.distil import Distillation
from fromnoise.training.fit import facts_of
from fromnoise.training.loop import Loop
from runs import points

CASES = [(reduction, accumulate) for reduction in ("mean", "sum") for accumulate in (1, 2)]


def short_run() -> Config:
    """20 steps with samples, more of them than two processes can share evenly."""
    train = {"train__steps": 20, "train__sample_every": 10, "train__samples": 7, "train__clip": 1.0}
    return points(**train, train__precision="auto", process__times="learned")


def matched(run: Path) -> None:
    """A short distillation whose second half follows a critic; batches of two parts."""
    how = {"train.steps": 12, "train.batch": 8, "train.accumulate": 2, "train.checkpoint_every": 6}
    config = distilled("swissroll", 2).override({**how, "distil.match": 0.5, "distil.substeps": 4})
    with mock.patch.object(Distillation, "EARLIER", 3):
        deque(fit(config, run), maxlen=0)


def gradients() -> dict[str, Tensor]:
    """The gradient of a first step for each reduction and number of parts."""
    found = {}
    for reduction, accumulate in CASES:
        config = points(train__reduction=reduction, train__accumulate=accumulate)
        data = load("mixture", n=50)
        facts: Facts = facts_of(data)
        loop = Loop(Config(**{**vars(config), "facts": facts}), data, None)
        with torch.no_grad():  # the last layer begins at zero, which hides the gradients of all others
            for p in loop.bare.parameters():
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
        loop._move = lambda norm, loss: None  # type: ignore[method-assign]
        loop.step()
        found[f"{reduction} {accumulate}"] = torch.cat([p.grad.flatten() for p in loop.bare.parameters()])
    return found


def samples(run: Path | None) -> dict[str, Tensor]:
    """What is sampled in a short training, by step."""
    events = [event for event in fit(short_run(), run) if isinstance(event, Sampled)]
    labels = {f"labels {e.step}": e.labels for e in events if e.labels is not None}
    return {**{str(e.step): e.samples for e in events}, **labels}


if __name__ == "__main__":
    import os

    folder = Path(sys.argv[1])
    mine = samples(folder / "run")  # first: its precision is agreed before anything else knows of two processes
    first = gradients()
    matched(folder / "matched")
    if os.environ["RANK"] == "0":
        (folder / "gradients.safetensors").write_bytes(pack(first))
        (folder / "samples.safetensors").write_bytes(pack(mine))
    else:
        (folder / "samples-1.safetensors").write_bytes(pack(mine))
