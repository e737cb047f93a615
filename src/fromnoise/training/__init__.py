"""Training: recipes, and `fit`, the generator of events."""

from fromnoise.training.adapt import adapted
from fromnoise.training.distil import distilled
from fromnoise.training.events import Compiling, Event, Finished, Sampled, Saved, Skipped, Started, Stepped
from fromnoise.training.fit import fit
from fromnoise.training.recipes import recipe, recipes

__all__ = [
    "Compiling",
    "Event",
    "Finished",
    "Sampled",
    "Saved",
    "Skipped",
    "Started",
    "Stepped",
    "adapted",
    "distilled",
    "fit",
    "recipe",
    "recipes",
]
