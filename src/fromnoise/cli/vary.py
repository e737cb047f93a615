"""fromnoise vary: pictures like a picture."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.outputs import check_numbers, count, note, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.cli.restoring import add_picture_arguments, check_out, write_row
from fromnoise.errors import UserError

EPILOG = """\
The picture is noised to time strength T and brought back by the reverse process: near 0 it comes back as it was, at 1
nothing is left of it. With --to a second picture the n pictures lie on the way from one to the other.

examples:
  fromnoise vary mnist seven.png --strength 0.5 --out like-seven.png
  fromnoise vary mnist seven.png --to nine.png -n 8 --out between.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    add_picture_arguments(parser, n=8)
    parser.add_argument("--to", metavar="IMAGE", help="a second picture: draw what lies between")
    parser.add_argument("--strength", type=finite, default=0.5, help="share of the noise, above 0 to 1 (default 0.5)")
    parser.add_argument("--solver", help="by name; the model's own unless given")
    parser.add_argument("--steps", type=whole(1), help="steps of the whole way; the model's own unless given")
    parser.add_argument("--weight", type=finite, help="of guidance, with a label")


def run(args: argparse.Namespace) -> None:
    """Vary."""
    out = check_out(args, args.to)
    check_numbers(args.json)
    if not 0 < args.strength <= 1:
        raise UserError(f"--strength lies above 0 and at most at 1, got {args.strength:g}")
    if args.to and args.n < 2:
        raise UserError("--to draws what lies between two pictures: -n 2 or more")
    from fromnoise.cli.sample import label_number
    from fromnoise.model import keep_memory, load
    from fromnoise.tasks.pictures import read_picture
    from fromnoise.tasks.vary import between, varied

    model = load(args.model, network=args.network)
    keep_memory()
    picture = read_picture(Path(args.image), model)
    other = read_picture(Path(args.to), model) if args.to else None
    label = label_number(args.label, model)
    how = {"strength": args.strength, "seed": args.seed, "solver": args.solver, "steps": args.steps}
    how |= {"label": label, "weight": args.weight, "precision": args.precision}
    began = time.perf_counter()
    with bar("varying", args.quiet) as update:
        how |= {"progress": lambda done, total: update(done, total, "")}
        x = varied(model, picture, args.n, **how) if other is None else between(model, picture, other, args.n, **how)
    seconds = time.perf_counter() - began
    caption = f"{args.command} with {args.model}, strength {args.strength:g}, seed {args.seed}"
    write_row(out, [picture] if other is None else [picture, other], x.cpu(), caption)
    write_numbers(args.json, {"out": str(out), "n": args.n, "strength": args.strength, "seconds": seconds})
    note(f"{count(args.n, 'picture')} in {seconds:.1f} s: {out}")
