"""fromnoise demo: train the Swiss roll and small digits, and write one page about what came out."""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fromnoise.cli.outputs import check_numbers, note, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from fromnoise.model import Config, Model

EPILOG = """\
The same line again goes on where it was stopped, and only makes the page anew once all is trained.

example:
  fromnoise demo --out demo --minutes 10
"""
ROLL_SHARE = 0.1
"""Of the training time; the digits get the rest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("--out", default="demo", metavar="DIR", help="where runs and page go (default: demo)")
    parser.add_argument("--minutes", type=float, default=3.8, help="of training, at most (default 3.8)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Train both, sample both, write the page."""
    from fromnoise.cli.demo_page import STAGES, write_page
    from fromnoise.training import recipe

    if not 0 < args.minutes < 10_000:
        raise UserError(f"--minutes must be above 0, got {args.minutes:g}")
    check_numbers(args.json)
    out, began = Path(args.out), time.perf_counter()
    seconds = {"swissroll": 60 * args.minutes * ROLL_SHARE, "mnist": 60 * args.minutes * (1 - ROLL_SHARE)}
    models, trained = {}, {}
    for name, budget in seconds.items():
        folder = out / name
        config = _fitted(recipe(name), folder, budget)
        models[name], trained[name] = _train(config, folder, name, args.quiet)
    with bar("drawing", args.quiet) as update:
        numbers = write_page(out, models["swissroll"], models["mnist"], trained, lambda i: update(i, STAGES, ""))
    numbers["minutes"] = (time.perf_counter() - began) / 60
    write_numbers(args.json, numbers)
    note(f"done in {numbers['minutes']:.1f} minutes: open {out / 'index.html'}")


def _fitted(config: Config, folder: Path, seconds: float) -> Config:
    """The recipe with as many steps as this machine makes in the time, at most its own number.

    The number goes into config.toml, so a demo that is stopped and started again is the same run.
    """
    from fromnoise.model import read_config
    from fromnoise.training import Stepped, fit

    if (folder / "config.toml").is_file():
        return config.override({"train.steps": read_config(folder / "config.toml").train.steps})
    began, rates = time.perf_counter(), []
    for event in fit(config.override({"train.steps": 1000, "train.log_every": 1, "train.sample_every": 0})):
        if isinstance(event, Stepped):
            rates.append(event.rate)
            if time.perf_counter() - began > 0.06 * seconds and event.step >= 5:
                break
    steps = int(0.9 * statistics.median(rates) * (seconds - (time.perf_counter() - began)))
    return config.override({"train.steps": max(10, min(steps, config.train.steps or steps))})


def _train(config: Config, folder: Path, name: str, quiet: bool) -> tuple[Model, float]:
    from fromnoise.model import load
    from fromnoise.training import Finished, Stepped, fit, log

    with bar(f"training {name}", quiet) as update:
        for event in fit(config.override({"train.sample_every": 0}), folder):
            if isinstance(event, Stepped):
                update(event.step, config.train.steps, f"loss {event.loss:.4g}  {event.rate:.3g} steps/s")
            if isinstance(event, Finished) and event.interrupted:
                raise KeyboardInterrupt
    rows = [{"step": 0}, *log.read(folder)]
    return load(folder), sum((b["step"] - a["step"]) / b["rate"] for a, b in itertools.pairwise(rows))
