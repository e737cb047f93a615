"""Data for a trained model: its own that it has not seen, or a person's, as the model sees them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fromnoise.cli.outputs import note
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.data import Dataset
    from fromnoise.model import Model


def data_for(args: argparse.Namespace, model: Model) -> tuple[Dataset, str]:
    """The data, and how to speak of them."""
    from fromnoise.data import load, options
    from fromnoise.model.options import parse_value

    changes = {key: parse_value(value) for key, value in args.changes.items()}
    wrong = [key for key in changes if not key.startswith("data.") or key == "data.name"]
    if wrong:
        raise UserError(f"--{wrong[0]} is not an option of the data: a trained model is taken as it is")
    own = dict(model.config.data)
    name = str(args.data or own.get("name", ""))
    given = {} if args.data else {key: value for key, value in own.items() if key != "name"}
    known = options(name)
    if not args.data and "split" in known:
        given["split"] = "test"
    elif not args.data and "seed" in known:
        given["seed"] = int(given.get("seed", 0)) + 1  # other points of the same law
    if args.data and model.facts.kind == "images" and "size" in known:
        given["size"] = list(model.facts.shape[1:]) if name != "mnist" else model.facts.shape[1]
        given |= {key: own[key] for key in ("fit", "resample", "background") if key in own and key in known}
        if "channels" in known:
            given["channels"] = model.facts.shape[0]
        if "background" in known and own.get("name") == "mnist":  # white digits on black
            given["background"] = "black"
    given |= {key[5:]: value for key, value in changes.items()}
    data = load(name, **given)
    if tuple(data.shape) != tuple(model.facts.shape):
        raise UserError(f"{name} has samples of {_by(data.shape)}, the model is one of {_by(model.facts.shape)}")
    said = ""
    if "split" in known:
        said = f", split {given.get('split', known['split'].default)}"
    elif "seed" in known:
        said = f", seed {given.get('seed', known['seed'].default)}"
    elif not args.data:
        said = ", the training data"
    return data, f"{name}{said}"


def chosen_rows(data: Dataset, n: int, seed: int) -> Any:
    """n different rows of the data at random, or all: folders are in the order of their classes."""
    import torch

    return torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n].numpy()


def _by(shape: Any) -> str:
    return " x ".join(map(str, shape))


def as_the_model_sees(data: Dataset, index: Any, model: Model) -> tuple[Tensor, Tensor | None]:
    """Samples as the model sees them, by its own centre and scale, and their classes where the model knows them.

    Columns and classes go by their names. Raises UserError for columns of other names.
    """
    if model.facts.kind == "images":
        return _with_labels(data, index, model, data.batch(index).float())
    own = data.units.to_own(data.batch(index).double())
    theirs, known = tuple(data.columns), tuple(model.facts.columns)
    if theirs and known and theirs != known:
        if sorted(theirs) != sorted(known):
            raise UserError(f"the data have the columns {', '.join(theirs)}; the model knows {', '.join(known)}")
        own = own[:, [theirs.index(name) for name in known]]
    return _with_labels(data, index, model, model.from_own(own).float())


def _with_labels(data: Dataset, index: Any, model: Model, x_0: Tensor) -> tuple[Tensor, Tensor | None]:
    labels, classes = data.batch_labels(index), list(model.facts.classes)
    if labels is None or not model.config.process.conditional:
        return x_0, None
    used = sorted({data.classes[label] for label in labels.tolist()})
    strange = [name for name in used if name not in classes]
    if strange:
        note(f"the model knows no class {', '.join(strange[:3])}: it is told none")
        return x_0, None
    import torch

    return x_0, torch.tensor([classes.index(data.classes[label]) for label in labels.tolist()])
