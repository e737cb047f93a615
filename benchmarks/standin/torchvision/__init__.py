"""A stand-in where torchvision cannot be installed: enough that peers which import it can be imported, and no more.

Every name below is found, and raises NotImplementedError as soon as it is used. Where the real package is installed it
is found first, and this one is never seen.
"""

from __future__ import annotations

from typing import NoReturn

from torchvision import models, transforms, utils

__version__ = "0.13.0+standin"
__all__ = ["models", "transforms", "utils"]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"torchvision.{name} is not part of this stand-in: install torchvision to use it")
