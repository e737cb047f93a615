"""fromnoise judge: how good, how diverse and how new samples are, on one page."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import whole
from fromnoise.cli.outputs import check_numbers, check_writable, note, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from fromnoise.cli.judge_data import Judged
    from fromnoise.data import Dataset
    from fromnoise.evaluation import Estimate, Features
    from fromnoise.model import Model

FEATURES = ("auto", "digits", "pixels", "convolutions", "coordinates", "inception", "dinov2", "clip")
MEMBERS = 1000
"""Of training and of held-out data, whose denoising errors are compared."""
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
  fromnoise judge --generated samples/ --reference photos/ --held-out test/ --out report --json numbers.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", nargs="?", help="a run folder, a checkpoint or a bundled name")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder of the page; its files are replaced")
    parser.add_argument("-n", type=whole(100), default=2000, help="samples that are drawn of a RUN (default 2000)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of all that is drawn and chosen (default 0)")
    parser.add_argument("--generated", metavar="DATA", help="samples that are there already")
    parser.add_argument("--reference", metavar="DATA", help="the training data; a RUN knows its own")
    parser.add_argument("--held-out", metavar="DATA", help="data that were not trained on; a RUN may know its own")
    parser.add_argument("--features", choices=FEATURES, default="auto", help="what pictures are compared by")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Judge samples."""
    out = Path(args.out)
    if args.model is None and not (args.generated and args.reference):
        raise UserError("give a RUN, or both --generated DATA and --reference DATA")
    for name in ("index.html", "report.md", "judgement.json"):
        check_writable(out / name)
    check_numbers(args.json)
    from fromnoise.cli.judge_page import write
    from fromnoise.evaluation import as_numbers, judge
    from fromnoise.model import keep_memory

    keep_memory()
    began = time.perf_counter()
    model, training, held_out = _data(args)
    features = _features(args.features, training)
    with bar("samples", args.quiet) as update:
        samples = _samples(args, model, training, out, update)
    with bar("judging", args.quiet) as update:
        found = judge(
            samples.data, training, held_out, features, told=samples.told, seed=args.seed,
            progress=lambda what, done, total: update(done, total, what),
        )  # fmt: skip
        known = _membership(model, training, held_out, args.seed, update)
    seconds = time.perf_counter() - began
    about = {"samples": samples.what, "model": args.model, "seed": args.seed, "seconds": seconds}
    about |= {"cost": None if model is None else _cost(model)}
    numbers = about | as_numbers(found) | {"membership": None if known is None else known._asdict()}
    write(out, found, samples, training, known, numbers)
    write_numbers(str(out / "judgement.json"), numbers)
    write_numbers(args.json, numbers)
    print(found.copies.verdict)
    note(f"in {seconds:.0f} s: {out / 'index.html'}")


def _data(args: argparse.Namespace) -> tuple[Model | None, Dataset, Dataset | None]:
    """The model, what it was trained on, and what it has not seen."""
    from fromnoise.cli.judge_data import alike, beside, blank, held_back, training_data
    from fromnoise.data import load as load_data
    from fromnoise.model import load

    model = None if args.model is None else load(args.model, network=args.network)
    if model is not None and model.facts.given:
        raise UserError("this model draws samples given something, each of another law: judge draws for one row")
    if model is None:
        training = load_data(args.reference)
    else:
        training = beside(args.reference, blank(model)) if args.reference else training_data(model)
    if args.held_out:
        return model, training, beside(args.held_out, training)
    own = {"name": args.reference} if args.reference else {} if model is None else dict(model.config.data)
    other = held_back(own)
    if other is None:
        return model, training, None
    name = str(other.pop("name"))
    return model, training, alike(load_data(name, **other), training, name)


def _features(name: str, data: Dataset) -> Features:
    from fromnoise.evaluation import FEATURES as KNOWN

    pictures = data.kind == "images"
    if name == "auto":
        digits = pictures and data.shape[0] == 1 and min(data.shape[1:]) >= 28
        digits = digits and data.classes == tuple("0123456789")
        name = "digits" if digits else "convolutions" if pictures else "coordinates"
    if (name == "coordinates") == pictures:
        raise UserError(f"{name} are not features of {data.kind}: leave --features out")
    if name == "digits" and (data.shape[0] != 1 or min(data.shape[1:]) < 28):
        raise UserError("digits are features of one channel and at least 28 x 28 pixels: choose convolutions")
    return KNOWN[name]()


def _samples(args: argparse.Namespace, model: Model | None, training: Dataset, out: Path, update: Any) -> Judged:
    from fromnoise.cli.judge_data import drawn, given

    if args.generated:
        return given(args.generated, training)
    assert model is not None
    return drawn(model, args.n, args.seed, out, training, lambda done, total: update(done, total, ""))


def _membership(
    model: Model | None, training: Dataset, held_out: Dataset | None, seed: int, update: Any
) -> Estimate | None:
    """How well the denoising error tells training from held-out data."""
    if model is None or held_out is None or model.config.distil.teacher:
        return None
    import torch

    from fromnoise.evaluation import auc, denoising_errors
    from fromnoise.evaluation.judgement import labels_among

    errors = []
    for data in (training, held_out):
        n = min(MEMBERS, len(data))
        index = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n].numpy()
        names = model.facts.classes
        labels = labels_among(data, names, index) if model.config.process.conditional else None
        errors.append(
            denoising_errors(
                model, model.seen(data, index), labels, seed=seed, progress=lambda k, of: update(k, of, "membership")
            )
        )
    return auc(errors[0], errors[1])


def _cost(model: Model) -> dict[str, Any]:
    """What a sample takes."""
    parameters = sum(weight.numel() for weight in model.network.parameters())
    return {"parameters": parameters, "calls": model.calls(), "steps": model.steps()}
