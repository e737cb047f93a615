"""fromnoise compare: several runs judged alike, on one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fromnoise.cli.judge import add_shared
from fromnoise.cli.outputs import check_numbers, check_writable, note, write_numbers
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from fromnoise.cli.judging import Outcome, Sides
    from fromnoise.figures.page import Block

EPILOG = """\
Each RUN is judged as `fromnoise judge` does, with the same seed, features and number of samples, in a folder of its own
within DIR; what is drawn there is kept, so that the same line goes on where it was stopped. The runs must be of the
same data, or --reference and --held-out must say by what all are judged.

examples:
  fromnoise compare runs/small runs/large --out report
  fromnoise compare runs/a/checkpoints/step-00005000 runs/a mnist -n 5000 --out report
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("models", metavar="RUN", nargs="+", help="run folders, checkpoints or bundled names")
    add_shared(parser)


def run(args: argparse.Namespace) -> None:
    """Judge several runs, and say which is the better in what."""
    out = Path(args.out)
    if len(args.models) < 2:
        raise UserError("compare takes two RUNs or more; fromnoise judge takes one")
    for name in ("index.html", "report.md", "comparison.json"):
        check_writable(out / name)
    check_numbers(args.json)
    from fromnoise.cli.judge_page import write
    from fromnoise.cli.judging import outcome
    from fromnoise.model import keep_memory

    keep_memory()
    found: dict[str, Outcome] = {}
    for number, (name, line, of) in enumerate(_read(args), 1):
        folder = out / f"{number}-{_folder(name)}"
        found[name] = outcome(of, line, folder)
        write(folder, of, found[name])
        write_numbers(str(folder / "judgement.json"), found[name].numbers)
    best = better(found)
    numbers = {"runs": {name: one.numbers for name, one in found.items()}, "better": best}
    _write(out, found, best)
    for path in (str(out / "comparison.json"), args.json):
        write_numbers(path, numbers)
    print("\n".join(f"{about}: {said}" for about, said in best.items()))
    note(f"see {out / 'index.html'}")


def _read(args: argparse.Namespace) -> list[tuple[str, argparse.Namespace, Sides]]:
    """Each run's name, its line, and what it is judged beside. Raises UserError where these are not the same."""
    from fromnoise.cli.judging import sides

    found: list[tuple[str, argparse.Namespace, Sides]] = []
    for model in args.models:
        if any(Path(model) == Path(name) for name, *_ in found):
            raise UserError(f"{model} stands there twice")
        line = argparse.Namespace(**vars(args) | {"model": model, "generated": None})
        of = sides(line)
        if found and _beside(of) != _beside(found[0][2]):
            raise UserError(
                f"{model} would be judged beside other data, or by other features, than {args.models[0]}: say by what "
                "all are judged with --reference, --held-out and --features"
            )
        found.append((model, line, of))
    return found


def _beside(of: Sides) -> tuple[str, str, str]:
    """What must be the same for all runs."""
    from fromnoise.training.fit import digest

    return digest(of.training), "" if of.held_out is None else digest(of.held_out), of.features.name


def _folder(name: str) -> str:
    """A name that any disk takes, of the end of a path."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(name).name)[:40].strip(".") or "run"


def better(found: dict[str, Outcome]) -> dict[str, str]:
    """For each number the run that is better than all others beyond both intervals, or that none is."""
    said = {}
    for first in next(iter(found.values())).found.numbers:
        sign = 1 if first.about.better == "high" else -1
        values = {name: one.found[first.name].value for name, one in found.items()}
        best = max(values, key=lambda name: sign * values[name].value)
        ends = [sorted((sign * value.low, sign * value.high)) for name, value in values.items() if name != best]
        lowest = min(sign * values[best].low, sign * values[best].high)
        clear = all(lowest > high for _, high in ends)
        said[first.about.name] = best if clear else "not told apart"
    return said


def _write(out: Path, found: dict[str, Outcome], best: dict[str, str]) -> None:
    from fromnoise import figures
    from fromnoise.cli.judge_page import costs, drawn, markdown, panels, told
    from fromnoise.figures import Heading, Picture, Table, Text
    from fromnoise.model.store import write_file

    runs = list(found.items())
    first = runs[0][1].found
    rows = [
        [number.about.name, best[number.about.name], *(told(one.found[number.name].value) for _, one in runs),
         told(number.floor), number.about.better]
        for number in first.numbers
    ]  # fmt: skip
    header = ("what", "clearly the better", *found, "floor: fresh data", "better")
    taken = [dict(costs(one.numbers["cost"])) for _, one in runs]
    blocks: list[Block] = [
        Text(f"{len(runs)} runs, judged by {first.features.about}, {first.n['samples']:,} samples each."),
        Table(rows, header, "In brackets the interval that holds the true number in 95 % of cases."),
        Text(
            "A run is called clearly the better where its interval lies beyond that of every other. The floors are "
            "those of the first run's judgement."
        ),
        Picture(figures.compared_figure(list(found), panels([*found.values()])), "Dashed: what fresh data reach."),
        Heading("How new"),
        *[Text(f"{name}: {one.found.copies.verdict}.") for name, one in runs],
        Heading("What it costs"),
        Table([[what, *(each[what] for each in taken)] for what in taken[0]], ("what", *found)),
        *[
            block for name, one in runs
            for block in (Heading(name, 3), Picture(drawn(one.samples.data), f"The first of {one.samples.what}."))
        ],
    ]  # fmt: skip
    title = "Comparison of " + " and ".join(found)
    figures.page(title, blocks, out / "index.html")
    write_file(out / "report.md", markdown(title, blocks).encode())
