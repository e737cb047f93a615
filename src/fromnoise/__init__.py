"""Denoising diffusion models that a person can train, sample and understand.

>>> import fromnoise as fn
>>> model = fn.load("swissroll")
>>> x = model.sample(64, seed=0, steps=10)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fromnoise.errors import UserError
    from fromnoise.model import Config, Model, load
    from fromnoise.training import fit, recipe, recipes

__version__ = "0.1.0"

# Importing this package stays light: torch is loaded when a name that needs it is first used.
_EVENTS = ("Compiling", "Finished", "Sampled", "Saved", "Skipped", "Started", "Stepped")
_HOMES = {
    **dict.fromkeys(_EVENTS, "fromnoise.training"),
    "Config": "fromnoise.model",
    "Model": "fromnoise.model",
    "UserError": "fromnoise.errors",
    "fit": "fromnoise.training",
    "load": "fromnoise.model",
    "recipe": "fromnoise.training",
    "recipes": "fromnoise.training",
}
__all__ = ["Config", "Model", "UserError", "fit", "load", "recipe", "recipes"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in ("process", "sampling", "networks", "data", "model", "training", "evaluation", "figures", "tasks"):
        return importlib.import_module(f"fromnoise.{name}")
    raise AttributeError(f"module 'fromnoise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
