"""Which digit does not belong: a model of nine digits, and how well its scores part the tenth from them, for all ten.

python benchmarks/outliers.py [--digits 0 1 ...] [--steps 1200] [--json FILE]

The recipe `mnist` without classes, trained on the training digits but for those of one kind. Of the test digits 100 of
that kind and 300 others are scored (`tasks.anomalies.surprise`); the AUROC is that of their scores, its interval from
1,000 resamplings of both kinds. The runs are kept under runs/, and go on where they stopped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import contenders as peers
import numpy as np
import torch
from machine import measured
from memorise import fitted
from shipped import seconds

import fromnoise as fn
from fromnoise.data import load
from fromnoise.model import keep_memory
from fromnoise.model.store import write_file
from fromnoise.tasks.anomalies import auroc, surprise

ROOT = Path(__file__).parents[1]
SETTINGS = {"process.conditional": False, "sample.weight": 1.0}


def without(digit: int, steps: int, strange: int = 100, usual: int = 300) -> dict[str, Any]:
    """A model that has never seen the digit, and its AUROC."""
    labels = load("mnist", size=28).labels
    assert labels is not None
    rows = np.flatnonzero(labels != digit)
    run, data = fitted(ROOT / "runs" / "outliers" / f"without-{digit}", rows, steps, more=SETTINGS)
    assert str(digit) not in data.classes
    test = load("mnist", split="test", fit="pad", size=28)
    labels, order = test.labels, np.random.default_rng(0).permutation(len(test))
    assert labels is not None
    chosen = [order[labels[order] == digit][:strange], order[labels[order] != digit][:usual]]
    scores = [surprise(fn.load(run), test.batch(index)) for index in chosen]
    generator = torch.Generator().manual_seed(0)
    drawn = sorted(
        auroc(*(s[torch.randint(len(s), (len(s),), generator=generator)] for s in reversed(scores)))
        for _ in range(1000)
    )
    area = auroc(scores[1], scores[0])
    told = {"digit": digit, "n": [strange, usual], "training_minutes": round(seconds(run) / 60, 1)}
    return {**told, "auroc": area, "interval": [drawn[25], drawn[974]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "outliers.json"))
    args = parser.parse_args()
    keep_memory()
    path = Path(args.json)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for digit in args.digits:
        if found.get(str(digit), {}).get("steps") != args.steps:
            found[str(digit)] = {"steps": args.steps, **measured(without, digit, args.steps)}
            write_file(path, (json.dumps(found, indent=1) + "\n").encode())
    rows = [{**row, "low": row["interval"][0], "high": row["interval"][1]} for row in found.values()]
    peers.table("The tenth digit", rows, {"digit": "left out", "auroc": "AUROC", "low": "from", "high": "to"})


if __name__ == "__main__":
    main()
