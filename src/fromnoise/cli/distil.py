"""fromnoise distil: from a trained model to a run that needs one to four steps."""

from __future__ import annotations

import argparse
from pathlib import Path

from fromnoise.cli.arguments import whole
from fromnoise.cli.train import check_places, follow
from fromnoise.errors import UserError

EPILOG = """\
The result is a run like any other: the same line again goes on, and fromnoise sample draws from it. Its guidance is
the teacher's, learned once and for all. Distil a distilled run further: four steps first, then one. Ctrl-C ends after
the step under way, which may have to wait for the teacher's walks, and saves; a second one ends at once.

examples:
  fromnoise distil mnist --steps 4 --out runs/four
  fromnoise distil runs/four --steps 1 --out runs/one
  fromnoise distil runs/photos --steps 4 --out runs/quick --train.steps 20000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.usage = "fromnoise distil RUN --out DIR [--steps N] [--section.key VALUE ...]"
    parser.add_argument("model", metavar="RUN", help="the teacher: a run folder, a saved model, a bundled name")
    parser.add_argument("--out", required=True, metavar="DIR", help="the new run's folder; one that exists goes on")
    parser.add_argument("--steps", type=whole(1), default=4, help="steps that the student takes (default 4)")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the teacher uses")
    parser.add_argument("--json", metavar="FILE", help="write the run's numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Distil."""
    check_places(args)
    if Path(args.model).resolve() == Path(args.out).resolve():
        raise UserError(f"--out {args.out} is the teacher's folder; give the student one of its own")
    from fromnoise.model.options import parse_value
    from fromnoise.training import distilled

    changes = {key: parse_value(value) for key, value in args.changes.items()}
    follow(distilled(args.model, args.steps, args.network).override(changes), args)
