"""fromnoise sample: new samples from a trained model."""

from __future__ import annotations

import argparse
import math
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.outputs import (
    ARRAYS,
    FILMS,
    check_new_folder,
    check_numbers,
    check_writable,
    count,
    note,
    write_array,
    write_numbers,
)
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.model import Model
    from fromnoise.model.guidance import Weight

EPILOG = """\
The suffix of --out says what is written: .png a picture of all, .npz .npy .csv the numbers, .webp .gif .mp4
a film of the reverse process, no suffix a new folder of single pictures.

examples:
  fromnoise sample runs/digits -n 64 --out digits.png
  fromnoise sample swissroll -n 10000 --out roll.npz --solver ddim --steps 50
  fromnoise sample runs/digits -n 16 --out digits.webp
  fromnoise sample runs/pairs -n 100 --given one.csv --out draws.npz
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder, a checkpoint, a bundled name or a hub name")
    parser.add_argument("-n", type=whole(1), default=64, help="how many samples (default 64)")
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write, by suffix")
    parser.add_argument("--seed", type=whole(0), default=0, help="the same seed gives the same samples (default 0)")
    parser.add_argument("--solver", action=Solvers, help="by name, or help for a list; the model's own unless given")
    parser.add_argument("--steps", type=whole(1), help="steps a sample; the model's own unless given")
    parser.add_argument(
        "--path", help="the levels between: even, quadratic, leading, lambda or karras; the model's own unless given"
    )
    parser.add_argument(
        "--on",
        metavar="SCHEDULE",
        help="another schedule to walk on: linear, linear-scaled, cosine, sigmoid, vp, sub-vp, ve or flow",
    )
    parser.add_argument("--label", help="a class, by name or number")
    parser.add_argument(
        "--given", metavar="FILE", help="what a model of pairs draws its samples given, each row in turn"
    )
    parser.add_argument("--weight", type=finite, help="of guidance: 1 is plain conditional sampling")
    parser.add_argument(
        "--weaker", metavar="RUN", help="what guidance leads away from, an earlier checkpoint: autoguidance"
    )
    parser.add_argument(
        "--classifier", metavar="RUN", help="a run of `fromnoise train --classifier` that leads to the class"
    )
    parser.add_argument(
        "--interval", type=finite, nargs=2, metavar=("LOW", "HIGH"), help="of log(alpha / sigma) in which guidance acts"
    )
    parser.add_argument(
        "--rescale", type=finite, default=0.0, help="0 to 1: against pictures that guidance burns out (default 0)"
    )
    parser.add_argument("--precision", help="of the network calls: auto (what is fast here), fp32, bf16 or fp16")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Sample."""
    path = Path(args.out)
    _check_out(path)
    check_numbers(args.json)
    from fromnoise.model import Guidance, keep_memory, load, made_by
    from fromnoise.model.guidance import guidance_of
    from fromnoise.model.precision import chosen

    model = load(args.model, network=args.network)
    _check_kind(path, model.facts.kind)
    precision = chosen(args.precision or model.config.sample.precision, model.facts.kind, model.device)
    if model.device.type == "cpu":
        keep_memory()
    weight = _guidance(args, model)
    teller = weight.classifier.model if isinstance(weight, Guidance) and weight.classifier else model
    how: dict[str, Any] = {
        "seed": args.seed, "solver": args.solver, "steps": args.steps, "path": args.path,
        "on": args.on, "weight": weight,
        "precision": precision, "label": label_number(args.label, teller), "given": _given(args.given, model),
    }  # fmt: skip
    began = time.perf_counter()
    with bar("sampling", args.quiet) as update:
        if path.suffix.lower() in FILMS:
            _film(model, args.n, how, path, update)
        else:
            samples = model.sample(args.n, **how, progress=lambda done, total: update(done, total, ""))
            # At 0 no class was told.
            classless = guidance_of(weight, model.config.sample).classless
            labels = None if classless else model.labels(args.n, how["label"], weight=weight)
            said = {name: how[name] for name in ("seed", "solver", "steps", "path", "on", "label")}
            said |= {name: getattr(args, name) or None for name in ("weaker", "classifier", "interval", "rescale")}
            _write(path, samples, labels, teller, how["given"], made_by(model, weight=args.weight, **said))
    seconds = time.perf_counter() - began
    way = {"solver": args.solver, "steps": args.steps, "path": args.path, "on": args.on}
    steps, calls = len(model.walk(**way).levels) - 1, model.calls(how["weight"], **way)
    found = {"out": str(path), "n": args.n, "steps": steps, "calls": calls, "seconds": seconds, "seed": args.seed}
    write_numbers(args.json, found | {"precision": precision})
    how_many = f"{count(args.n, 'sample')} of {count(steps, 'step')}, {_calls(calls)}"
    note(f"{how_many}, in {seconds:.1f} s ({precision}): {path}")


