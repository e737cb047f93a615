"""Quality per minute: train a recipe on digits for so many minutes or images, and judge what it draws.

python benchmarks/mnist.py [RECIPE] [--minutes M | --images N] [--set section.key=value ...] [--n 2000] [--log FILE]

The learning rate falls over just the steps that fit in the time: a few timed steps, thrown away, tell how many do.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from digit_scores import scores
from machine import here

import fromnoise as fn
from fromnoise.model.options import parse_value
from fromnoise.training import Stepped

WARM, TIMED = 5, 60


def speed(config: fn.Config) -> float:
    """Steps a second, of a run that is thrown away."""
    began = 0.0
    for event in fn.fit(
        config.override({"train.steps": WARM + TIMED, "train.log_every": WARM, "train.sample_every": 0})
    ):
        if isinstance(event, Stepped) and event.step == WARM:
            began = time.perf_counter()
    return TIMED / (time.perf_counter() - began)


def judged(config: fn.Config, n: int, save: str | None) -> dict[str, Any]:
    """Train and judge; the figures."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        *_, finished = fn.fit(config, Path(folder) / "run")
        seconds = time.perf_counter() - began
    model = finished.model
    images = config.train.steps * config.train.batch
    found: dict[str, Any] = {"minutes": seconds / 60, "images": images, "images_per_second": images / seconds}
    found["parameters"] = sum(p.numel() for p in model.network.parameters())
    if save:
        model.save(save)
    return found | drawn(model, n)


def drawn(model: fn.Model, n: int) -> dict[str, Any]:
    """The scores of n samples, drawn as the recipe says and, as every peer can, by DDIM in 20 steps."""
    found: dict[str, Any] = {}
    for name, options in {"own": {}, "ddim20": {"solver": "ddim", "steps": 20}}.items():
        began = time.perf_counter()
        samples = model.sample(n, seed=1, **options)
        found[name] = scores(samples) | {"seconds": time.perf_counter() - began}
    if model.config.process.conditional:
        found["unguided20"] = scores(model.sample(n, seed=1, solver="ddim", steps=20, weight=1.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="mnist")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--images", type=int)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--log", metavar="FILE", help="append the figures there, one line of JSON a run")
    parser.add_argument("--save", metavar="FOLDER")
    args = parser.parse_args()
    changes = {key: parse_value(value) for key, value in (change.split("=", 1) for change in args.changes)}
    config = fn.recipe(args.recipe).override(changes)
    if args.minutes:
        config = config.override({"train.steps": round(args.minutes * 60 * speed(config))})
    elif args.images:
        config = config.override({"train.steps": args.images // config.train.batch})
    config = config.override({"train.sample_every": 0, "train.checkpoint_every": 10**9})
    found = {"recipe": args.recipe, "changes": changes, **here(), **judged(config, args.n, args.save)}
    print(json.dumps(found, indent=1), flush=True)
    if args.log:
        with open(args.log, "a") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
