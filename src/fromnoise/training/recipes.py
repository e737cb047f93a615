"""Recipes by name, and configurations from whatever a user names: a recipe, a TOML file or data."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fromnoise.data import SOURCES, load
from fromnoise.model import Config, read_config
from fromnoise.model.options import unknown

_FOLDER = Path(str(resources.files("fromnoise.training"))) / "recipes"


def recipes() -> dict[str, Config]:
    """The recipes that come with the package, by name.

    >>> "swissroll" in recipes()
    True
    """
    return {path.stem: read_config(path) for path in sorted(_FOLDER.glob("*.toml"))}


def recipe(name: str) -> Config:
    """A configuration by recipe name, TOML file, data set name or path to data.

    Data without a recipe of their own get the defaults for their kind. Raises UserError.

    >>> recipe("swissroll-kuras").schedule["T"]
    40
    """
    if (_FOLDER / f"{name}.toml").is_file() and "/" not in name:
        return read_config(_FOLDER / f"{name}.toml")
    if name.endswith(".toml"):
        return read_config(Path(name))
    if name not in SOURCES and not Path(name).exists() and "/" not in name:
        raise unknown("recipe or data", name, {*(p.stem for p in _FOLDER.glob("*.toml")), *SOURCES})
    base = "mnist" if _is_pictures(name) else "swissroll"
    tree = read_config(_FOLDER / f"{base}.toml").to_dict()
    return Config.from_dict({**tree, "about": f"Defaults for {name}", "data": {"name": name}})


def _is_pictures(name: str) -> bool:
    """Whether a name that is no recipe stands for images or fields rather than points or a table."""
    if name in SOURCES:
        return name == "mnist"
    if Path(name).is_file():
        return len(load(name).shape) == 3
    return True
