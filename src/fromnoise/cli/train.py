"""fromnoise train: from a recipe or data to a run folder."""

from __future__ import annotations

import argparse
import math
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.outputs import check_apart, check_numbers, count, note, speaks, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from fromnoise.model import Config

EPILOG = """\
Any setting may be changed: --section.key VALUE, with the sections and keys that `fromnoise recipes NAME` prints.

examples:
  fromnoise train swissroll --out runs/roll
  fromnoise train mnist --out runs/digits --train.steps 5000
  fromnoise train photos/ --out runs/photos --data.size 64 --train.epochs 200
  fromnoise train table.csv --out runs/pairs --data.given age,dose    (the other columns, given these)
  accelerate launch -m fromnoise train mnist --out runs/digits
"""


CLASSIFIER = {
    "process.prediction": "class", "process.variance": "small", "process.loss": "simple", "process.conditional": False,
    "process.times": "uniform", "sample.weight": 1.0, "train.sample_every": 0,
}  # fmt: skip
"""What makes a classifier of noisy samples of a recipe."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.usage = "fromnoise train WHAT --out DIR [--section.key VALUE ...]"
    parser.add_argument("what", metavar="WHAT", help="a recipe, a .toml file, a data set's name, or a path to data")
    parser.add_argument("--out", required=True, metavar="DIR", help="the run folder; one that exists goes on")
    parser.add_argument(
        "--classifier", action="store_true", help="learn to tell the classes of noisy samples, for sample --classifier"
    )
    parser.add_argument("--network", metavar="MODULE:CLASS", help="a network of your own, imported")
    parser.add_argument("--precision", help="auto (what is fast here), fp32, bf16 or fp16; of training and sampling")
    parser.add_argument("--strict", action="store_true", help="stop at the first broken image instead of skipping it")
    parser.add_argument("--json", metavar="FILE", help="write the run's numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Train."""
    check_places(args)
    follow(asked(args), args)


def check_places(args: argparse.Namespace) -> None:
    """What can be found out of --out and --json before anything is loaded."""
    check_numbers(args.json)
    out = Path(args.out)
    for place in (out, *out.parents):
        if place.is_file():
            raise UserError(f"--out {'' if place == out else f'{out}: '}{place} is a file; give a folder")
    check_apart((args.out,), (getattr(args, "what", None),))  # its samples would become data
    from fromnoise.model import bundled

    if args.out in bundled():
        raise UserError(f"{args.out} is a model that comes with the package: give another --out, as runs/{args.out}")


def follow(config: Config, args: argparse.Namespace) -> None:
    """Train as a configuration says, and tell of it."""
    from fromnoise.cli.audit import Audit
    from fromnoise.training import Compiling, Finished, Sampled, Skipped, Started, Stepped, fit
    from fromnoise.training.run import begun

    began, loss = time.perf_counter(), float("nan")
    started: Started | None = None
    audit, before = Audit(config.data), begun(Path(args.out))
    with bar("training", args.quiet or not speaks()) as update:
        for event in fit(config, args.out, network=args.network):
            if isinstance(event, Started):
                started = event
                if before is not None and speaks():
                    _tell_sampled(Path(args.out), before, event.config)
                _introduce(event)
                update(event.step, event.steps, "")
            elif isinstance(event, Stepped) and started is not None:
                loss = event.loss
                update(event.step, started.steps, f"loss {loss:.4g}  {event.rate:.3g} steps/s")
            elif isinstance(event, Compiling):
                note(f"step {event.step}: compiling the network, which takes a minute or two and saves more")
            elif isinstance(event, Skipped):
                note(f"step {event.step}: the gradient was not finite and the step was left out ({event.total} so far)")
            elif isinstance(event, Sampled) and speaks():
                _save_samples(event, config, Path(args.out))
                if said := audit.look(event):
                    note(said)
            elif isinstance(event, Finished) and started is not None:
                _conclude(event, started, loss, time.perf_counter() - began, args)


