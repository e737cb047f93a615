"""Digits of the shipped model at several weights of guidance: agreement with the class asked for, distance, diversity.

python benchmarks/guidance.py [--n 2000] [--json FILE]

As the model draws by itself but for the weight. `as_asked` is the share of which an independent classifier sees the
class asked for; `diverse` the mean distance between two samples of a class in the classifier's features, over that of
test digits. The last rows are weight 3 with guidance limited to an interval, and rescaled.

Then universal guidance: the model told no class, led by a classifier of clean digits through the clean estimate. Judged
by the shipped model itself, which knows by which class it denoises a digit best (`tasks.class_errors`).
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import contenders as peers
import torch
from digit_scores import real, scores
from machine import here
from torch import Tensor

import fromnoise as fn
from fromnoise.evaluation import judge_digits
from fromnoise.evaluation.digits import digit_log_probs
from fromnoise.evaluation.estimate import share
from fromnoise.model import Guidance, keep_memory
from fromnoise.model.store import write_file
from fromnoise.sampling import universal
from fromnoise.tasks import class_errors

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


def universally(model: fn.Model, weight: float, n: int = 200) -> dict[str, Any]:
    """n digits of no class, led towards 0 ... 9 in turn with this weight."""
    drawn = []
    for first in range(0, n, model.config.sample.batch):
        asked = torch.arange(first, min(first + model.config.sample.batch, n)) % 10

        def log_prob(x_0: Tensor, asked: Tensor = asked) -> Tensor:
            return digit_log_probs(x_0).gather(1, asked[:, None])[:, 0]

        steer = partial(universal, log_prob=log_prob, weight=weight)
        drawn.append(model.sample(len(asked), seed=1, first=first, weight=0.0, steer=steer))
    x, asked = torch.cat(drawn), torch.arange(n) % 10
    agree = share(int((class_errors(model, x).argmin(1) == asked).sum()), n)
    return {"weight": weight, "n": n, "as_asked": agree.value, "interval": [agree.low, agree.high]}


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
    led = [universally(model, weight) for weight in (0.0, 1.0, 3.0, 10.0, 30.0)]
    found = {**here(), "rows": rows, "universal": led}
    write_file(Path(args.json), (json.dumps(found, indent=1) + "\n").encode())
    peers.table("Universal guidance", led, {"weight": "weight", "n": "n", "as_asked": "as asked"})
    headings = {"weight": "weight", "as_asked": "as asked", "confident": "sure", "frechet": "Fréchet", "floor": "floor"}
    peers.table(f"Guidance, n = {args.n}", rows, headings | {"diverse": "diverse"})


if __name__ == "__main__":
    main()
