"""What `fromnoise judge` compares: samples of a model or of anybody, training data, and data that were held back."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fromnoise.data import Dataset, load, options
from fromnoise.data.decode import open_image
from fromnoise.data.images import find_images
from fromnoise.errors import UserError
from fromnoise.evaluation import Spent, spending
from fromnoise.evaluation.judgement import labels_among
from fromnoise.model.options import write_toml
from fromnoise.model.provenance import made_by
from fromnoise.model.store import write_file
from fromnoise.training.fit import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fromnoise.model import Model

SAMPLES = "samples.npz"
LARGEST = 256
"""Pixels of a side at which pictures are compared at most."""
CHUNK = 250
"""Samples that are drawn between two states on disk."""


class Judged(NamedTuple):
    """Samples as a data set, the class that each was told (n,) or None, how to speak of them, and what they took."""

    data: Dataset
    told: Tensor | None
    what: str
    spent: Spent


def training_data(model: Model) -> Dataset:
    """What the model was trained on, in its own units. Raises UserError where it is not there any more."""
    own = dict(model.config.data)
    name = str(own.pop("name", ""))
    try:
        data = load(name, **own)
    except UserError as error:
        raise UserError(f"the training data cannot be read ({error}); say where they are with --reference") from None
    if tuple(data.shape) != tuple(model.facts.shape) or model.facts.digest not in ("", digest(data)):
        raise UserError(f"{name} is not what the model was trained on any more; say where that is with --reference")
    return data


def blank(model: Model) -> Dataset:
    """No data at all, of the kind, shape and units of those that the model was trained on."""
    facts = model.facts
    rows = np.zeros((0, *facts.shape), np.float32)
    labels = np.zeros(0, np.int64) if facts.classes else None
    return Dataset(facts.kind, facts.shape, rows, model.units, labels, facts.classes, columns=facts.columns)


def held_back(own: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options by which the data of a configuration give what was not trained on; None where all was.

    >>> held_back({"name": "mnist", "size": 28})
    {'name': 'mnist', 'size': 28, 'split': 'test'}
    """
    known = options(str(own.get("name", "")))
    if "split" in known and own.get("split", "train") != "train":
        return None
    if "split" in known:
        return {**own, "split": "test"}
    if "seed" in known:
        return {**own, "seed": int(own.get("seed", 0)) + 1}  # other points of the same law
    return None


def reference(source: str, generated: str) -> Dataset:
    """The data called `source`, pictures in the size of those that were generated: these are compared as they are."""
    size = natural_size(generated)
    if size is None:
        return load(source)
    if source == "mnist" and not 28 <= size[0] == size[1] <= 64:
        raise UserError(f"the pictures of {generated} are {size[0]} x {size[1]} pixels, mnist's 28 x 28: resize them")
    return load(source, **sized(source, size))


def natural_size(source: str) -> tuple[int, int] | None:
    """Height and width of the pictures called `source` as they lie there; None for what is no picture, and for names.

    Of a folder those of the first picture that can be read, no side longer than `LARGEST`.
    """
    if "size" not in options(source):
        shape = load(source).shape
        return (shape[1], shape[2]) if len(shape) == 3 else None
    if not (path := Path(source).expanduser()).exists():
        return None
    for name in find_images(path) if path.is_dir() else [path.name]:
        try:
            width, height = open_image((path if path.is_dir() else path.parent) / name).size
        except (OSError, ValueError):
            continue
        shrink = min(1.0, LARGEST / max(width, height))
        return max(1, round(height * shrink)), max(1, round(width * shrink))
    return None


def sized(source: str, size: tuple[int, int]) -> dict[str, Any]:
    """The option by which data take this height and width, where they have one.

    >>> sized("mnist", (28, 28)), sized("moons", (28, 28))
    ({'size': 28}, {})
    """
    if "size" not in options(source):
        return {}
    return {"size": size[0] if source == "mnist" else [*size]}


def beside(source: str, like: Dataset) -> Dataset:
    """The data called `source`, in the shape and the units of others."""
    given: dict[str, Any] = {}
    if like.kind == "images":
        given = sized(source, (like.shape[1], like.shape[2]))
        if "channels" in options(source):
            given["channels"] = like.shape[0]
    return alike(load(source, **given), like, source)


def alike(data: Dataset, like: Dataset, name: str) -> Dataset:
    """The data in the kind and units of others. Raises UserError for another shape, or numbers that are no pictures."""
    if tuple(data.shape) != tuple(like.shape):
        raise UserError(f"{name} has samples of {_by(data.shape)}, the data have {_by(like.shape)}")
    if data.kind == "images" and like.kind != "images":
        raise UserError(f"{name} are pictures, the data are numbers: save both as pictures")
    if like.kind == "images":
        return data if data.kind == "images" else _pictures(data, name)
    if data.columns and like.columns and data.columns != like.columns:
        raise UserError(f"{name} has the columns {', '.join(data.columns)}; the data have {', '.join(like.columns)}")
    rows = like.units.from_own(data.units.to_own(data.rows.astype(np.float64))).astype(np.float32)
    return Dataset(like.kind, like.shape, rows, like.units, data.labels, data.classes, columns=like.columns)


