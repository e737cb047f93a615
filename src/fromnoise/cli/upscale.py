"""fromnoise upscale: large pictures that may have looked like a small one."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fromnoise.cli.arguments import positive, whole
from fromnoise.cli.restoring import add_shared_arguments, check_out, restore
from fromnoise.errors import UserError

EPILOG = """\
The picture is brought to the model's size divided by --factor, whatever its own, and is what is seen of the result.

examples:
  fromnoise upscale mnist small.png --factor 4 --out large.png
  fromnoise upscale runs/flowers thumbnail.jpg --factor 2 -n 1 --out large.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    add_shared_arguments(parser, "a .png with the picture and all that it may have been, or a folder of these")
    parser.add_argument("--factor", type=whole(2, 64), default=4, help="times as many pixels a side (default 4)")
    parser.add_argument("--noise", type=positive, default=0.02, help="standard deviation of the noise (default 0.02)")


def run(args: argparse.Namespace) -> None:
    """Upscale."""
    check_out(args)
    from torch.nn.functional import interpolate

    from fromnoise.model import load
    from fromnoise.sampling import Observation, shrunk
    from fromnoise.tasks.pictures import fit_picture, read_image, shaping_of

    model = load(args.model)
    shaping = shaping_of(model)
    if shaping.height % args.factor or shaping.width % args.factor:
        raise UserError(
            f"this model's pictures are {shaping.width} x {shaping.height}: the sides must be multiples of "
            f"--factor {args.factor}"
        )
    small = replace(shaping, height=shaping.height // args.factor, width=shaping.width // args.factor)
    picture = fit_picture(read_image(Path(args.image)), small)
    shown = interpolate(picture, scale_factor=args.factor, mode="nearest")
    restore(args, model, [shown], Observation(picture, shrunk(args.factor), args.noise))
