"""fromnoise classify: the class of pictures by a model that draws pictures by class."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import whole
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
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.data import Dataset

EPILOG = """\
The class under which a picture is denoised best is its class: nothing is trained for it. Without DATA: what the model
did not see of its own data, or all of them where nothing was held back. --data.KEY sets an option of
the data, as in fromnoise train.

examples:
  fromnoise classify mnist -n 1000
  fromnoise classify runs/flowers photos/ --out classes.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder of a model with classes, or a bundled name")
    parser.add_argument("data", metavar="DATA", nargs="?", help="a name or a path; the model's own data unless given")
    parser.add_argument("-n", type=whole(1), default=100, help="how many of the data, at random (default 100)")
    parser.add_argument(
        "--draws", type=whole(1), default=32, help="noisy versions of each, for each class (default 32)"
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="of what is chosen and of the noise (default 0)")
    parser.add_argument("--out", metavar="FILE", help="a .csv with the class and the errors of each")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--precision", help="of the network calls: auto (what is fast here), fp32, bf16 or fp16")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Classify."""
    out = None if args.out is None else Path(args.out)
    if out is not None and out.suffix.lower() != ".csv":
        raise UserError(f"cannot write {out}: use .csv")
    if out is not None:
        check_writable(out)
    check_numbers(args.json)
    check_apart((args.out, args.json), (args.data,))
    from fromnoise.model import keep_memory, load
    from fromnoise.tasks.classify import class_errors
    from fromnoise.tasks.told import check_classes

    model = load(args.model, network=args.network)
    check_classes(model)
    keep_memory()
    data, what = data_for(args, model)
    index = chosen_rows(data, args.n, args.seed)
    x_0, labels = as_the_model_sees(data, index, model)
    began = time.perf_counter()
    with bar("classifying", args.quiet) as update:
        errors = class_errors(
            model, x_0, draws=args.draws, seed=args.seed, precision=args.precision,
            progress=lambda done, total: update(done, total, ""),
        )  # fmt: skip
    found, seconds = errors.argmin(1), time.perf_counter() - began
    counted = {name: int((found == number).sum()) for number, name in enumerate(model.facts.classes)}
    numbers: dict[str, Any] = {
        "classes": counted,
        "data": what,
        "n": len(x_0),
        "draws": args.draws,
        "seconds": seconds,
        "seed": args.seed,
    }
    said = ""
    if labels is not None:
        from fromnoise.evaluation.estimate import share

        right = share(int((found == labels).sum()), len(labels))
        numbers |= {"right": right.value, "right_interval": [right.low, right.high]}
        said = f": {100 * right.value:.1f} % right, 95 % interval {100 * right.low:.1f} to {100 * right.high:.1f} %"
    print(f"{count(len(x_0), 'sample')} of {what}{said}")
    for name, n in counted.items():
        print(f"  {plain(name):12} {n:6}")
    if out is not None:
        _write(out, data, index, model.facts.classes, found, labels, errors)
    write_numbers(args.json, numbers)
    calls = args.draws * len(model.facts.classes)
    note(f"{count(calls, 'network call')} each, in {seconds:.1f} s" + (f": {out}" if out else ""))


def _write(
    path: Path, data: Dataset, index: Any, classes: tuple[str, ...], found: Tensor, labels: Tensor | None,
    errors: Tensor,
) -> None:  # fmt: skip
    """A row a sample: its class, the true one where it is known, and the error under each class."""
    header, rows = ["class", *([] if labels is None else ["true"]), *(f"error {name}" for name in classes)], []
    for i, row in enumerate(errors.tolist()):
        true = [] if labels is None else [classes[int(labels[i])]]
        rows.append([index[i], classes[int(found[i])], *true, *(f"{value:.6g}" for value in row)])
    write_rows(path, data, header, rows)
