"""Digits of the shipped model at several weights of guidance: agreement with the class asked for, distance, diversity.

python benchmarks/guidance.py [--parts rows universal classifier] [--json FILE]

As the model draws by itself but for the weight. `as_asked` is the share of which an independent classifier sees the
class asked for; `diverse` the mean distance between two samples of a class in the classifier's features, over that of
test digits. The last rows are weight 3 with guidance limited to an interval, and rescaled.

Then universal guidance: the model told no class, led by a classifier of clean digits through the clean estimate. Judged
by the shipped model itself, which knows by which class it denoises a digit best (`tasks.class_errors`). And a
classifier of noisy digits (`fromnoise train mnist --classifier`), whose run is kept under runs/.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import contenders as peers
import torch
from digit_scores import real, scores
from machine import measured
from shipped import seconds
from torch import Tensor

import fromnoise as fn
from fromnoise.cli.train import CLASSIFIER
from fromnoise.evaluation import judge_digits
from fromnoise.evaluation.digits import digit_log_probs
from fromnoise.evaluation.estimate import share
from fromnoise.figures import save
from fromnoise.figures.pictures import grid
from fromnoise.model import Classifier, Guidance, keep_memory
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


def universally(model: fn.Model, weight: float, n: int = 200) -> Tensor:
    """n digits of no class, led towards 0 ... 9 in turn with this weight."""
    drawn = []
    for first in range(0, n, model.config.sample.batch):
        asked = torch.arange(first, min(first + model.config.sample.batch, n)) % 10

        def log_prob(x_0: Tensor, asked: Tensor = asked) -> Tensor:
            return digit_log_probs(x_0).gather(1, asked[:, None])[:, 0]

        steer = partial(universal, log_prob=log_prob, weight=weight)
        drawn.append(model.sample(len(asked), seed=1, first=first, weight=0.0, steer=steer))
    return torch.cat(drawn)


def agreement(model: fn.Model, weight: float, x: Tensor) -> dict[str, Any]:
    """How many of x the model itself sees as 0 ... 9 in turn."""
    asked = torch.arange(len(x)) % 10
    agree = share(int((class_errors(model, x).argmin(1) == asked).sum()), len(x))
    return {"weight": weight, "n": len(x), "as_asked": agree.value, "interval": [agree.low, agree.high]}


def classified(model: fn.Model, n: int = 1000, steps: int = 1500) -> list[dict[str, Any]]:
    """The model told no class, led to 0 ... 9 in turn by a classifier of noisy digits, a quarter as large as itself."""
    run, changes = ROOT / "runs" / "guidance" / "classifier", {"network.width": 16, "train.steps": steps}
    *_, finished = fn.fit(fn.recipe("mnist").override(CLASSIFIER | changes), run)
    classifier, asked, rows = Classifier(finished.model), torch.arange(n) % 10, []
    print(f"the classifier was trained for {seconds(run) / 60:.1f} minutes", flush=True)
    for weight in (0.0, 1.0, 2.0, 4.0):
        x = model.sample(n, seed=1, weight=Guidance(weight, classifier=classifier))
        judged = judge_digits(x)
        usual = spread(*_of_test(n))
        diverse = spread(judged.features, asked if weight else judged.digit) / usual
        rows.append({"weight": weight, **scores(x, asked), "diverse": diverse, "minutes": seconds(run) / 60})
        print(rows[-1], flush=True)
    return rows


def _of_test(n: int) -> tuple[Tensor, Tensor]:
    test = real("test", 0, 10_000)
    return test.features[:n], test.digit[:n]


def weights(model: fn.Model, n: int = 2000) -> list[dict[str, Any]]:
    """Between the model told no class and told it."""
    asked, usual = torch.arange(n) % 10, spread(*_of_test(n))
    rows: list[dict[str, Any]] = []
    for name, weight in WAYS.items():
        x = model.sample(n, seed=1, weight=weight)
        judged = judge_digits(x)
        classes = judged.digit if weight == 0 else asked  # at 0 no class was told
        rows.append({"weight": name, **scores(x, None if weight == 0 else asked)})
        rows[-1]["diverse"] = spread(judged.features, classes) / usual
    return rows


def led(model: fn.Model) -> list[dict[str, Any]]:
    """Its picture, docs/pictures/universal.png, has a row for each weight."""
    drawn = {weight: universally(model, weight) for weight in (0.0, 1.0, 3.0, 10.0, 30.0)}
    picture(list(drawn.values()), "universal.png")
    return [agreement(model, weight, x) for weight, x in drawn.items()]


def picture(rows: list[Tensor], name: str) -> None:
    save(grid(torch.cat([x[:10] for x in rows]), columns=10), ROOT / "docs" / "pictures" / name)


PARTS: dict[str, Callable[[fn.Model], list[dict[str, Any]]]] = {
    "rows": weights,
    "universal": led,
    "classifier": classified,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "guidance.json"))
    args = parser.parse_args()
    keep_memory()
    path, model = Path(args.json), fn.load("mnist")
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for part in args.parts:
        told = measured(PARTS[part], model)
        found |= {part: told.pop("rows"), f"{part} by": told}
        write_file(path, (json.dumps(found, indent=1) + "\n").encode())
        headings = {"weight": "weight", "n": "n", "as_asked": "as asked", "confident": "sure", "frechet": "Fréchet"}
        headings |= {"floor": "floor", "diverse": "diverse"}
        peers.table(part, found[part], {key: said for key, said in headings.items() if key in found[part][-1]})


if __name__ == "__main__":
    main()
