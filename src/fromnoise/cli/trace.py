"""fromnoise trace: draw pictures along the edges, the mask or the sketch of a picture."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.progress import bar
from fromnoise.cli.restoring import add_picture_arguments, check_out, opaque, tell_drawn
from fromnoise.errors import UserError

EPILOG = """\
RUN was adapted: fromnoise adapt RUN --condition edges. The picture written shows the drawing first.

examples:
  fromnoise trace runs/edges photo.jpg --out traced.png
  fromnoise trace runs/edges lines.png --drawn -n 8 --label 3 --out traced.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    add_picture_arguments(parser, n=4)
    parser.add_argument(
        "--drawn",
        action="store_true",
        help="IMAGE is itself the drawing, its lines light or dark, or the mask",
    )
    parser.add_argument("--steps", type=whole(1), help="steps of the walk; the model's own unless given")
    parser.add_argument("--weight", type=finite, help="of guidance towards the class")


def run(args: argparse.Namespace) -> None:
    """Trace."""
    check_out(args)
    from fromnoise.cli.sample import label_number
    from fromnoise.model import keep_memory, load
    from fromnoise.tasks import drawing, traced
    from fromnoise.tasks.pictures import read_image, read_picture
    from fromnoise.tasks.trace import check_adapted, read_drawing

    model, path = load(args.model, network=args.network), Path(args.image)
    check_adapted(model)
    given = read_drawing(read_image(path), model) if args.drawn else drawing(model, read_picture(path, model))
    if not bool(given.any()):
        more = "" if args.drawn else ", or is it a drawing itself? Then add --drawn"
        raise UserError(f"{path} has no {model.config.process.condition} as the model sees it{more}")
    keep_memory()
    how: dict[str, Any] = {"label": label_number(args.label, model), "weight": args.weight}
    began = time.perf_counter()
    with bar(args.command, args.quiet) as update:
        drawn = traced(
            model, given, args.n, seed=args.seed, steps=args.steps, precision=args.precision,
            progress=lambda done, total: update(done, total, ""), **how,
        )  # fmt: skip
    shown = opaque((2 * given - 1).expand(-1, model.facts.shape[0], -1, -1))
    tell_drawn(args, model, shown, drawn, time.perf_counter() - began)
