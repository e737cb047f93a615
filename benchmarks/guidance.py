"""Digits of the shipped model at several weights of guidance: agreement with the class asked for, distance, diversity.

python benchmarks/guidance.py [--n 2000] [--json FILE]

As the model draws by itself but for the weight. `as_asked` is the share of which an independent classifier sees the
class asked for; `diverse` the mean distance between two samples of a class in the classifier's features, over that of
test digits. The last rows are weight 3 with guidance limited to an interval, and rescaled.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import contenders as peers
import torch
from digit_scores import real, scores
from machine import here
from torch import Tensor

import fromnoise as fn
from fromnoise.evaluation import judge_digits
from fromnoise.model import Guidance, keep_memory
from fromnoise.model.store import write_file

ROOT = Path(__file__).parents[1]
WAYS: dict[str, float | Guidance] = {
    **{f"{weight:g}": weight for weight in (0.0, 0.5, 1.0, 1.35, 1.7, 2.0, 3.0, 5.0)},
    "3, lam in -1 ... 2": Guidance(3.0, interval=(-1.0, 2.0)),
    "3, rescale 0.7": Guidance(3.0, rescale=0.7),
}


def spread(features: Tensor, classes: Tensor) -> float:
    """The mean distance between two of a class, over all classes."""
    parts = [features[classes == digit].double() for digit in range(10)]
    return float(torch.stack([torch.pdist(part).mean() for part in parts if len(part) > 1]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "guidance.json"))
    args = parser.parse_args()
    keep_memory()
    model, asked, test = fn.load("mnist"), torch.arange(args.n) % 10, real("test", 0, 10_000)
    usual = spread(test.features[: args.n], test.digit[: args.n])
    rows: list[dict[str, Any]] = []
    for name, weight in WAYS.items():
        x = model.sample(args.n, seed=1, weight=weight)
        judged = judge_digits(x)
        classes = judged.digit if weight == 0 else asked  # at 0 no class was told
        rows.append({"weight": name, **scores(x, None if weight == 0 else asked)})
        rows[-1]["diverse"] = spread(judged.features, classes) / usual
        write_file(Path(args.json), (json.dumps({**here(), "rows": rows}, indent=1) + "\n").encode())
    headings = {"weight": "weight", "as_asked": "as asked", "confident": "sure", "frechet": "Fréchet", "floor": "floor"}
    peers.table(f"Guidance, n = {args.n}", rows, headings | {"diverse": "diverse"})


if __name__ == "__main__":
    main()
