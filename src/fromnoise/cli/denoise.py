"""fromnoise denoise: a picture without its noise, whose size is known, and draws of what it may have been."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fromnoise.cli.arguments import positive, whole
from fromnoise.cli.outputs import count, note, write_numbers
from fromnoise.cli.restoring import check_out, write_row

EPILOG = """\
--noise is the standard deviation of the noise in the picture, whose values run from -1 to 1: 0.25 is 32 gray values.
The first picture drawn is the best guess of one network call; the others are what the picture may have been.

examples:
  fromnoise denoise mnist noisy.png --noise 0.5 --out clean.png
  fromnoise denoise runs/flowers photo.jpg --noise 0.1 -n 0 --out clean.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder of images, a checkpoint or a bundled name")
    parser.add_argument("image", metavar="IMAGE", help="a picture of any size and mode")
    parser.add_argument("--noise", type=positive, required=True, help="its standard deviation")
    parser.add_argument("-n", type=whole(0, 64), default=4, help="draws beside the best guess (default 4)")
    parser.add_argument("--out", required=True, metavar="FILE", help="a .png of all, or a folder of single pictures")
    parser.add_argument("--seed", type=whole(0), default=0, help="the same seed gives the same draws (default 0)")
    parser.add_argument("--steps", type=whole(1), default=50, help="steps of a draw (default 50)")
    parser.add_argument("--label", help="the class of the picture, by name or number, where it is known")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="nothing but mistakes")


def run(args: argparse.Namespace) -> None:
    """Denoise."""
    out = check_out(args)
    import torch

    from fromnoise.cli.sample import label_number
    from fromnoise.model import keep_memory, load
    from fromnoise.tasks.denoise import denoised, denoisings
    from fromnoise.tasks.pictures import read_picture

    model = load(args.model)
    keep_memory()
    picture, label = read_picture(Path(args.image), model), label_number(args.label, model)
    began = time.perf_counter()
    drawn = [model.to_own(denoised(model, picture, args.noise, label=label)).cpu()]
    if args.n:
        how = {"seed": args.seed, "steps": args.steps, "label": label}
        drawn.append(denoisings(model, picture, args.noise, args.n, **how).cpu())
    seconds = time.perf_counter() - began
    caption = f"denoise with {args.model}, noise {args.noise:g}, seed {args.seed}: a guess, then draws"
    write_row(out, [picture], torch.cat(drawn), caption)
    write_numbers(args.json, {"out": str(out), "n": args.n, "noise": args.noise, "seconds": seconds})
    if not args.quiet:
        note(f"a guess and {count(args.n, 'draw')} in {seconds:.1f} s: {out}")
