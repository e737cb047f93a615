"""fromnoise figures: the figures of both papers, drawn from a trained run of images and one of points."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fromnoise.cli.arguments import whole
from fromnoise.cli.outputs import check_writable, count, note
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from fromnoise.cli.figures_data import Source

FIGURES = {
    "h1": "H Figure 1: 64 pictures of the training data",
    "h2": "H Figure 2: one picture as noise is added, and a film of it",
    "h3": "H Figure 3: nine backward runs from nine Gaussians, and a film of them",
    "h4": "H Figure 4: 500 samples, sorted into classes by an independent classifier",
    "h5": "H Figure 5: nine backward runs from one Gaussian",
    "h6": "H Figure 6: nine backward runs from the noised version of one picture",
    "h7": "H Figure 7: a field of the stochastic PDE at four amplitudes of the noise",
    "k1": "K Figure 1: from data to noise and back",
    "k2": "K Figure 2: a bivariate normal density with its marginals",
    "k3": "K Figure 3: the Markov chains of the forward and the reverse process",
    "k4": "K Figure 4: the U-Net of the run, with its true shapes",
    "k5": "K Figure 5: super-resolution, pictures of half the size made large",
    "k6": "K Figure 6: inpainting, the lower half filled in five ways",
    "k7": "K Figure 7: a panel of synthetic pictures of the run's data",
    "schedule": "K section III: the run's schedule beside linear and cosine",
    "data": "K section V: the data of the points",
    "forward": "K section V: the forward process of the points",
    "reverse": "K section V: the reverse process of the points, and a film of it",
}
IMAGES = ("h1", "h2", "h3", "h4", "h5", "h6", "k1", "k3", "k4", "k5", "k6", "k7")
POINTS = ("data", "forward", "reverse")
ALONE = ("h7", "k2")
"""Figures that need no run."""
READING = ("h1", "h2", "h6", "k1", "k3", "k5", "k6", "data", "forward")
"""Figures that need the training data."""
WALKING = ("h3", "h5", "h6", "k5", "k6")
"""Figures that need backward runs without a class."""
FILMED = ("h2", "h3", "reverse")
SUFFIXES = ("png", "svg", "pdf")

EPILOG = f"""\
H is Higham, Higham and Grindrod, K is Kuras; all is every figure that fits the runs.

{chr(10).join(f"  {name:9} {about}" for name, about in FIGURES.items())}

Beside the figures and films, DIR/captions.md says what each shows: run, schedule, solver, steps, seed.

