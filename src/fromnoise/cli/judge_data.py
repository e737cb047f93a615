"""What `fromnoise judge` compares: samples of a model or of anybody, training data, and data that were held back."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fromnoise.data import Dataset, load, options
from fromnoise.errors import UserError
from fromnoise.model.provenance import made_by
from fromnoise.model.store import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fromnoise.model import Model

SAMPLES = "samples.npz"
CHUNK = 500
"""Samples that are drawn between two states on disk."""


class Judged(NamedTuple):
    """Samples as a data set, the class that each was told (n,) or None, and how to speak of them."""

    data: Dataset
    told: Tensor | None
    what: str


def training_data(model: Model) -> Dataset:
    """What the model was trained on, in its own units. Raises UserError where it is not there any more."""
    own = dict(model.config.data)
    name = str(own.pop("name", ""))
    try:
        data = load(name, **own)
    except UserError as error:
        raise UserError(f"the training data cannot be read ({error}); say where they are with --reference") from None
    if tuple(data.shape) != tuple(model.facts.shape):
        raise UserError(f"{name} now has shape {tuple(data.shape)}: the training data were replaced")
    return data


def held_back(own: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options by which the data of a configuration give what was not trained on; None where all was.

    >>> held_back({"name": "mnist", "size": 28})
    {'name': 'mnist', 'size': 28, 'split': 'test'}
    """
    known = options(str(own.get("name", "")))
    if "split" in known:
        return {**own, "split": "test"}
    if "seed" in known:
        return {**own, "seed": int(own.get("seed", 0)) + 1}  # other points of the same law
    return None


def beside(source: str, like: Dataset) -> Dataset:
    """The data called `source`, in the shape and the units of others."""
    known, given = options(source), {}
    if like.kind == "images" and "size" in known:
        height, width = like.shape[1:]
        given["size"] = height if source == "mnist" else [height, width]
        if "channels" in known:
            given["channels"] = like.shape[0]
    return alike(load(source, **given), like, source)


def alike(data: Dataset, like: Dataset, name: str) -> Dataset:
    """The data in the kind and units of others. Raises UserError for another shape, or numbers that are no pictures."""
    if tuple(data.shape) != tuple(like.shape):
        raise UserError(f"{name} has samples of {_by(data.shape)}, the data have {_by(like.shape)}")
    if like.kind == "images":
        return data if data.kind == "images" else _pictures(data, name)
    if data.columns and like.columns and data.columns != like.columns:
        raise UserError(f"{name} has the columns {', '.join(data.columns)}; the data have {', '.join(like.columns)}")
    rows = like.units.from_own(data.units.to_own(data.rows.astype(np.float64))).astype(np.float32)
    return Dataset(like.kind, like.shape, rows, like.units, data.labels, data.classes, columns=like.columns)


def drawn(model: Model, n: int, seed: int, out: Path, like: Dataset, progress: Callable[[int, int], None]) -> Judged:
    """n samples of the model, kept in `out` as they come: the same call goes on where it was stopped."""
    path, mark = out / SAMPLES, _mark(model, seed)
    rows = _kept(path, mark)[:n]
    while len(rows) < n:
        done = len(rows)
        some = min(CHUNK, n - done)

        def step(k: int, of: int, done: int = done, some: int = some) -> None:
            progress(done * of + k * some, n * of)

        x = model.sample(some, seed=seed, first=done, progress=step)
        rows = np.concatenate([rows, _packed(x, model)]) if done else _packed(x, model)
        _keep(path, rows, mark)
    told = model.labels(n)
    own = rows if model.facts.kind == "images" else like.units.from_own(rows.astype(np.float64)).astype(np.float32)
    way = f"{model.config.sample.solver}, {model.steps()} steps"
    return Judged(Dataset(like.kind, like.shape, own, like.units), told, f"{n:,} samples, seed {seed}, {way}")


def given(source: str, like: Dataset) -> Judged:
    """Samples that somebody has: a folder of pictures, an array or table, or a data set's name."""
    data = beside(source, like)
    told = None
    if data.labels is not None and set(data.classes) <= set(like.classes):
        names = [like.classes.index(name) for name in data.classes]
        told = torch.tensor(names)[torch.from_numpy(data.labels)]
    return Judged(data, told, f"{len(data):,} samples of {source}")


def _packed(x: Tensor, model: Model) -> np.ndarray:
    from fromnoise.figures import to_uint8

    return to_uint8(x) if model.facts.kind == "images" else x.cpu().numpy().astype(np.float32)


def _mark(model: Model, seed: int) -> str:
    """What decides the samples: the weights, how they are drawn, and the seed."""
    return made_by(model, seed=seed, sample=asdict(model.config.sample))


def _keep(path: Path, rows: np.ndarray, mark: str) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, samples=rows, made_by=np.array(mark))
    write_file(path, buffer.getvalue())


def _kept(path: Path, mark: str) -> np.ndarray:
    """The samples that are there already, if they are those of this model and seed."""
    nothing = np.zeros((0,), np.float32)
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["samples"] if str(file["made_by"]) == mark else nothing
    except (OSError, ValueError, KeyError, EOFError):
        return nothing


def _pictures(data: Dataset, name: str) -> Dataset:
    """Numbers in [-1, 1], [0, 1] or [0, 255] as pictures."""
    own = data.units.to_own(data.rows.astype(np.float64))
    low, high = float(own.min()), float(own.max())
    if low >= -1.001 and high <= 1.001:
        rows = own if low < -0.001 else 2 * own - 1
    elif low >= 0 and high <= 255.5:
        rows = own / 127.5 - 1
    else:
        said = f"numbers from {low:.4g} to {high:.4g}"
        raise UserError(f"{name} holds {said}; pictures are in [-1, 1], [0, 1] or 0 to 255")
    return Dataset("images", data.shape, rows.astype(np.float32), labels=data.labels, classes=data.classes)


def _by(shape: Any) -> str:
    return " x ".join(map(str, shape))
