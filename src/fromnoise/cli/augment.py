"""fromnoise augment: drawn pictures for the classes of which there are few, and what they are worth."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.model_data import as_the_model_sees, data_for
from fromnoise.cli.outputs import check_apart, check_new_folder, check_numbers, count, note, plain, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from fromnoise.model import Model
    from fromnoise.tasks import Labelled

EPILOG = """\
Each class gets as many pictures as the largest has, or --to so many: --out is a folder of class folders with those that
were drawn. --check leaves out those in which a classifier of the data does not see their class. With --test, pictures
that the model has not seen, small classifiers are trained on the data as they are, with few pictures repeated, moved,
and with the drawn ones: what each is worth.

examples:
  fromnoise augment runs/cells cells/ --out more
  fromnoise augment runs/cells cells/ --out more --test new-cells/ --trials 5
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument(
        "model", metavar="RUN", help="a run folder of a model of images with classes, or a bundled name"
    )
    parser.add_argument("data", metavar="DATA", help="the labelled pictures of which some classes have few")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder for the drawn pictures, by class")
    parser.add_argument("--to", type=whole(1), help="pictures of each class; as many as the largest has unless given")
    parser.add_argument("--check", action="store_true", help="leave out pictures that do not look like their class")
    parser.add_argument("--test", metavar="DATA", help="other labelled pictures, to say what the drawn ones are worth")
    parser.add_argument("--trials", type=whole(2, 100), default=5, help="classifiers of each kind (default 5)")
    parser.add_argument("--train-steps", type=whole(1), default=600, help="steps of a classifier (default 600)")
    parser.add_argument("--steps", type=whole(1), help="steps a picture; the model's own unless given")
    parser.add_argument("--weight", type=finite, help="of guidance; the model's own unless given, 1 for none")
    parser.add_argument("--seed", type=whole(0), default=0, help="of pictures and classifiers (default 0)")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--precision", help="of the network calls: auto (what is fast here), fp32, bf16 or fp16")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Augment."""
    out = Path(args.out)
    check_new_folder(out)
    check_apart((args.out, args.json), (args.data, args.test))
    check_numbers(args.json)
    from fromnoise.model import keep_memory, load
    from fromnoise.tasks.augment import lacking, synthesised
    from fromnoise.tasks.told import check_classes

    model = load(args.model, network=args.network)
    check_classes(model)
    keep_memory()
    real = _labelled(args.data, args.changes, model)
    test = _apart(real, _test(args, model), args.test) if args.test else None
    counts = lacking(real.labels, len(model.classes), args.to)
    if not any(counts):
        least = int(real.labels.bincount(minlength=len(counts)).min())
        raise UserError(
            f"every class has {least} pictures or more: say with --to N, above {least}, how many it should get"
        )
    began = time.perf_counter()
    with bar("drawing", args.quiet) as update:
        drawn = synthesised(
            model, counts, seed=args.seed, steps=args.steps, weight=args.weight, precision=args.precision,
            progress=lambda done, total: update(done, total, ""),
        )  # fmt: skip
    if args.check:
        drawn = _checked(real, drawn, len(counts), args)
        counts = drawn.labels.bincount(minlength=len(counts)).tolist()
    _write(out, model.classes, drawn, args)
    for name, have, more in zip(model.classes, real.labels.bincount(minlength=len(counts)), counts, strict=True):
        print(f"  {plain(name):16} {int(have):7} + {more}")
    note(f"{count(len(drawn.x), 'picture')} in {time.perf_counter() - began:.1f} s: {out}")
    found: dict[str, Any] = {"out": str(out), "drawn": dict(zip(model.classes, counts, strict=True)), "seed": args.seed}
    if test is not None:
        found |= _worth(args, model, real, drawn, test)
    write_numbers(args.json, found)


def _checked(real: Labelled, drawn: Labelled, classes: int, args: argparse.Namespace) -> Labelled:
    """Those in which a classifier of the data sees their class. Raises UserError where there are none."""
    from fromnoise.tasks.augment import checked, classifier, evenly

    note(f"a classifier of {args.data} learns to tell the classes")
    how: dict[str, Any] = {"steps": args.train_steps, "move": True, "seed": args.seed}
    kept = checked(drawn, classifier(real, classes, weights=evenly(real.labels), **how))
    if not len(kept.x):
        raise UserError(
            "a classifier of the data sees their class in none of the drawn pictures: train the model longer"
        )
    note(f"{len(drawn.x) - len(kept.x)} of {len(drawn.x)} drawn pictures left out")
    return kept


