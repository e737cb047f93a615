"""fromnoise inpaint: fill what is missing of a picture, in several ways."""

from __future__ import annotations

import argparse
from pathlib import Path

from fromnoise.cli.restoring import add_method_arguments, add_picture_arguments, check_out, opaque, restore

EPILOG = """\
The mask is an image whose white is to be filled, of the picture's proportions; a box LEFT,TOP,RIGHT,BOTTOM in the
picture's pixels; or alpha, for a picture whose transparent parts are to be filled. What is known stays as it is.

examples:
  fromnoise inpaint mnist seven.png --mask 0,14,28,28 --out filled.png
  fromnoise inpaint runs/flowers photo.jpg --mask mask.png -n 8 --seed 3 --out filled.png
  fromnoise inpaint runs/flowers cutout.png --mask alpha --method repaint --out fillings
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    add_picture_arguments(parser, n=4)
    add_method_arguments(parser)
    parser.add_argument("--mask", required=True, help="an image whose white is to be filled, a box, or alpha")


def run(args: argparse.Namespace) -> None:
    """Inpaint."""
    check_out(args, args.mask)
    from fromnoise.model import load
    from fromnoise.sampling import Observation, kept
    from fromnoise.tasks.pictures import fit_known, fit_picture, read_image, read_mask, shaping_of

    model = load(args.model, network=args.network)
    image, shaping = read_image(Path(args.image)), shaping_of(model)
    mask, known = read_mask(args.mask, image, shaping), fit_known(args.mask, image, shaping)
    operator = kept(mask)
    hole = known.where(mask, opaque(0 * known))  # gray
    restore(args, model, [fit_picture(image, shaping), hole], Observation(operator(known), operator), mask)
