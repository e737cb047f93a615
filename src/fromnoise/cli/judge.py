"""fromnoise judge: how good, how diverse and how new samples are, on one page."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fromnoise.cli.arguments import whole
from fromnoise.cli.outputs import check_numbers, check_writable, note, write_numbers
from fromnoise.errors import UserError

FEATURES = ("auto", "digits", "pixels", "convolutions", "coordinates", "inception", "dinov2", "clip")
EPILOG = """\
A RUN is judged by samples of it, which are drawn first and kept in DIR/samples.npz; --generated judges those that you
have instead. Without a RUN give --generated and --reference, each a folder of pictures, an array or table, or the
name of a data set. --held-out is data that the model has not seen: distances are to them, and they say how near to
training data is suspiciously near. A RUN knows its own; where there are none, halves of the training data stand in.

--features auto takes digits for handwritten digits, convolutions (random filters) for other pictures, the
coordinates for points. inception, dinov2 and clip fetch networks from the net and need packages of their own.

examples:
  fromnoise judge mnist -n 2000 --out report
  fromnoise judge runs/photos --out report --features inception
  fromnoise judge runs/digits --out report --all
  fromnoise judge runs/digits --out report --blind 60    (people open report/blind.html and save their answers)
  fromnoise judge --out report --answers answers-ann.json answers-bob.json
  fromnoise judge --generated samples/ --reference photos/ --held-out test/ --out report --json numbers.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", nargs="?", help="a run folder, a checkpoint or a bundled name")
    add_shared(parser)
    parser.add_argument("--generated", metavar="DATA", help="samples that are there already")
    parser.add_argument(
        "--all", action="store_true",
        help="also every checkpoint that the RUN kept (--train.checkpoint_every, --train.keep), as curves",
    )  # fmt: skip
    parser.add_argument(
        "--blind", type=whole(2, 1000), metavar="N",
        help="also DIR/blind.html: N pictures, of which people say which are real, and its key",
    )  # fmt: skip
    parser.add_argument(
        "--answers", nargs="+", metavar="FILE",
        help="score what people answered to DIR/blind.html, and judge nothing else",
    )  # fmt: skip


def add_shared(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that judges."""
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of the page; its files are replaced")
    parser.add_argument("-n", type=whole(100), default=2000, help="samples that are drawn of a RUN (default 2000)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of all that is drawn and chosen (default 0)")
    parser.add_argument("--reference", metavar="DATA", help="the training data; a RUN knows its own")
    parser.add_argument("--held-out", metavar="DATA", help="data that were not trained on; a RUN may know its own")
    parser.add_argument("--features", choices=FEATURES, default="auto", help="what pictures are compared by")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Judge samples."""
    out = Path(args.out)
    if args.answers:
        _score(args, out)
        return
    if args.model is None and not (args.generated and args.reference):
        raise UserError("give a RUN, or both --generated DATA and --reference DATA")
    if args.all and (args.model is None or args.generated):
        raise UserError("--all judges the checkpoints of a RUN: leave --generated out")
    for name in ("index.html", "report.md", "data.md", "judgement.json"):
        check_writable(out / name)
    check_numbers(args.json)
    from fromnoise.cli.blind import check_blind, write_blind
    from fromnoise.cli.judge_page import write
    from fromnoise.cli.judging import as_curves, outcome, over_training, sides, stages
    from fromnoise.model import keep_memory

    began = time.perf_counter()
    keep_memory()
    if args.all:
        stages(args)  # that there are some shows before the work
    if args.blind:
        check_blind(out, args.blind, args.seed)
    of = sides(args)
    if args.blind and of.training.kind != "images":
        raise UserError(f"people tell pictures apart, and these are {of.training.kind}: leave --blind out")
    whole = outcome(of, args, out)
    curves = over_training(of, args, out, whole) if args.all else []
    write(out, of, whole, curves)
    for path in (str(out / "judgement.json"), args.json):
        write_numbers(path, whole.numbers | ({"checkpoints": as_curves(curves)} if curves else {}))
    if args.blind:
        real = of.training if of.held_out is None else of.held_out
        write_blind(out, whole.samples.data, real, args.blind, args.seed, whole.samples.what)
        note(f"for people: {out / 'blind.html'}; score with fromnoise judge --out {out} --answers FILE ...")
    print(whole.found.copies.verdict)
    note(f"in {time.perf_counter() - began:.0f} s: {out / 'index.html'}")


def _score(args: argparse.Namespace, out: Path) -> None:
    if args.model or args.blind or args.all or args.generated:
        raise UserError("--answers scores and judges nothing: leave out all but --out and --json")
    check_numbers(args.json)
    from fromnoise.cli.blind import score

    write_numbers(args.json, score(out, args.answers))
