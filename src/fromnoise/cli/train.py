"""fromnoise train: from a recipe or data to a run folder."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from fromnoise.cli.outputs import note, write_numbers
from fromnoise.cli.progress import bar

EPILOG = """\
Any setting may be changed: --section.key VALUE, with the sections and keys that `fromnoise recipes NAME` prints.

examples:
  fromnoise train swissroll --out runs/roll
  fromnoise train mnist --out runs/digits --train.steps 5000
  fromnoise train photos/ --out runs/photos --data.size 64 --train.epochs 200
  accelerate launch -m fromnoise train mnist --out runs/digits
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.usage = "fromnoise train WHAT --out DIR [--section.key VALUE ...]"
    parser.add_argument("what", metavar="WHAT", help="a recipe, a .toml file, a data set's name, or a path to data")
    parser.add_argument("--out", required=True, metavar="DIR", help="the run folder; one that exists goes on")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="a network of your own, imported")
    parser.add_argument("--strict", action="store_true", help="stop at the first broken image instead of skipping it")
    parser.add_argument("--json", metavar="FILE", help="write the run's numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Train."""
    from fromnoise.model.options import parse_value
    from fromnoise.training import Finished, Sampled, Skipped, Started, Stepped, fit, recipe

    changes: dict[str, Any] = {key: parse_value(value) for key, value in args.changes.items()}
    config = recipe(args.what)
    if args.network:
        changes = {"network.name": args.network, **changes}
    if args.strict:
        changes["data.strict"] = True
    config = config.override(changes)
    began, loss = time.perf_counter(), float("nan")
    started: Started | None = None
    with bar("training", args.quiet or not _speaks()) as update:
        for event in fit(config, args.out, network=args.network):
            if isinstance(event, Started):
                started = event
                _introduce(event, args.out)
            elif isinstance(event, Stepped) and started is not None:
                loss = event.loss
                update(event.step, started.steps, f"loss {loss:.4g}  {event.rate:.3g} steps/s")
            elif isinstance(event, Skipped):
                note(f"step {event.step}: the gradient was not finite and the step was left out ({event.total} so far)")
            elif isinstance(event, Sampled) and _speaks():
                _save_samples(event, config, Path(args.out))
            elif isinstance(event, Finished) and started is not None:
                _conclude(event, started, loss, time.perf_counter() - began, args)


def _speaks() -> bool:
    """Of several processes only the first talks and writes."""
    import os

    return os.environ.get("RANK", "0") == "0"


def _introduce(event: Any, out: str) -> None:
    if not _speaks():
        return
    facts = event.config.facts
    for name in event.skipped[:5]:
        note(f"skipped {name}: it is broken")
    if event.skipped:
        note(f"{len(event.skipped)} broken files skipped, {facts.n} good ones used")
    shape = "x".join(map(str, facts.shape))
    begin = f"going on from step {event.step}" if event.step else "beginning"
    note(f"{facts.n:,} {facts.kind} of {shape}, {event.parameters:,} parameters, {event.steps:,} steps: {begin}")


def _save_samples(event: Any, config: Any, out: Path) -> None:
    from fromnoise.figures import draw_samples, save

    facts = config.facts
    kind = facts.kind if facts else ("images" if event.samples.ndim == 4 else "points")
    save(draw_samples(event.samples, kind), out / "samples" / f"step-{event.step:08d}.png")


def _conclude(event: Any, started: Any, loss: float, seconds: float, args: argparse.Namespace) -> None:
    if not _speaks():
        return
    write_numbers(
        args.json,
        {
            "run": args.out, "step": event.step, "steps": started.steps, "loss": loss, "seconds": seconds,
            "parameters": started.parameters, "interrupted": event.interrupted,
        },
    )  # fmt: skip
    if event.interrupted:
        note(f"stopped at step {event.step}, saved; the same line again goes on")
        sys.exit(130)
    note(f"done: {event.step} steps in {seconds:.0f} s. Next: fromnoise sample {args.out} -n 64 --out samples.png")
