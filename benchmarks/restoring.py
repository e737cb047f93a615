"""Test digits with a part removed, filled by each method: the share whose class comes back, calls, and seconds.

python benchmarks/restoring.py [--n 1000] [--holes lower centre] [--ways NAME ...] [--json FILE]

Digits 0 ... n − 1 of the test set, the shipped model, no class told. `seen` is what the classifier says of the digit
with its hole black, `whole` of the digit itself. `differs` is the mean of the standard deviation, over two seeds, of
the pixels that were filled. Each row is kept as it comes; a row that is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contenders as peers
import numpy as np
import torch
from machine import measured
from torch import Tensor

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation import judge_digits
from fromnoise.model import keep_memory
from fromnoise.model.store import write_file
from fromnoise.sampling import Observation, kept
from fromnoise.tasks import restored
from fromnoise.tasks.restore import restoring

ROOT = Path(__file__).parents[1]
WAYS: dict[str, dict[str, Any]] = {
    "pgdm, 25 steps": {"method": "pgdm", "steps": 25},
    "pgdm, 50 steps": {"method": "pgdm", "steps": 50},
    "pgdm": {"method": "pgdm"},
    "pgdm, 250 steps": {"method": "pgdm", "steps": 250},
    "dps, 50 steps": {"method": "dps", "steps": 50},
    "dps": {"method": "dps"},
    "mmps, 10 steps": {"method": "mmps", "steps": 10},
    "mmps": {"method": "mmps"},
    "repaint, 50 steps": {"method": "repaint", "steps": 50},
    "repaint": {"method": "repaint"},
}
"""By the name of the row."""
MOST = {"repaint": 64}
"""Digits at most: RePaint's own schedule takes 2,410 calls a digit, an hour for 1,000."""


def hole(name: str) -> Tensor:
    """What is known of a 28 x 28 digit, (28, 28): not the lower half, or not the 14 x 14 pixels in the middle."""
    known = torch.ones(28, 28, dtype=torch.bool)
    if name == "lower":
        known[14:] = False
    else:
        known[7:21, 7:21] = False
    return known


def row(model: fn.Model, digits: Tensor, truth: Tensor, known: Tensor, how: dict[str, Any]) -> dict[str, Any]:
    """The figures of one method on one hole."""
    seen = Observation(kept(known)(digits), kept(known))
    began = time.perf_counter()
    filled = restored(model, seen, len(digits), mask=known, seed=1, **how)
    seconds = time.perf_counter() - began
    again = restored(model, Observation(seen.y[:64], seen.operator), min(64, len(digits)), mask=known, seed=2, **how)
    one = Observation(seen.y[:1], seen.operator)
    began_one = time.perf_counter()
    *_, last = restoring(model, one, 1, mask=known, **how)
    alone = time.perf_counter() - began_one
    right = (judge_digits(filled).digit == truth).double()
    agree = (judge_digits(filled).confidence > 0.9).double().mean().item()
    differs = torch.stack([filled[: len(again)], again]).std(0)[..., ~known].mean().item()
    exact = (filled - digits)[..., known].abs().max().item()
    return {
        "n": len(digits), "right": right.mean().item(), "right_se": (right.std() / len(right) ** 0.5).item(),
        "confident": agree, "differs": differs, "known_error": exact, "steps": last.total, "seconds_alone": alone,
        "calls": last.calls, "seconds_each": seconds / len(digits),
    }  # fmt: skip


def baseline(digits: Tensor, truth: Tensor, known: Tensor) -> dict[str, float]:
    """What the classifier says of the digits whole, and with the hole black."""
    of: Callable[[Tensor], float] = lambda x: (judge_digits(x).digit == truth).double().mean().item()  # noqa: E731
    return {"whole": of(digits), "seen": of(digits.where(known, -1.0))}


def so_far(path: Path) -> dict[str, Any]:
    """What was found so far."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--holes", nargs="+", choices=["lower", "centre"], default=["lower", "centre"])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "restoring.json"))
    args = parser.parse_args()
    keep_memory()
    path, model = Path(args.json), fn.load("mnist")
    data = load("mnist", split="test", fit="pad", size=28)
    digits = data.batch(np.arange(args.n))
    truth = torch.as_tensor(data.batch_labels(np.arange(args.n)))
    for name in args.holes:
        for way in args.ways:
            n = min(args.n, MOST.get(way, args.n))
            if so_far(path).get(name, {}).get("rows", {}).get(way, {}).get("n", 0) >= n:
                continue
            made = measured(row, model, digits[:n], truth[:n], hole(name), WAYS[way])
            found = so_far(path)  # another process may have made other rows meanwhile
            found.setdefault(name, {"rows": {}, **baseline(digits, truth, hole(name))})["rows"][way] = made
            write_file(path, (json.dumps(found, indent=1) + "\n").encode())
    show(so_far(path))


def show(found: dict[str, Any]) -> None:
    """Print all that is there."""
    headings = {"way": "method", "calls": "calls", "n": "n", "right": "right", "right_se": "s.e.", "confident": "sure"}
    headings |= {"differs": "differs", "known_error": "known off by", "seconds_alone": "s for one"}
    for name, part in found.items():
        rows = [{"way": way, **row} for way, row in part["rows"].items()]
        peers.table(f"{name}: {part['whole']:.3f} of the whole, {part['seen']:.3f} of what is seen", rows, headings)


if __name__ == "__main__":
    main()
