"""Recipes by name, and configurations from whatever a user names: a recipe, a TOML file or data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fromnoise.data import SOURCES, load
from fromnoise.errors import UserError
from fromnoise.model import Config, read_config
from fromnoise.model.options import unknown

_FOLDER = Path(str(resources.files("fromnoise.training"))) / "recipes"


def recipes() -> dict[str, Config]:
    """The recipes that come with the package, by name.

    >>> "swissroll" in recipes()
    True
    """
    return {path.stem: read_config(path) for path in sorted(_FOLDER.glob("*.toml"))}


def recipe(name: str, /, **options: Any) -> Config:
    """A configuration by recipe name, TOML file, data set name or path to data.

    Data without a recipe of their own get the defaults for their kind; `options` are the loader's, such as
    the key of an array in an .npz file. Raises UserError.

    >>> recipe("swissroll-kuras").schedule["T"]
    40
    """
    if name in _names():
        return read_config(_FOLDER / f"{name}.toml")
    if name.endswith(".toml"):
        return read_config(Path(name))
    if name not in SOURCES and not Path(name).exists() and "/" not in name:
        near = unknown("recipe or data", name, {*_names(), *SOURCES})
        raise UserError(f"there is no file {name}") if Path(name).suffix else near
    kind, axes = _kind(name, options)
    base = "mnist" if axes == 3 else "swissroll"
    tree = read_config(_FOLDER / f"{base}.toml").to_dict()
    # The recipes know their labels; data of the same kind need not have any.
    tree["process"]["conditional"], tree["sample"]["weight"] = False, 1.0
    if kind != "images":
        tree["sample"]["clip"] = False
    return Config.from_dict({**tree, "about": f"Defaults for {name}", "data": {"name": name, **options}})


def _names() -> set[str]:
    return {path.stem for path in _FOLDER.glob("*.toml")}


def _kind(name: str, options: Mapping[str, Any]) -> tuple[str, int]:
    """The kind of the data that a name stands for, which is no recipe's, and the axes of a sample."""
    if Path(name).is_file():
        data = load(name, **options)
        return data.kind, len(data.shape)
    return ("images", 3) if name == "mnist" or name not in SOURCES else ("points", 1)
