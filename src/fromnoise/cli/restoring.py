"""What inpaint, deblur and upscale share: what was seen of a picture, and several pictures that it may have been."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import whole
from fromnoise.cli.outputs import (
    check_apart,
    check_new_folder,
    check_numbers,
    check_writable,
    count,
    note,
    write_numbers,
)
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.model import Model
    from fromnoise.sampling import Observation
    from fromnoise.tasks.restore import Shown

LISTENED = 1.0
"""Seconds of steps after which it is told how long all will take."""
PREVIEW = 2.0
"""Seconds from one preview to the next."""


def add_picture_arguments(parser: argparse.ArgumentParser, n: int, least: int = 1) -> None:
    """What every command takes that makes pictures of one."""
    parser.add_argument("model", metavar="RUN", help="a run folder of images, a checkpoint or a bundled name")
    parser.add_argument("image", metavar="IMAGE", help="a picture of any size and mode")
    parser.add_argument("-n", type=whole(least, 64), default=n, help=f"how many are drawn (default {n}, at most 64)")
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="a .png with all, or a new folder of what is drawn"
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="the same seed gives the same pictures (default 0)")
    parser.add_argument("--label", help="the class of the picture, by name or number, where it is known")
    parser.add_argument("--precision", help="of the network calls: auto (what is fast here), fp32, bf16 or fp16")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress and no previews")


def add_method_arguments(parser: argparse.ArgumentParser) -> None:
    """How what was seen is followed."""
    parser.add_argument("--method", default="pgdm", help="pgdm (default), dps, mmps, particles, or for masks repaint")
    parser.add_argument("--steps", type=whole(1), help="steps of the walk; the method's own unless given")


def check_out(args: argparse.Namespace, *inputs: str | None) -> Path:
    """Where to write, checked before the work: a .png of all, or no suffix and a new folder of single pictures.

    Raises UserError for what cannot be written, and for a file that is read from.
    """
    path = Path(args.out)
    check_apart((args.out, args.json), (args.image, *inputs))
    if path.suffix and path.suffix.lower() != ".png":
        raise UserError(f"cannot write {path.suffix}: use .png, or no suffix for a folder of single pictures")
    (check_writable if path.suffix else check_new_folder)(path)
    check_numbers(args.json)
    return path


def restore(
    args: argparse.Namespace, model: Model, before: list[Tensor], seen: Observation, mask: Tensor | None = None
) -> None:
    """Draw args.n pictures that may have been seen, and write them after those that stand before them."""
    from fromnoise.cli.sample import label_number
    from fromnoise.model import keep_memory
    from fromnoise.model.precision import chosen
    from fromnoise.tasks.restore import restoring

    out = Path(args.out)
    precision = chosen(args.precision or model.config.sample.precision, model.facts.kind, model.device)
    if model.device.type == "cpu":
        keep_memory()
    how: dict[str, Any] = {"mask": mask, "method": args.method, "steps": args.steps, "seed": args.seed}
    how |= {"label": label_number(args.label, model), "precision": precision}
    began, previewed, fresh = time.perf_counter(), time.monotonic(), not out.exists()
    warm, told = began, False
    with bar(args.command, args.quiet) as update:
        for state in restoring(model, seen, args.n, **how):
            if state.done == 1:
                warm = time.perf_counter()  # the first step makes ready what the others find
            spent = time.perf_counter() - warm
            if not told and (state.done == state.total or (state.done > 2 and spent > LISTENED)):
                told = True
                note(f"{args.method}: {_work(state)}{_about(spent, state)}")
            update(state.done, state.total, "")
            if fresh and not args.quiet and out.suffix and time.monotonic() - previewed > PREVIEW:
                previewed = time.monotonic()
                write_row(out, before, model.to_own(state.x).cpu(), "a preview")
    seconds = time.perf_counter() - began
    caption = f"{args.command} with {args.model}, {args.method}, {count(state.total, 'step')}, seed {args.seed}"
    write_row(out, before, model.to_own(state.x).cpu(), caption)
    found = {"out": str(out), "n": args.n, "method": args.method, "steps": state.total, "calls": state.calls}
    write_numbers(args.json, found | {"seconds": seconds, "seed": args.seed, "precision": precision})
    note(f"{count(args.n, 'picture')} in {seconds:.1f} s ({precision}): {out}")


def _work(state: Shown) -> str:
    return f"{count(state.total, 'step')}, {count(state.calls, 'network call')}"


def _about(spent: float, state: Shown) -> str:
    """How long all steps take, where all but the first of those done took so many seconds; nothing once it is known."""
    return "" if state.done == state.total else f", about {spent / (state.done - 1) * state.total:.0f} s"


def tell_drawn(args: argparse.Namespace, model: Model, shown: Tensor, drawn: Tensor, seconds: float) -> None:
    """Write pictures that a model drew as it was trained to, after what was given, and say so."""
    write_row(Path(args.out), [shown], drawn.cpu(), f"{args.command} with {args.model}, seed {args.seed}")
    steps = model.steps(args.steps)
    write_numbers(args.json, {"out": args.out, "n": args.n, "steps": steps, "seconds": seconds, "seed": args.seed})
    note(f"{count(args.n, 'picture')} of {count(steps, 'step')} in {seconds:.1f} s, as trained: {args.out}")


def opaque(x: Tensor) -> Tensor:
    """Pictures (n, C, H, W) of which nothing is transparent, for what is shown beside those that were drawn."""
    return x if x.shape[1] != 4 else x.clone().index_fill_(1, x.new_tensor([3]).long(), 1.0)


def write_row(out: Path, before: list[Tensor], drawn: Tensor, caption: str) -> None:
    """A .png with the pictures that were given, (1, C, H, W) each, and all drawn; or a folder of these alone."""
    import torch

    from fromnoise.figures import save, save_each
    from fromnoise.figures.pictures import grid

    if not out.suffix:
        save_each(drawn, out, captions=[f"number {i}, {caption}" for i in range(len(drawn))])
        return
    row = torch.cat([*(picture.cpu() for picture in before), drawn])
    save(grid(row, columns=min(len(row), 8)), out, caption=caption)