examples:
  fromnoise figures all --out figures
  fromnoise figures h5 h6 --run runs/digits --seed 3 --format png pdf --out figures
  fromnoise figures list
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("names", metavar="NAME", nargs="+", help="figures by name, all of them, or list")
    parser.add_argument("--out", metavar="DIR", help="the folder to write into; files of the same name are replaced")
    parser.add_argument("--run", default="mnist", help="a trained run of images (default mnist, which is bundled)")
    parser.add_argument("--points", default="swissroll", help="a trained run of points (default swissroll, likewise)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of all that is chosen and drawn (default 0)")
    parser.add_argument(
        "--format", nargs="+", default=["png"], choices=SUFFIXES, help="png (default), svg or pdf, or several"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Draw figures."""
    if args.names == ["list"]:
        for name, about in FIGURES.items():
            print(f"{name:9} {about}")
        return
    names, folder = _names(args.names), _folder(args.out)
    formats = list(dict.fromkeys(args.format))
    _check_files(folder, names, formats)
    sources = _sources(names, args)
    unfit = _unfit(sources)
    if unfit and "all" not in args.names:
        name, reason = next(iter(unfit.items()))
        raise UserError(f"{name}: {reason}")
    if unfit:
        note(f"left out: {_grouped(unfit)}")
    began, captions = time.perf_counter(), {}
    names = [name for name in names if name not in unfit]
    from fromnoise.cli.figures_drawn import DRAWN, DRAWN_ALONE
    from fromnoise.figures import save
    from fromnoise.model import keep_memory

    keep_memory()
    with bar("figures", args.quiet) as update:
        for done, name in enumerate(names):
            update(done, len(names), name)
            drawn = DRAWN_ALONE[name](args.seed) if name in ALONE else DRAWN[name](sources[name])
            for suffix in formats:
                save(drawn.figure, folder / f"{name}.{suffix}", caption=drawn.caption)
            if drawn.film:
                drawn.film(folder / f"{name}.webp")
            captions[name] = drawn.caption
        update(len(names), len(names), "")
    _write_captions(folder, captions)
    note(f"{count(len(names), 'figure')} in {time.perf_counter() - began:.1f} s: {folder}")


def _names(words: Collection[str]) -> list[str]:
    """The figures asked for, each once, in the order of the papers for all."""
    from fromnoise.model.options import unknown

    for word in words:
        if word not in FIGURES and word != "all":
            raise unknown("figure", word, (*FIGURES, "all", "list"))
    return list(FIGURES if "all" in words else dict.fromkeys(words))


def _folder(out: str | None) -> Path:
    if out is None:
        raise UserError("say with --out DIR into which folder the figures go")
    return Path(out)


def _check_files(folder: Path, names: Collection[str], formats: Collection[str]) -> None:
    """See before the work that each file can be written."""
    for name in names:
        for suffix in (*formats, *(("webp",) if name in FILMED else ())):
            check_writable(folder / f"{name}.{suffix}")
    check_writable(folder / "captions.md")


def _sources(names: Collection[str], args: argparse.Namespace) -> dict[str, Source]:
    """The run that each figure is drawn from; only those that are needed are loaded."""
    wanted = {name: args.points if name in POINTS else args.run for name in names if name not in ALONE}
    if not wanted:
        return {}
    from fromnoise.cli.figures_data import Source
    from fromnoise.model import load

    loaded = {run: Source(Path(run).name or run, load(run), args.seed) for run in dict.fromkeys(wanted.values())}
    return {name: loaded[run] for name, run in wanted.items()}


def _unfit(sources: Mapping[str, Source]) -> dict[str, str]:
    """Why figures cannot be drawn from their run, those that cannot."""
    found = {}
    for name, source in sources.items():
        try:
            _check(name, source)
        except UserError as error:
            found[name] = str(error)
    return found


def _check(name: str, source: Source) -> None:
    """Raise UserError where the figure cannot be drawn from this run."""
    from fromnoise.cli.figures_data import chain_times, unet_blocks

    if name in (*IMAGES, *POINTS):
        source.check_kind("images" if name in IMAGES else "points", "--run" if name in IMAGES else "--points")
    if name in WALKING:
        source.check_unconditional()
    if name == "h4":
        source.check_digits()
    if name in ("h4", "k7", "reverse"):
        source.check_nothing_given()
    if name == "k5":
        source.check_even()
    if name == "k3":
        chain_times(source)
    if name == "k4":
        unet_blocks(source)
    if name in READING:
        source.data  # noqa: B018 - which refuses data that are gone


def _grouped(unfit: Mapping[str, str]) -> str:
    reasons = dict.fromkeys(unfit.values())
    return "; ".join(f"{', '.join(name for name in unfit if unfit[name] == why)} ({why})" for why in reasons)


def _write_captions(folder: Path, captions: Mapping[str, str]) -> None:
    """The captions of these figures, and those that the folder has of others."""
    from fromnoise.model.store import write_file

    file = folder / "captions.md"
    text = file.read_text("utf-8", "replace") if file.exists() else ""
    before = dict(re.findall(r"^## (\S+)\n\n(.+)$", text, re.M))
    known = {name: caption for name, caption in (before | dict(captions)).items() if name in FIGURES}
    parts = [f"## {name}\n\n{known[name]}\n" for name in FIGURES if name in known]
    write_file(folder / "captions.md", ("# Captions\n\n" + "\n".join(parts)).encode())
