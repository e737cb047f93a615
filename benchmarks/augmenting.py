"""What drawn digits are worth where two classes have few: classifiers with and without them, five times.

python benchmarks/augmenting.py [--seeds 0 1 2 3 4] [--trials 1] [--steps 2500] [--json FILE]

Each seed cuts two classes of the training digits to 1 %, trains the recipe `mnist` anew on what is left (the few are
repeated twenty times for it), draws two thousand of each, and trains the classifiers of `fromnoise augment`.
That the model never saw a removed digit is checked by hash: no training row is one of them. What could be gained at
best is told by as many drawn ones of the shipped model, which has seen all digits, and by as many of those that were
removed. The balanced accuracy is that of the 10,000 test digits, a seed's the mean over its trials, each with
classifiers of its own. The runs and what they drew are kept under runs/, and go on where they stopped; trials that are
in the JSON are not made again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import statistics
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


def trial(seed: int, number: int, steps: int) -> dict[str, Any]:
    whole, test = load("mnist", fit="pad", size=28), load("mnist", split="test", fit="pad", size=28)
    assert whole.labels is not None
    assert test.labels is not None
    rare, kept, removed = cut(whole.labels, seed)
    few = kept[np.isin(whole.labels[kept], rare)]
    place = ROOT / "runs" / "augmenting" / f"seed-{seed}"
    run, data = fitted(place, np.append(kept, np.tile(few, REPEATED - 1)), steps)
    gone = hashes(whole, removed) - hashes(whole, kept)
    seen = hashes(data, np.arange(len(data)))
    assert len(gone) > 0.99 * len(removed)
    assert not gone & seen
    real = Labelled(whole.batch(kept), torch.from_numpy(whole.labels[kept]))
    counts = [DRAWN if k in rare else 0 for k in range(10)]
    sets = {
        "synthetic": drawn(place.with_name(f"seed-{seed}-{steps}-drawn.npz"), str(run), counts, seed, WEIGHT),
        "of a model that saw all": drawn(place.with_name(f"seed-{seed}-all.npz"), "mnist", counts, seed, None),
        "as many real ones": some(whole, removed, seed),
    }
    told = Labelled(test.batch(np.arange(len(test))), torch.from_numpy(test.labels))
    numbers = {"seed": seed, "trial": number, "steps": steps, "rare": rare, "few": len(few), "removed": len(removed)}
    numbers |= {"drawn": len(sets["synthetic"].x), "training_minutes": seconds(run) / 60}
    return numbers | {"accuracy": accuracies(real, sets, told, seed + 100 * number)}


def drawn(path: Path, name: str, counts: list[int], seed: int, weight: float | None) -> Labelled:
    """What a model draws, kept in a file."""
    if not path.exists():
        made, file = synthesised(fn.load(name), counts, seed=seed, weight=weight), io.BytesIO()
        np.savez(file, x=made.x.numpy(), labels=made.labels.numpy())
        write_file(path, file.getvalue())
    with np.load(path) as kept:
        return Labelled(torch.from_numpy(kept["x"]), torch.from_numpy(kept["labels"]))


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


def by_seed(trials: list[dict[str, Any]]) -> list[dict[str, float]]:
    """The accuracies of each seed, means over its trials."""
    found = []
    for seed in sorted({each["seed"] for each in trials}):
        its = [each["accuracy"] for each in trials if each["seed"] == seed]
        found.append({name: statistics.mean(one[name] for one in its) for name in its[0]})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--trials", type=int, default=1, help="of each seed, with classifiers of their own")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "augmenting.json"))
    args = parser.parse_args()
    keep_memory()
    path = Path(args.json)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"trials": {}}
    for seed, number in itertools.product(args.seeds, range(args.trials)):
        name = f"{seed}, trial {number}"
        if found["trials"].get(name, {}).get("steps") != args.steps:
            found["trials"][name] = measured(trial, seed, number, args.steps)
            write_file(path, (json.dumps(found, indent=1) + "\n").encode())
    told = by_seed([each for each in found["trials"].values() if each["steps"] == args.steps])
    rows = []
    for name in told[0] if len(told) > 1 else ():
        value, gain = mean([t[name] for t in told]), mean([t[name] - t["duplicates"] for t in told])
        row = {"way": name, "value": value.value, "low_value": value.low, "high_value": value.high}
        rows.append(row | {"gain": gain.value, "low": gain.low, "high": gain.high})
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