class Solvers(argparse.Action):
    """`--solver help` lists them and ends, whatever else is missing from the line."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if values == "help":
            _list_solvers()
            parser.exit()
        setattr(namespace, self.dest, values)


def _list_solvers() -> None:
    from fromnoise.sampling import SOLVERS

    print(f"{'name':10} {'order':>5}  {'calls a step':12}  {'noise':5}  what it is")
    for name, choice in SOLVERS.items():
        calls = "its own" if choice.calls is None else str(choice.calls)
        print(f"{name:10} {choice.order:5}  {calls:12}  {'yes' if choice.noise else 'no':5}  {choice.about}")


def _calls(calls: int | None) -> str:
    return "as many network calls as they took" if calls is None else f"{count(calls, 'network call')} each"


def _check_out(path: Path) -> None:
    """What can be found out before the model is loaded."""
    if not path.suffix:
        check_new_folder(path)
    elif path.suffix.lower() in (".png", *ARRAYS, *FILMS):
        check_writable(path)
    else:
        raise UserError(f"cannot write {path.suffix}: use .png, {', '.join((*ARRAYS, *FILMS))} or a folder")


def _check_kind(path: Path, kind: str) -> None:
    """What can be found out before anything is drawn."""
    if path.suffix.lower() == ".csv" and kind != "points":
        raise UserError(f"a .csv holds points and tables; write {kind} as .npz, .npy or .png")
    if not path.suffix and kind != "images":
        raise UserError(f"a folder of pictures is for images; write {kind} as .png, .npz or .npy")


def _write(path: Path, samples: Any, labels: Any, model: Model, given: Tensor | None, made_by: str) -> None:
    facts = model.facts
    if path.suffix.lower() in ARRAYS:
        columns = {} if given is None or given.ndim != 2 else _columns(model, given, len(samples))
        write_array(path, samples, labels, facts, columns, made_by)
        return
    from fromnoise.figures import draw_samples, save, save_each

    if path.suffix:
        labelled = {} if labels is None else {"labels": labels.cpu(), "classes": facts.classes}
        save(draw_samples(samples, facts.kind, columns=facts.columns, **labelled), path, caption=made_by)
    else:
        save_each(samples, path, captions=[f"number {i}, {made_by}" for i in range(len(samples))])


def _columns(model: Model, given: Tensor, n: int) -> dict[str, list[float]]:
    """What each of n samples was drawn given, by the names that the table has or by that of the array."""
    name = str(model.config.data.get("given", "given"))
    names = [word.strip() for word in name.split(",")]
    names = names if len(names) == given.shape[1] else [f"{name}{i}" for i in range(given.shape[1])]
    known = {*model.facts.columns, *(f"x{i}" for i in range(math.prod(model.facts.shape)))}
    names = [f"given {name}" if name in known else name for name in names]
    rows = given[[i % len(given) for i in range(n)]]
    return dict(zip(names, rows.T.tolist(), strict=True))


def _film(model: Any, n: int, how: dict[str, Any], path: Path, update: Any) -> None:
    from fromnoise.figures import film

    total = model.steps(how["steps"], how["path"], how["on"])

    def watched():
        for step, state in enumerate(model.trajectory(n, **how)):
            update(step, total, "")
            yield state

    film(watched(), path, kind=model.facts.kind, to_own=model.to_own, total=total + 1, columns=model.facts.columns)


def _given(name: str | None, model: Model) -> Tensor | None:
    """The rows of a file, as what the model was trained given."""
    shape, process = model.facts.given, model.config.process
    for used, command in ((process.small, "upscale"), (process.condition, "trace")):
        if used:
            raise UserError(f"this model draws its samples given pictures: use fromnoise {command}")
    if name is None or not shape:
        if name is None and not shape:
            return None
        wanted = "leave --given out" if name else f"say what with --given FILE, rows of {math.prod(shape)} numbers"
        raise UserError(f"this model draws its samples given {'nothing' if name else 'something'}: {wanted}")
    import torch

    from fromnoise.data.tables import read_given

    told = model.config.data
    rows = read_given(Path(name), str(told.get("given", "")), str(told.get("layout", "auto")))
    if rows.shape[1:] != shape:
        raise UserError(f"{name} has rows of shape {rows.shape[1:]}; this model was trained given {shape}")
    return torch.from_numpy(rows)


def _guidance(args: argparse.Namespace, model: Model) -> Weight:
    """The weight alone, or with all that was said of guidance."""
    if not (args.weaker or args.classifier or args.interval or args.rescale):
        return args.weight
    from fromnoise.model import Classifier, Guidance, load

    classifier = Classifier(load(args.classifier, network=args.network)) if args.classifier else None
    own = 1.0 if classifier else model.config.sample.weight
    weight = own if args.weight is None else args.weight
    if weight == 1 and not classifier:
        raise UserError("--weaker, --interval and --rescale are about guidance: give it a --weight other than 1")
    weaker = load(args.weaker, network=args.network) if args.weaker else None
    low, high = args.interval or (-math.inf, math.inf)
    return Guidance(weight, (low, high), args.rescale, weaker, classifier)


def label_number(text: str | None, model: Model) -> int | None:
    """The number of a class, by its name or else by its number; the model itself refuses one out of range."""
    tells = model.config.process.prediction == "class"
    classes = model.facts.classes if tells else model.classes
    if text is None:
        return None
    if text not in classes and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    from fromnoise.model.asked import number_of

    return number_of(classes, text) if classes else 0  # which the model refuses, and says why
