"""Digits along the edges, the mask or the sketch of others: an adapter of the shipped model, trained and not.

python benchmarks/adapters.py [--conditions edges mask sketch] [--steps 2000] [--n 1000] [--json FILE]

`fromnoise adapt mnist --condition ...`, told no class, along the drawings of the first n test digits. F1 is that of the
lines (or the mask) drawn to those given, pixel for pixel and within one pixel; untrained, an adapter is the model
itself. `right` is the share whose class comes back, as an independent classifier sees it. The pictures are
docs/pictures/traced-*.png: drawings, untrained, trained.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import contenders as peers
import numpy as np
import torch
from digit_scores import scores
from machine import measured
from shipped import seconds

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation import judge_digits
from fromnoise.figures import save
from fromnoise.figures.pictures import grid
from fromnoise.model import keep_memory
from fromnoise.model.store import write_file
from fromnoise.tasks import drawing, traced
from fromnoise.tasks.trace import along
from fromnoise.training import adapted

ROOT = Path(__file__).parents[1]


def rows_of(condition: str, steps: int, n: int) -> list[dict[str, Any]]:
    run = ROOT / "runs" / "adapters" / condition
    *_, finished = fn.fit(adapted("mnist", condition).override({"train.steps": steps, "train.sample_every": 0}), run)
    data = load("mnist", split="test", fit="pad", size=28)
    labels, model = torch.as_tensor(data.batch_labels(np.arange(n))), finished.model
    given = drawing(model, data.batch(np.arange(n)))
    found, shown = [], [(2 * given - 1)[:8]]
    for name, x in (
        ("untrained", fn.load("mnist").sample(n, seed=1, weight=0.0)),
        ("trained", traced(model, given, seed=1, weight=0.0)),
    ):
        right = (judge_digits(x).digit == labels).double().mean().item()
        told = {
            "condition": condition,
            "adapter": name,
            "f1": along(model, x, given, 0),
            "f1_near": along(model, x, given),
        }
        shown.append(x[:8].cpu())
        found.append(told | {"right": right, **scores(x), "steps": steps, "training_minutes": seconds(run) / 60})
    place = ROOT / "docs" / "pictures" if condition == "edges" else run.parent  # the page shows one of them
    save(grid(torch.cat(shown), columns=8), place / f"traced-{condition}.png")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conditions", nargs="+", default=["edges", "mask", "sketch"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "adapters.json"))
    args = parser.parse_args()
    keep_memory()
    path = Path(args.json)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for condition in args.conditions:
        found[condition] = measured(rows_of, condition, args.steps, args.n)
        write_file(path, (json.dumps(found, indent=1) + "\n").encode())
    rows = [row for each in found.values() for row in each["rows"]]
    headings = {
        "condition": "condition",
        "adapter": "adapter",
        "f1": "F1",
        "f1_near": "within a pixel",
        "right": "right",
    }
    peers.table("Along drawings", rows, headings | {"confident": "sure", "frechet": "Fréchet", "floor": "floor"})


if __name__ == "__main__":
    main()