def _test(args: argparse.Namespace, model: Model) -> Labelled:
    """The pictures of --test, of a source that has such a split those."""
    from fromnoise.data import options

    split = {"data.split": "test"} if "split" in options(args.test) else {}
    changes = {key: value for key, value in args.changes.items() if key != "data.split"}
    return _labelled(args.test, changes | split, model)


def _apart(real: Labelled, test: Labelled, name: str) -> Labelled:
    """Those pictures of a test that are not among the data, to the last bit. Raises UserError where there are none."""
    known = {row.tobytes() for row in real.x.numpy()}
    rows = [i for i, row in enumerate(test.x.numpy()) if row.tobytes() not in known]
    if not rows:
        raise UserError(f"all pictures of --test {name} are among the data: give pictures that the model has not seen")
    missing = set(real.labels.tolist()) - set(test.labels[rows].tolist())
    if missing:
        raise UserError(f"--test {name} has no pictures of some classes of the data: each must be there")
    if len(rows) < len(test.x):
        note(f"{len(test.x) - len(rows)} of {len(test.x)} pictures of {name} are among the data and left out")
    return type(test)(test.x[rows], test.labels[rows])


def _labelled(name: str, changes: dict[str, str], model: Model) -> Labelled:
    """All pictures of some data, and their classes as the model numbers them."""
    import numpy as np

    from fromnoise.tasks.augment import Labelled

    data, _ = data_for(argparse.Namespace(data=name, changes=changes), model)
    strange = sorted(set(data.classes) - set(model.classes))
    if strange:
        raise UserError(
            f"{name} has the class {strange[0]}, of which the model knows nothing: {', '.join(model.classes)}"
        )
    x, labels = as_the_model_sees(data, np.arange(len(data)), model)
    if labels is None:
        raise UserError(f"{name} has no classes: give class folders, of {', '.join(model.classes)}")
    return Labelled(x, labels)


def _write(out: Path, classes: tuple[str, ...], drawn: Labelled, args: argparse.Namespace) -> None:
    """A folder for each class that got pictures; a name that is no plain folder's becomes the class's number."""
    from fromnoise.figures import save_each

    for number, (name, folder) in enumerate(zip(classes, folders_of(classes), strict=True)):
        x = drawn.x[drawn.labels == number]
        if len(x):
            said = f"{name}, drawn by fromnoise augment {args.model}, seed {args.seed}"
            save_each(x, out / folder, captions=[said] * len(x))


def folders_of(classes: Sequence[str]) -> list[str]:
    """A folder's name for each class: its own, or its number where that is no plain folder's or a hidden one's.

    >>> folders_of(["cat", "../dog", "class-1"])
    ['cat', 'class-1_', 'class-1']
    """
    names = []
    for number, name in enumerate(classes):
        usual = name == Path(name).name and name.isprintable() and name.strip(". ") == name
        if not usual or set(name) & set('<>:"/\\|?*'):
            name = f"class-{number}"
            while name in classes:
                name += "_"
        names.append(name)
    return names


def _worth(args: argparse.Namespace, model: Model, real: Labelled, drawn: Labelled, test: Labelled) -> dict[str, Any]:
    """Classifiers of every kind, and their balanced accuracies; what is gained over few pictures repeated."""
    from fromnoise.tasks.augment import WAYS, compared

    trials: list[dict[str, float]] = []
    with bar("classifiers", args.quiet) as update:

        def told(done: int, total: int) -> None:
            update(len(trials) * total + done, args.trials * total, "")

        for trial in range(args.trials):
            how: dict[str, Any] = {"steps": args.train_steps, "seed": args.seed + trial, "progress": told}
            trials.append(compared(real, drawn, test, len(model.classes), **how))
    print(
        f"balanced accuracy on {count(len(test.x), 'picture')}, {args.trials} classifiers each (95 % over their seeds)"
    )
    return {"trials": trials, "balanced_accuracy": {name: _told(name, trials) for name in WAYS}}


def _told(name: str, trials: list[dict[str, float]]) -> dict[str, Any]:
    """One way's numbers, printed and given."""
    from fromnoise.evaluation.estimate import mean

    found, gain = mean([t[name] for t in trials]), mean([t[name] - t["duplicates"] for t in trials])
    found = found._replace(low=max(0.0, found.low), high=min(1.0, found.high))
    gain = gain._replace(low=max(-1.0, gain.low), high=min(1.0, gain.high))
    more = f"   {gain.value:+.3f} over duplicates ({gain.low:+.3f} to {gain.high:+.3f})" if name != "duplicates" else ""
    print(f"  {name:18} {found.value:.3f} ({found.low:.3f} to {found.high:.3f}){more}")
    interval, gained = [found.low, found.high], [gain.low, gain.high]
    return {"value": found.value, "interval": interval, "gain": gain.value, "gain_interval": gained}
