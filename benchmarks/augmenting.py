"""What drawn digits are worth where two classes have few: classifiers with and without them, five times.

python benchmarks/augmenting.py [--seeds 0 1 2 3 4] [--steps 2500] [--json FILE]

Each seed cuts two classes of the training digits to 1 %, trains the recipe `mnist` anew on what is left (the few are
repeated twenty times for it), draws two thousand of each, and trains the classifiers of `fromnoise augment`.
That the model never saw a removed digit is checked by hash: no training row is one of them. What could be gained at
best is told by as many drawn ones of the shipped model, which has seen all digits, and by as many of those that were
removed. The balanced accuracy is that of the 10,000 test digits. The runs are kept under runs/, and go on where they
stopped.
"""

from __future__ import annotations

import argparse
import hashlib
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
from fromnoise.data import Dataset, load
from fromnoise.evaluation.estimate import mean
from fromnoise.model import keep_memory
from fromnoise.model.store import write_file
from fromnoise.tasks.augment import Labelled, balanced_accuracy, classifier, compared, synthesised, together

ROOT = Path(__file__).parents[1]
KEPT, REPEATED = 0.01, 20
DRAWN, WEIGHT = 2000, 2.0  # of each class; of guidance


def hashes(data: Dataset, rows: np.ndarray) -> set[str]:
    return {hashlib.sha256(data.rows[row].tobytes()).hexdigest() for row in rows}


def cut(labels: np.ndarray, seed: int) -> tuple[list[int], np.ndarray, np.ndarray]:
    """The two classes, the rows that are kept and those that are removed."""
    rng = np.random.default_rng(seed)
    rare = sorted(rng.choice(10, 2, replace=False).tolist())
    removed = np.concatenate(
        [rng.permutation(np.flatnonzero(labels == k))[int(KEPT * (labels == k).sum()) :] for k in rare]
    )
    return rare, np.setdiff1d(np.arange(len(labels)), removed), removed


def trial(seed: int, steps: int) -> dict[str, Any]:
    whole = load("mnist", fit="pad", size=28)
    assert whole.labels is not None
    rare, kept, removed = cut(whole.labels, seed)
    few = kept[np.isin(whole.labels[kept], rare)]
    run, data = fitted(
        ROOT / "runs" / "augmenting" / f"seed-{seed}", np.append(kept, np.tile(few, REPEATED - 1)), steps
    )
    gone = hashes(whole, removed) - hashes(whole, kept)
    seen = hashes(data, np.arange(len(data)))
    assert len(gone) > 0.99 * len(removed)
    assert not gone & seen
    real = Labelled(whole.batch(kept), torch.from_numpy(whole.labels[kept]))
    counts = [DRAWN if k in rare else 0 for k in range(10)]
    sets = {
        "synthetic": synthesised(fn.load(run), counts, seed=seed, weight=WEIGHT),
        "of a model that saw all": synthesised(fn.load("mnist"), counts, seed=seed),
        "as many real ones": some(whole, removed, seed),
    }
    test = load("mnist", split="test", fit="pad", size=28)
    assert test.labels is not None
    told = Labelled(test.batch(np.arange(len(test))), torch.from_numpy(test.labels))
    few_and_drawn = {"rare": rare, "few": len(few), "removed": len(removed), "drawn": len(sets["synthetic"].x)}
    found = accuracies(real, sets, told, seed)
    return {"seed": seed, "steps": steps, **few_and_drawn, "training_minutes": seconds(run) / 60, "accuracy": found}


def some(whole: Dataset, removed: np.ndarray, seed: int) -> Labelled:
    """As many of the removed digits as are drawn, alike of both classes."""
    assert whole.labels is not None
    rng, labels = np.random.default_rng(seed), whole.labels[removed]
    rows = np.concatenate([rng.choice(removed[labels == k], DRAWN, replace=False) for k in np.unique(labels)])
    return Labelled(whole.batch(rows), torch.from_numpy(whole.labels[rows]))


def accuracies(real: Labelled, sets: dict[str, Labelled], test: Labelled, seed: int) -> dict[str, float]:
    """Of the ways of `compared`, and of those that say what could be gained."""
    found = compared(real, sets["synthetic"], test, 10, seed=seed)
    for name in ("of a model that saw all", "as many real ones"):
        data, weights = together(real, sets[name])
        found[name] = balanced_accuracy(classifier(data, 10, weights=weights, seed=seed), test)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "augmenting.json"))
    args = parser.parse_args()
    keep_memory()
    path = Path(args.json)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"trials": {}}
    for seed in args.seeds:
        if found["trials"].get(str(seed), {}).get("steps") != args.steps:
            found["trials"][str(seed)] = measured(trial, seed, args.steps)
            write_file(path, (json.dumps(found, indent=1) + "\n").encode())
    told, rows = [each["accuracy"] for each in found["trials"].values() if each["steps"] == args.steps], []
    for name in told[0] if len(told) > 1 else ():
        all_of_it, gain = mean([t[name] for t in told]), mean([t[name] - t["duplicates"] for t in told])
        ends = {"low": gain.low, "high": gain.high}
        rows.append({"way": name, "value": all_of_it.value, "low_value": all_of_it.low, "high_value": all_of_it.high,
                     "gain": gain.value, **ends})  # fmt: skip
    write_file(path, (json.dumps({**found, "rows": rows}, indent=1) + "\n").encode())
    headings = {
        "way": "trained on",
        "value": "balanced accuracy",
        "gain": "over duplicates",
        "low": "from",
        "high": "to",
    }
    peers.table(f"Two classes cut to 1 %, {len(told)} seeds", rows, headings)


if __name__ == "__main__":
    main()
