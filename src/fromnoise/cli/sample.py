"""fromnoise sample: new samples from a trained model."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from fromnoise.cli.outputs import ARRAYS, FILMS, check_writable, note, write_array, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

EPILOG = """\
The suffix of --out says what is written: .png a picture of all, .npz .npy .csv the numbers, .webp .gif .mp4
a film of the reverse process, no suffix a folder of single pictures.

examples:
  fromnoise sample runs/digits -n 64 --out digits.png
  fromnoise sample swissroll -n 10000 --out roll.npz --solver ddim --steps 50
  fromnoise sample runs/digits -n 16 --out digits.webp
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder, a checkpoint, a bundled name or a hub name")
    parser.add_argument("-n", type=int, default=64, help="how many samples (default 64)")
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write, by suffix")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same samples (default 0)")
    parser.add_argument("--solver", help="ddpm or ddim; the model's own unless given")
    parser.add_argument("--steps", type=int, help="network calls a sample; the model's own unless given")
    parser.add_argument("--label", help="a class, by name or number")
    parser.add_argument("--weight", type=float, help="of guidance: 1 is plain conditional sampling")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Sample."""
    path = Path(args.out)
    if path.suffix and path.suffix not in (".png", *ARRAYS, *FILMS):
        raise UserError(f"cannot write {path.suffix}: use .png, {', '.join((*ARRAYS, *FILMS))} or a folder")
    check_writable(path)
    from fromnoise.model import load

    model = load(args.model, network=args.network)
    how: dict[str, Any] = {
        "seed": args.seed, "solver": args.solver, "steps": args.steps, "weight": args.weight,
        "label": _label(args.label, model.facts.classes),
    }  # fmt: skip
    began = time.perf_counter()
    with bar("sampling", args.quiet) as update:
        if path.suffix in FILMS:
            _film(model, args.n, how, path, update)
        else:
            samples = model.sample(args.n, **how, progress=lambda done, total: update(done, total, ""))
            _write(path, samples, model.labels(args.n, how["label"]), model.facts)
    seconds = time.perf_counter() - began
    calls = model.calls(args.steps)
    write_numbers(args.json, {"out": str(path), "n": args.n, "calls": calls, "seconds": seconds, "seed": args.seed})
    note(f"{args.n} samples with {calls} network calls each in {seconds:.1f} s: {path}")


def _write(path: Path, samples: Any, labels: Any, facts: Any) -> None:
    if path.suffix in ARRAYS:
        write_array(path, samples, labels, facts)
        return
    from fromnoise.figures import draw_samples, save, save_each

    if path.suffix == ".png":
        save(draw_samples(samples, facts.kind, columns=facts.columns), path)
    elif facts.kind != "images":
        raise UserError("a folder of pictures is for images; write points and fields as .png or .npz")
    else:
        save_each(samples, path)


def _film(model: Any, n: int, how: dict[str, Any], path: Path, update: Any) -> None:
    from fromnoise.figures import film

    total = model.calls(how["steps"])

    def watched():
        for step, state in enumerate(model.trajectory(n, **how)):
            update(step, total, "")
            yield state

    film(watched(), path, kind=model.facts.kind, to_own=model.to_own, total=total + 1)


def _label(text: str | None, classes: tuple[str, ...]) -> int | None:
    if text is None:
        return None
    if text in classes:
        return classes.index(text)
    if text.lstrip("-").isdigit():
        return int(text)
    raise UserError(f"unknown class {text}; known: {', '.join(classes) or 'none'}")