def drawn(model: Model, n: int, seed: int, out: Path, like: Dataset, progress: Callable[[int, int], None]) -> Judged:
    """n samples of the model, kept in `out` as they come: the same call goes on where it was stopped."""
    told = _told(model, n, seed, like)
    path, mark = out / SAMPLES, _mark(model, seed, _shares(model, like))
    rows, spent = _kept(path, mark, model)
    rows = rows[:n]
    if len(rows) < n:
        rows, spent = _more(model, rows, n, seed, told, lambda some: _keep(path, some, mark, Spent()), progress)
        _keep(path, rows, mark, spent)
    if model.config.sample.weight == 0:
        told = None  # the model was told, and took no notice
    own = rows if model.facts.kind == "images" else like.units.from_own(rows.astype(np.float64)).astype(np.float32)
    way = f"{model.config.sample.solver}, {model.steps()} steps"
    return Judged(Dataset(like.kind, like.shape, own, like.units), told, f"{n:,} samples, seed {seed}, {way}", spent)


def _more(
    model: Model, rows: np.ndarray, n: int, seed: int, told: Tensor | None, keep: Callable[[np.ndarray], None],
    progress: Callable[[int, int], None],
) -> tuple[np.ndarray, Spent]:  # fmt: skip
    """The rows and those after them, n in all, kept now and then, and what the new ones took."""
    spent = Spent(n - len(rows))
    with spending(spent):
        while len(rows) < n:
            done, some = len(rows), min(CHUNK, n - len(rows))

            def step(k: int, of: int, done: int = done, some: int = some) -> None:
                progress(done + k * some // of, n)

            part = None if told is None else told[done : done + some]
            x = _packed(model.sample(some, seed=seed, first=done, label=part, progress=step).cpu(), model)
            rows = np.concatenate([rows, x]) if done else x
            if len(rows) < n:
                keep(rows)
    return rows, spent


def given(source: str, like: Dataset) -> Judged:
    """Samples that somebody has: a folder of pictures, an array or table, or a data set's name."""
    data = beside(source, like)
    told = None
    if data.labels is not None and set(data.classes) <= set(like.classes):
        names = [like.classes.index(name) for name in data.classes]
        told = torch.tensor(names)[torch.from_numpy(data.labels)]
    return Judged(data, told, f"{len(data):,} samples of {source}", Spent())


def _told(model: Model, n: int, seed: int, like: Dataset) -> Tensor | None:
    """The class that each of n samples is told, by chance with the shares of the training data."""
    shares = _shares(model, like)
    return None if shares is None else torch.from_numpy(np.random.default_rng(seed).choice(len(shares), n, p=shares))


def _shares(model: Model, like: Dataset) -> np.ndarray | None:
    """Of the model's classes among the data; None where it is not told any."""
    if not model.config.process.conditional:
        return None
    names = model.facts.classes
    labels = labels_among(like, names) if len(like) else None
    counts = torch.ones(len(names)) if labels is None else torch.bincount(labels, minlength=len(names))
    return (counts.double() / counts.sum()).numpy()


def _packed(x: Tensor, model: Model) -> np.ndarray:
    from fromnoise.figures import to_uint8

    return to_uint8(x) if model.facts.kind == "images" else x.cpu().numpy().astype(np.float32)


def _mark(model: Model, seed: int, shares: np.ndarray | None) -> str:
    """What decides the samples: the weights, how they are drawn, the shares of the classes, and the seed."""
    said = write_toml(model.config.to_dict()) + ("" if shares is None else str(shares.tolist()))
    how = hashlib.sha256(said.encode()).hexdigest()[:16]
    return made_by(model, seed=seed, judged=how)


def _keep(path: Path, rows: np.ndarray, mark: str, spent: Spent) -> None:
    buffer = io.BytesIO()
    took = np.array([spent.samples, spent.seconds, spent.energy, spent.peak])
    np.savez(buffer, samples=rows, made_by=np.array(mark), spent=took)
    write_file(path, buffer.getvalue())


def _kept(path: Path, mark: str, model: Model) -> tuple[np.ndarray, Spent]:
    """The samples that are there already, if they are whole and of this model and seed, and what they took.

    Raises UserError for a file that something else made.
    """
    nothing = np.zeros((0, *model.facts.shape), np.float32)
    if not path.exists():
        return nothing, Spent()
    try:
        with np.load(path, allow_pickle=False) as file:
            rows, made = file["samples"], str(file["made_by"])
            took = [float(number) for number in np.ravel(file.get("spent", ()))]
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({type(error).__name__}): move it away or give another --out") from None
    if '"judged"' not in made:
        raise UserError(f"{path} was not written by judge and is not overwritten: give another --out")
    if made != mark or rows.shape[1:] != tuple(model.facts.shape):
        return nothing, Spent()
    return rows, Spent(int(took[0]), *took[1:]) if len(took) == 4 else Spent()  # another version may say less


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
