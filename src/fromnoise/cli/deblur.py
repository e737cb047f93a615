"""fromnoise deblur: sharp pictures that may have looked like a blurred one."""

from __future__ import annotations

import argparse
from pathlib import Path

from fromnoise.cli.arguments import positive
from fromnoise.cli.restoring import add_method_arguments, add_picture_arguments, check_out, restore

EPILOG = """\
--blur is the standard deviation of the blur in the model's pixels, --noise that of the noise in the picture, whose
values run from -1 to 1: the smaller, the more the picture is believed.

examples:
  fromnoise deblur mnist blurred.png --blur 1.5 --out sharp.png
  fromnoise deblur runs/flowers photo.jpg --blur 2 --noise 0.05 -n 1 --out sharp.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    add_picture_arguments(parser, n=4)
    add_method_arguments(parser)
    parser.add_argument(
        "--blur", type=positive(100), required=True, help="its standard deviation in the model's pixels"
    )
    parser.add_argument("--noise", type=positive(100), default=0.02, help="its standard deviation (default 0.02)")


def run(args: argparse.Namespace) -> None:
    """Deblur."""
    check_out(args)
    from fromnoise.model import load
    from fromnoise.sampling import Observation, blurred
    from fromnoise.tasks.pictures import read_picture

    model = load(args.model, network=args.network)
    picture = read_picture(Path(args.image), model)
    restore(args, model, [picture], Observation(picture, blurred(args.blur), args.noise))
