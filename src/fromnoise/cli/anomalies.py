"""fromnoise anomalies: the pictures, and the places in them, that a model would not have drawn."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.model_data import as_the_model_sees, chosen_rows, data_for
from fromnoise.cli.outputs import (
    check_apart,
    check_numbers,
    check_writable,
    count,
    note,
    plain,
    write_numbers,
    write_rows,
)
from fromnoise.cli.progress import bar
from fromnoise.cli.restoring import opaque
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.data import Dataset
    from fromnoise.model import Model

EPILOG = """\
A picture's score says how badly it is denoised for what there is in it. In the .png the strangest are noised to
--strength of the way and brought back in --steps; what differs is what the model would not have drawn. Train the model
on pictures that are as they should be. --data.KEY sets an option of the data, as in fromnoise train.

examples:
  fromnoise anomalies runs/good photos/ --out strange.png
  fromnoise anomalies runs/good photos/ --normal good --out scores.csv
"""
SHOWN = 12
"""Pictures in the .png, the strangest first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder of a model of images, or a bundled name")
    parser.add_argument("data", metavar="DATA", nargs="?", help="a name or a path; the model's own data unless given")
    parser.add_argument("-n", type=whole(1), default=100, help="how many of the data, at random (default 100)")
    parser.add_argument("--strength", type=finite, default=0.5, help="share of the noise, above 0 to 1 (default 0.5)")
    parser.add_argument("--draws", type=whole(1), default=4, help="times that each is brought back (default 4)")
    parser.add_argument("--steps", type=whole(1), help="steps of the whole way; the model's own unless given")
    parser.add_argument(
        "--normal",
        nargs="+",
        action="extend",
        metavar="CLASS",
        help="classes of DATA as they should be, for an AUROC",
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="of what is chosen and of the noise (default 0)")
    parser.add_argument("--out", required=True, metavar="FILE", help="a .png of the strangest, or a .csv of all scores")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Find anomalies."""
    out = Path(args.out)
    if out.suffix.lower() not in (".png", ".csv"):
        raise UserError(f"cannot write {out}: use .png or .csv")
    check_writable(out)
    check_apart((args.out, args.json), (args.data,))
    check_numbers(args.json)
    if not 0 < args.strength <= 1:
        raise UserError(f"--strength lies above 0 and at most at 1, got {args.strength:g}")
    from fromnoise.model import keep_memory, load
    from fromnoise.tasks.anomalies import surprise

    model = load(args.model, network=args.network)
    if model.facts.kind != "images":
        raise UserError(f"this takes a model of images, and this one knows {model.facts.kind}")
    keep_memory()
    data, what = data_for(args, model)
    index = chosen_rows(data, args.n, args.seed)
    normal = _normal(args, data, index)
    x_0, _ = as_the_model_sees(data, index, model)
    began = time.perf_counter()
    with bar("looking", args.quiet) as update:
        scores = surprise(
            model, x_0, draws=args.draws, seed=args.seed, progress=lambda done, total: update(done, total, "")
        )
    order: list[int] = scores.argsort(descending=True).tolist()
    if out.suffix.lower() == ".csv":
        _write(out, data, index, scores)
    else:
        some = order[:SHOWN]
        names = ", ".join(data.name(row) for row in index[some])
        _draw(args, model, x_0[some], f"the strangest of {len(x_0)} pictures: {names}")
    seconds = time.perf_counter() - began
    numbers: dict[str, Any] = {"data": what, "n": len(x_0), "strength": args.strength, "draws": args.draws}
    numbers |= {"seed": args.seed, "seconds": seconds}
    numbers["scores"] = {data.name(row): float(score) for row, score in zip(index, scores, strict=True)}
    strangest = ", ".join(plain(data.name(index[k])) for k in order[:5])
    print(f"{count(len(x_0), 'picture')} of {what}; the strangest: {strangest}")
    if normal is not None:
        from fromnoise.tasks.anomalies import auroc

        numbers["auroc"] = area = auroc(scores[normal], scores[~normal])
        print(f"AUROC of the {int((~normal).sum())} others against {int(normal.sum())} normal ones: {area:.3f}")
    write_numbers(args.json, numbers)
    note(f"{count(len(x_0), 'picture')} in {seconds:.1f} s: {out}")


def _normal(args: argparse.Namespace, data: Any, index: Any) -> Tensor | None:
    """Which pictures are of a class that is as it should be, where --normal says which that is."""
    if args.normal is None:
        return None
    import torch

    from fromnoise.model.options import unknown

    labels = data.batch_labels(index)
    if labels is None:
        raise UserError("--normal names classes, and these data have none: put pictures into folders by class")
    for name in args.normal:
        if name not in data.classes:
            raise unknown("class", name, data.classes)
    known = torch.tensor([data.classes[label] in args.normal for label in labels.tolist()])
    if bool(known.all()) or not bool(known.any()):
        more = "raise -n" if len(index) < len(data) else "give others beside them, in class folders"
        raise UserError(f"of {len(index)} pictures {'all' if known.all() else 'none'} are normal: {more}")
    return known


def _write(out: Path, data: Dataset, index: Any, scores: Tensor) -> None:
    """All scores, in the order of the pictures."""
    rows = [[row, f"{float(score):.6g}"] for row, score in zip(index, scores, strict=True)]
    write_rows(out, data, ["score"], rows)


def _draw(args: argparse.Namespace, model: Model, x_0: Tensor, caption: str) -> None:
    """The strangest pictures, what they are brought back to, and where they differ."""
    from fromnoise.figures import restored_figure, save
    from fromnoise.tasks import find_anomalies

    with bar("bringing back", args.quiet) as update:
        found = find_anomalies(
            model, x_0, strength=args.strength, draws=args.draws, steps=args.steps, seed=args.seed,
            progress=lambda done, total: update(done, total, ""),
        )  # fmt: skip
    maps = (found.maps[:, None] / found.maps.max().clamp_min(1e-6) * 2 - 1).expand(-1, x_0.shape[1], -1, -1)
    maps = opaque(maps)
    groups = [("picture", [x_0]), ("brought back", [found.restored]), ("difference", [maps])]
    save(restored_figure(groups), Path(args.out), caption=caption)
