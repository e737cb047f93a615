"""fromnoise adapt: a trained model learns to draw along edges, masks or sketches."""

from __future__ import annotations

import argparse
from pathlib import Path

from fromnoise.cli.train import check_places, follow
from fromnoise.errors import UserError

EPILOG = """\
The model itself stays as it is: a small network beside it learns, from the model's own data unless --data.name says
others. The result is a run like any other; fromnoise trace draws with it.

conditions:
  edges    thin lines where brightness changes
  mask     where the picture is bright
  sketch   edges as of a soft pencil, which say only about where they are

examples:
  fromnoise adapt mnist --condition edges --out runs/edges
  fromnoise adapt runs/photos --condition sketch --out runs/sketch --train.steps 10000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.usage = "fromnoise adapt RUN --condition WHAT --out DIR [--section.key VALUE ...]"
    parser.add_argument("model", metavar="RUN", help="a run folder of images, a saved model or a bundled name")
    parser.add_argument("--condition", required=True, metavar="WHAT", help="what is given: edges, mask or sketch")
    parser.add_argument("--out", required=True, metavar="DIR", help="the new run's folder; one that exists goes on")
    parser.add_argument("--json", metavar="FILE", help="write the run's numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Adapt."""
    check_places(args)
    if Path(args.model).resolve() == Path(args.out).resolve():
        raise UserError(f"--out {args.out} is the model's own folder; give the adapter one of its own")
    from fromnoise.model.options import parse_value
    from fromnoise.training import adapted

    args.network = None
    changes = {key: parse_value(value) for key, value in args.changes.items()}
    for key, say in (("process.condition", "--condition"), ("train.init", "RUN")):
        if key in changes:
            raise UserError(f"--{key} is what {say} says: leave it out")
    follow(adapted(args.model, args.condition).override(changes), args)
