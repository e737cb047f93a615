"""fromnoise cascade: small pictures first, then larger ones given them; each stage a run of its own."""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.outputs import check_writable, count, note
from fromnoise.cli.progress import bar
from fromnoise.cli.train import asked, check_places, follow
from fromnoise.errors import UserError

EPILOG = """\
Each stage is a run below --out, named by its size, and can be sampled, judged and upscaled with by itself. The same
line again goes on where it stopped; where nothing is left to train, it draws other pictures with another --seed.
Settings are those of all stages.

examples:
  fromnoise cascade photos/ --sizes 16 32 64 --out runs/cascade
  fromnoise cascade photos/ --sizes 16 64 --out runs/cascade --train.steps 20000 --process.conditional true
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("what", metavar="DATA", help="a folder of images, a recipe or a data set by name")
    parser.add_argument("--sizes", type=whole(2, 4096), nargs="+", required=True, help="sides in pixels, rising")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of the runs, and of samples.png")
    parser.add_argument("-n", type=whole(1, 256), default=16, help="pictures that are drawn at the end (default 16)")
    parser.add_argument("--noise", type=finite, default=0.1, help="put on what a stage is given (default 0.1)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the pictures (default 0)")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="a network of your own, for all stages")
    parser.add_argument("--precision", help="auto (what is fast here), fp32, bf16 or fp16")
    parser.add_argument("--strict", action="store_true", help="an image that cannot be read is an error")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Train and draw a cascade."""
    sizes, out = args.sizes, Path(args.out)
    for small, large in itertools.pairwise(sizes):
        if large <= small or large % small:
            raise UserError(f"--sizes rise, each a multiple of the one before: {small} is not followed by {large}")
    for key in ("data.size", "process.small"):
        if key in args.changes:
            raise UserError(f"--{key} is what --sizes says: leave it out")
    if args.noise < 0:
        raise UserError(f"--noise is a standard deviation, at least 0, not {args.noise:g}")
    picture = out / "samples.png"
    check_writable(picture)
    stages = [argparse.Namespace(**vars(args)) for _ in sizes]
    for stage, (small, size) in zip(stages, zip([0, *sizes], sizes, strict=False), strict=True):
        stage.out, stage.json = str(out / str(size)), None
        stage.changes = (
            args.changes | {"data.size": str(size)} | ({"process.small": str(size // small)} if small else {})
        )
        check_places(stage)
    for number, stage in enumerate(stages, 1):
        note(f"stage {number} of {len(stages)}: {stage.out}")
        follow(asked(stage), stage)
    _draw(args, [stage.out for stage in stages], picture)


def _draw(args: argparse.Namespace, runs: list[str], out: Path) -> None:
    """The pictures of the last stage."""
    from fromnoise.figures import draw_samples, save
    from fromnoise.model import load
    from fromnoise.tasks import cascaded

    began, models = time.perf_counter(), [load(run, network=args.network) for run in runs]
    with bar("drawing", args.quiet) as update:
        drawn = cascaded(
            models, args.n, noise=args.noise, seed=args.seed, precision=args.precision,
            progress=lambda done, total: update(done, total, ""),
        )  # fmt: skip
    save(draw_samples(drawn[-1], "images"), out, caption=f"a cascade of {', '.join(runs)}, seed {args.seed}")
    note(f"{count(args.n, 'picture')} in {time.perf_counter() - began:.1f} s: {out}")
