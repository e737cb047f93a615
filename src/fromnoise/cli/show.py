"""fromnoise show: K's three views, of data, of a schedule, and of data being noised."""

from __future__ import annotations

import argparse
from pathlib import Path

from fromnoise.cli.arguments import whole
from fromnoise.cli.outputs import FILMS, check_writable, note
from fromnoise.errors import UserError

EPILOG = """\
examples:
  fromnoise show data mnist --out digits.png
  fromnoise show schedule swissroll-kuras --out schedule.png
  fromnoise show forward mnist --out noising.png      (or .webp for a film)
  fromnoise show data photos/ --data.size 64 --out photos.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("view", choices=("data", "schedule", "forward"), help="what to look at")
    parser.add_argument("what", metavar="WHAT", help="a recipe, a .toml file, a data set's name, or a path to data")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="a picture (.png .svg .pdf), or for forward a film (.webp .gif .mp4)",
    )
    parser.add_argument("-n", type=whole(1), default=64, help="how many samples of the data (default 64)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of what is chosen and of the noise (default 0)")


def run(args: argparse.Namespace) -> None:
    """Show."""
    path = Path(args.out)
    suffixes = (".png", ".svg", ".pdf", *(FILMS if args.view == "forward" else ()))
    if path.suffix.lower() not in suffixes:
        raise UserError(f"cannot write {path}: use {', '.join(suffixes[:-1])} or {suffixes[-1]}")
    check_writable(path)
    from fromnoise import data, figures
    from fromnoise.model import make_schedule
    from fromnoise.model.options import parse_value
    from fromnoise.training import recipe

    changes = {key: parse_value(value) for key, value in args.changes.items()}
    options = {key[5:]: value for key, value in changes.items() if key.startswith("data.") and key != "data.name"}
    config = recipe(args.what, **options).override(changes)
    schedule = make_schedule(config)
    if args.view == "schedule":
        name = str(config.schedule.get("name", "linear"))
        figures.save(figures.schedule_figure({name: schedule}), path)
    else:
        options = {key: value for key, value in config.data.items() if key != "name"}
        rows = data.load(str(config.data.get("name", "")), **options)
        if args.view == "data":
            figures.save(figures.data_figure(rows, n=args.n, seed=args.seed), path)
        else:
            _forward(rows, schedule, path, args)
    note(f"wrote {path}")


def _forward(rows, schedule, path: Path, args: argparse.Namespace) -> None:
    import numpy as np

    from fromnoise import figures

    n = min(len(rows), args.n if rows.kind == "images" else max(args.n, 2000))
    index = np.random.default_rng(args.seed).choice(len(rows), n, replace=False)
    x_0 = rows.batch(index)
    if path.suffix.lower() in FILMS:
        figures.forward_film(
            x_0, schedule, path, kind=rows.kind, seed=args.seed, to_own=rows.units.to_own, columns=rows.columns
        )
    else:
        times = [schedule.T * share for share in (0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)]
        figures.save(figures.forward_figure(x_0, schedule, times, rows.kind, args.seed, rows.units.to_own), path)
