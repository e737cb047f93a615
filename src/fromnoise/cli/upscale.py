"""fromnoise upscale: large pictures that may have looked like a small one."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.progress import bar
from fromnoise.cli.restoring import add_method_arguments, add_picture_arguments, check_out, restore, tell_drawn
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.model import Model

EPILOG = """\
The picture is brought to the model's size divided by --factor, whatever its own, and is what is seen of the result.
A model that was trained for it, with --process.small 4, does it as it was trained, by its own factor; any other is
guided.

examples:
  fromnoise upscale mnist small.png --factor 4 --out large.png
  fromnoise upscale runs/flowers thumbnail.jpg --factor 2 -n 1 --out large.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    add_picture_arguments(parser, n=4)
    add_method_arguments(parser)
    parser.add_argument("--factor", type=whole(2, 64), help="times as many pixels a side (default 4)")
    parser.add_argument("--noise", type=finite, help="standard deviation of the noise in it (default 0.02; trained 0)")


def run(args: argparse.Namespace) -> None:
    """Upscale."""
    check_out(args)
    from torch.nn.functional import interpolate

    from fromnoise.model import load
    from fromnoise.sampling import Observation, shrunk
    from fromnoise.tasks.pictures import fit_picture, read_image, shaping_of

    model = load(args.model, network=args.network)
    shaping, trained = shaping_of(model), model.config.process.small
    if trained and args.factor not in (None, trained):
        raise UserError(f"this model was trained to make pictures {trained} times as large: leave --factor out")
    if trained and args.method != "pgdm":
        raise UserError("this model was trained to make pictures large and needs no method: leave --method out")
    args.factor = args.factor or trained or 4
    if args.noise is not None and not (0 < args.noise <= 100 or (trained and args.noise == 0)):
        raise UserError(f"--noise is a standard deviation, above 0 and at most 100, not {args.noise:g}")
    if shaping.height % args.factor or shaping.width % args.factor:
        raise UserError(
            f"this model's pictures are {shaping.width} x {shaping.height}: the sides must be multiples of "
            f"--factor {args.factor}"
        )
    small = replace(shaping, height=shaping.height // args.factor, width=shaping.width // args.factor)
    picture = fit_picture(read_image(Path(args.image)), small)
    shown = interpolate(picture, scale_factor=args.factor, mode="nearest")
    if trained:
        _as_trained(args, model, picture, shown)
        return
    restore(args, model, [shown], Observation(picture, shrunk(args.factor), args.noise or 0.02))


def _as_trained(args: argparse.Namespace, model: Model, picture: Tensor, shown: Tensor) -> None:
    """Draw and write what a model of super-resolution makes of the picture."""
    from fromnoise.cli.sample import label_number
    from fromnoise.model import keep_memory
    from fromnoise.tasks import upscaled

    keep_memory()
    began = time.perf_counter()
    with bar(args.command, args.quiet) as update:
        how = {"seed": args.seed, "steps": args.steps, "label": label_number(args.label, model)}
        how |= {"precision": args.precision, "progress": lambda done, total: update(done, total, "")}
        drawn = upscaled(model, picture, args.n, noise=args.noise or 0.0, **how)
    tell_drawn(args, model, shown, drawn, time.perf_counter() - began)
