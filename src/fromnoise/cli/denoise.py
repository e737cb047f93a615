"""fromnoise denoise: a picture without its noise, whose size is known, and draws of what it may have been."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fromnoise.cli.arguments import positive, whole
from fromnoise.cli.outputs import count, note, write_numbers
from fromnoise.cli.restoring import add_picture_arguments, check_out, write_row

EPILOG = """\
--noise is the standard deviation of the noise in the model's pixels, whose values run from -1 to 1: 0.25 is 32 gray
values. A larger picture loses noise when it is brought to the model's size.
The first picture drawn is the best guess of one network call; the others are what the picture may have been.

examples:
  fromnoise denoise mnist noisy.png --noise 0.5 --out clean.png
  fromnoise denoise runs/flowers photo.jpg --noise 0.1 -n 0 --out clean.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    add_picture_arguments(parser, n=4, least=0)
    parser.add_argument("--noise", type=positive(1e6), required=True, help="its standard deviation")
    parser.add_argument("--steps", type=whole(1), default=50, help="steps of a draw (default 50)")


def run(args: argparse.Namespace) -> None:
    """Denoise."""
    out = check_out(args)
    import torch

    from fromnoise.cli.sample import label_number
    from fromnoise.model import keep_memory, load
    from fromnoise.model.precision import chosen
    from fromnoise.tasks.denoise import denoised, denoisings
    from fromnoise.tasks.pictures import read_picture

    model = load(args.model, network=args.network)
    keep_memory()
    picture, label = read_picture(Path(args.image), model), label_number(args.label, model)
    began = time.perf_counter()
    precision = chosen(args.precision or "fp32", model.facts.kind, model.device)
    drawn = [model.to_own(denoised(model, picture, args.noise, label=label, precision=precision)).cpu()]
    if args.n:
        how = {"seed": args.seed, "steps": args.steps, "label": label, "precision": precision}
        drawn.append(denoisings(model, picture, args.noise, args.n, **how).cpu())
    seconds = time.perf_counter() - began
    caption = f"denoise with {args.model}, noise {args.noise:g}, seed {args.seed}: a guess, then draws"
    write_row(out, [picture], torch.cat(drawn), caption)
    write_numbers(args.json, {"out": str(out), "n": args.n, "noise": args.noise, "seconds": seconds})
    note(f"a guess and {count(args.n, 'draw')} in {seconds:.1f} s ({precision}): {out}")
