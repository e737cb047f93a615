"""One name, one data set: what is built in, a path, or a data set of the hub."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fromnoise.data import points
from fromnoise.data.checks import did_you_mean, suggestion
from fromnoise.data.dataset import Dataset
from fromnoise.data.mnist import mnist
from fromnoise.errors import UserError

SOURCES: dict[str, Callable[..., Dataset]] = {
    "swissroll": points.swissroll,
    "moons": points.moons,
    "circles": points.circles,
    "checkerboard": points.checkerboard,
    "mixture": points.mixture,
    "spiral": points.spiral,
    "picture": points.picture,
    "mnist": mnist,
}
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def load(source: str, **options: Any) -> Dataset:
    """The data set called `source`: a built-in name, an existing path, or `owner/name` on the hub.

    A folder holds images; .npy, .npz, .csv and .parquet files hold arrays and tables; one image file is a
    data set of one image. To read a folder that has a built-in name, write `./mnist`. The options are those
    of the loader (see `options`). Raises UserError for an unknown source or option, a value out of range,
    or data that cannot be read.

    >>> load("moons", n=100, noise=0.05)
    Dataset(100 points of shape (2,), 2 classes)
    """
    loader = _loader(source)
    known = inspect.signature(loader).parameters
    for name in options:
        if name not in known:
            raise UserError(f"{source} has no option {name!r}{suggestion(name, known)}")
    return loader(**options)


def options(source: str) -> dict[str, inspect.Parameter]:
    """The options that `source` takes, by name, with their default values.

    Raises UserError that names the nearest known source where there is none of this name.

    >>> options("mnist")["size"].default
    32
    """
    return dict(inspect.signature(_loader(source)).parameters)


def _loader(source: object) -> Callable[..., Dataset]:
    if not isinstance(source, str) or not source.strip() or "\0" in source:
        raise UserError(f"{source!r} is no data source; give {_known()}, a path, or owner/name of the hub")
    if source in SOURCES:
        return SOURCES[source]
    if source.encode("utf-8", "replace").decode() != source:
        raise UserError(f"{source!r} is not UTF-8: rename it, so that a configuration can say its name")
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    from fromnoise.data import decode, tables

    if path.is_dir() or (path.is_file() and suffix in decode.suffixes()):
        from fromnoise.data.images import read_images

        return partial(read_images, path)
    if path.is_file():
        if suffix in tables.READERS:
            return partial(tables.read_table, path)
        kinds = ", ".join(tables.READERS)
        raise UserError(f"cannot read {source}: data are a folder of images, an image, or {kinds}")
    if HUB_NAME.fullmatch(source) and suffix not in {*tables.READERS, *decode.suffixes()}:
        from fromnoise.data.hub import read_hub

        return partial(read_hub, source)
    if suffix or {"/", "\\", "~"} & set(source):
        raise UserError(f"no such file or folder: {source}; check the path")
    raise UserError(
        f"unknown data set {source!r}{did_you_mean(source, SOURCES)} "
        f"(built in: {_known()}; a path or owner/name of the hub works too)"
    )


def _known() -> str:
    return ", ".join(SOURCES)
