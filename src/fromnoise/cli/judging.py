"""One judgement from a command's line: what is judged, beside what, by which features, and what came out."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fromnoise.cli.judge_data import (
    Judged,
    alike,
    beside,
    blank,
    drawn,
    given,
    held_back,
    reference,
    sized,
    training_data,
)
from fromnoise.cli.outputs import note
from fromnoise.cli.progress import Update, bar
from fromnoise.data import Dataset
from fromnoise.data import load as load_data
from fromnoise.errors import UserError
from fromnoise.evaluation import (
    FEATURES,
    Estimate,
    Features,
    Judgement,
    as_numbers,
    auc,
    cost,
    denoising_errors,
    judge,
)  # fmt: skip
from fromnoise.evaluation.judgement import labels_among
from fromnoise.model import Model, checkpoints, load
from fromnoise.training.fit import digest

FOREIGN = (
    "--reference is not what this run was trained on: copies are sought among the reference, and copies of the run's "
    "own data are not seen"
)
MEMBERS = 1000
"""Of training and of held-out data, whose denoising errors are compared."""


class Sides(NamedTuple):
    """The model, if samples are one's, what it was trained on, what it has not seen, and what is compared.

    `source` is what the training data are called, with their options.
    """

    model: Model | None
    training: Dataset
    held_out: Dataset | None
    features: Features
    source: dict[str, Any]


class Outcome(NamedTuple):
    """A judgement, the samples that were judged, the membership, and all of it as what JSON can hold."""

    found: Judgement
    samples: Judged
    known: Estimate | None
    numbers: dict[str, Any]


def sides(args: argparse.Namespace) -> Sides:
    """What the line names, read. Raises UserError for what cannot be compared."""
    model, training, held_out = _data(args)
    if foreign(model, training):
        note(FOREIGN)
    source = {"name": args.reference} if args.reference or model is None else dict(model.config.data)
    return Sides(model, training, held_out, _features(args.features, training), source)


def foreign(model: Model | None, training: Dataset) -> bool:
    """Whether the model was trained on other data than these."""
    return model is not None and model.facts.digest not in ("", digest(training))


def outcome(of: Sides, args: argparse.Namespace, out: Path) -> Outcome:
    """Draw or read the samples, and judge them; what is drawn is kept in `out`."""
    began = time.perf_counter()
    model, training, held_out, features, _ = of
    try:
        with bar("samples", args.quiet) as update:
            samples = _samples(args, model, training, out, update)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; what was drawn is in {out}, and the same line again goes on") from None
    with bar("judging", args.quiet) as update:
        found = judge(
            samples.data, training, held_out, features, told=samples.told, seed=args.seed,
            progress=lambda what, done, total: update(done, total, what),
        )  # fmt: skip
        known = _membership(model, training, held_out, args.seed, update)
    about = {
        "samples": samples.what, "model": args.model, "seed": args.seed, "foreign": foreign(model, training),
        "seconds": time.perf_counter() - began, "cost": None if model is None else cost(model, samples.spent),
    }  # fmt: skip
    return Outcome(
        found, samples, known, about | as_numbers(found) | {"membership": None if known is None else known._asdict()}
    )


def stages(args: argparse.Namespace) -> list[Path]:
    """The checkpoints of the RUN before its newest. Raises UserError where there are none."""
    found = checkpoints(Path(args.model))[:-1]
    if not found:
        raise UserError(
            f"--all needs a run folder with several checkpoints, and {args.model} has fewer than two: train with "
            "--train.checkpoint_every N --train.keep 10"
        )
    return found


def over_training(of: Sides, args: argparse.Namespace, out: Path, newest: Outcome) -> list[tuple[int, Outcome]]:
    """Every checkpoint of the RUN with its step, judged alike, oldest first; the newest is judged already."""
    paths = stages(args)
    last = int(checkpoints(Path(args.model))[-1].name[5:])
    found = []
    for path in paths:
        model = load(str(path), network=args.network)
        found.append((int(path.name[5:]), outcome(of._replace(model=model), args, out / "checkpoints" / path.name)))
    return [*found, (last, newest)]


def as_curves(curves: list[tuple[int, Outcome]]) -> list[dict[str, Any]]:
    """The curves over training as what JSON can hold."""
    kept = ("n", "numbers", "memorisation", "membership")
    return [{"step": step} | {name: at.numbers[name] for name in kept} for step, at in curves]


def _data(args: argparse.Namespace) -> tuple[Model | None, Dataset, Dataset | None]:
    """The model, what it was trained on, and what it has not seen."""
    model = None if args.model is None else load(args.model, network=args.network)
    if model is not None and model.facts.given:
        raise UserError("this model draws samples given something, each of another law: judge draws for one row")
    if model is None:
        training = reference(args.reference, args.generated)
    else:
        training = beside(args.reference, blank(model)) if args.reference else training_data(model)
    if args.held_out:
        return model, training, beside(args.held_out, training)
    own = {"name": args.reference} if args.reference else {} if model is None else dict(model.config.data)
    other = held_back(own)
    if other is None:
        return model, training, None
    name = str(other.pop("name"))
    if args.reference and training.kind == "images":
        other |= sized(name, (training.shape[1], training.shape[2]))
    return model, training, alike(load_data(name, **other), training, name)


def _features(name: str, data: Dataset) -> Features:
    pictures = data.kind == "images"
    if name == "auto":
        digits = pictures and data.shape[0] == 1 and min(data.shape[1:]) >= 28
        digits = digits and data.classes == tuple("0123456789")
        name = "digits" if digits else "convolutions" if pictures else "coordinates"
    if (name == "coordinates") == pictures:
        raise UserError(f"{name} are not features of {data.kind}: leave --features out")
    if name == "digits" and (data.shape[0] != 1 or min(data.shape[1:]) < 28):
        raise UserError("digits are features of one channel and at least 28 x 28 pixels: choose convolutions")
    return FEATURES[name]()


def _samples(args: argparse.Namespace, model: Model | None, training: Dataset, out: Path, update: Update) -> Judged:
    if args.generated:
        return given(args.generated, training)
    assert model is not None
    return drawn(model, args.n, args.seed, out, training, lambda done, total: update(done, total, ""))


def _membership(
    model: Model | None, training: Dataset, held_out: Dataset | None, seed: int, update: Update
) -> Estimate | None:
    """How well the denoising error tells training from held-out data."""
    if model is None or held_out is None or model.config.distil.teacher:
        return None
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