def asked(args: argparse.Namespace) -> Config:
    """What the line asks for: a recipe, with the settings of the line over it."""
    from fromnoise.data import options
    from fromnoise.model.options import parse_value
    from fromnoise.training import recipe

    changes: dict[str, Any] = {key: parse_value(value) for key, value in args.changes.items()}
    config = recipe(
        args.what,
        **{key[5:]: value for key, value in changes.items() if key.startswith("data.") and key != "data.name"},
    )
    if args.network:
        changes = {"network.name": args.network, **changes}
    if args.precision:
        changes = {"train.precision": args.precision, "sample.precision": args.precision, **changes}
    if getattr(args, "classifier", False):
        changes = {**CLASSIFIER, **changes}
    config = config.override(changes)
    if not args.strict:
        return config
    if "strict" not in options(str(config.data.get("name", ""))):
        raise UserError(f"--strict is for folders of images, and {args.what} is none: leave it out")
    return config.override({"data.strict": True})


def _introduce(event: Any) -> None:
    if not speaks():
        return
    facts = event.config.facts
    shape = "x".join(map(str, facts.shape)) if len(facts.shape) > 1 else count(facts.shape[0], "number")
    begin = f"going on from step {event.step}" if event.step else "beginning"
    begin = begin if event.step < event.steps else "all done already"
    if event.config.distil.teacher and event.step < event.steps:
        begin += "; first its teacher draws the walks that it learns from"
    data = f"{count(facts.n, facts.kind[:-1])} of {shape}"
    hint = ""
    process = event.config.process
    if facts.classes and not (process.conditional or process.condition) and process.prediction != "class":
        names = ", ".join(facts.classes[:3]) + (", ..." if len(facts.classes) > 3 else "")
        hint = f"; {len(facts.classes)} classes ({names}) are not used, --process.conditional true samples by class"
    parameters = f"{count(event.parameters, 'parameter')} in {event.config.train.precision}"
    note(f"{data}, {parameters}, {count(event.steps, 'step')}: {begin}{_slow(event)}{hint}")


def _tell_sampled(run: Path, before: Config, now: Config) -> None:
    """Say what the line that goes on changes of how samples are drawn: it may only have left it out."""
    from fromnoise.model.config import TUNED, read_sample

    tuned = read_sample(run / TUNED) if (run / TUNED).is_file() else {}
    old, new = ({key: str(v).lower() for key, v in asdict(config.sample).items()} for config in (before, now))
    changed = [key for key in new if old[key] != new[key] and key not in {"batch", *tuned}]
    if changed:
        what = ", ".join(f"{key} {old[key]} -> {new[key]}" for key in changed)
        keep = " ".join(f"--sample.{key} {old[key]}" for key in changed)
        note(f"samples of this run are drawn otherwise from now on, {what}; to keep what it was: {keep}")


def _slow(event: Any) -> str:
    """Why it takes longer than it need."""
    import torch

    from fromnoise.networks.native import why_none

    compiled = event.config.network.get("name") in ("unet", "adapted") and event.step < event.steps
    why = why_none() if compiled and not torch.cuda.is_available() else ""
    return f", slowly without compiled kernels ({why})" if why else ""


def _save_samples(event: Any, config: Any, out: Path) -> None:
    from fromnoise.figures import draw_samples, save

    facts = config.facts
    kind = facts.kind if facts else ("images" if event.samples.ndim == 4 else "points")
    save(draw_samples(event.samples, kind), out / "samples" / f"step-{event.step:08d}.png")


def _conclude(event: Any, started: Any, loss: float, seconds: float, args: argparse.Namespace) -> None:
    if not speaks():
        return
    write_numbers(
        args.json,
        {
            "run": args.out, "step": event.step, "steps": started.steps, "loss": loss, "seconds": seconds,
            "parameters": started.parameters, "interrupted": event.interrupted,
        },
    )  # fmt: skip
    if event.interrupted:
        raise KeyboardInterrupt(f"stopped at step {event.step} and saved; the same line again goes on")
    given = " --given FILE" if event.model.facts.given else ""
    command = f"fromnoise sample {shlex.quote(args.out)} -n 64{given} --out samples.png"
    if event.model.config.process.prediction == "class":
        command = f"fromnoise sample RUN --classifier {shlex.quote(args.out)} --out led.png"
    if event.model.config.process.condition:
        command = f"fromnoise trace {shlex.quote(args.out)} IMAGE --out traced.png"
    if event.model.config.process.small:
        command = f"fromnoise upscale {shlex.quote(args.out)} IMAGE --out large.png"
    last = "" if math.isnan(loss) else f", loss {loss:.4g}"
    note(f"done: {count(event.step, 'step')} in {seconds:.0f} s{last}. Next: {command}")
