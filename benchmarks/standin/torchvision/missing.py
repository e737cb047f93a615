"""What stands where the real package has something: a class to import, to derive from and to list, but not to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


def _refuse(name: str) -> NoReturn:
    raise NotImplementedError(f"torchvision.{name} is only a stand-in here: install torchvision to use it")


def unusable(name: str) -> type:
    """A class that raises where it is instantiated; others may be derived from it."""

    class Unusable:
        def __init__(self, *args: Any, **options: Any) -> None:
            _refuse(name)

    return Unusable


def uncallable(name: str) -> type:
    """A class whose instances can be made, as peers do while they are imported, and raise where they are called."""

    class Uncallable:
        def __init__(self, *args: Any, **options: Any) -> None:
            pass

        def __call__(self, *args: Any, **options: Any) -> NoReturn:
            _refuse(name)

    return Uncallable


def names(module: str, stand_in: Callable[[str], type]) -> Callable[[str], type]:
    """A module's __getattr__: every public name is such a class."""

    def find(name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(f"module 'torchvision.{module}' has no attribute {name!r}")
        return stand_in(f"{module}.{name}")

    return find
