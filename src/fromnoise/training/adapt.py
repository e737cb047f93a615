"""A trained model taught to draw given something more: a run of a small network beside it (Zhang et al. 2023)."""

from __future__ import annotations

import dataclasses

from torch import nn

from fromnoise.errors import UserError
from fromnoise.model import Config, Model, load
from fromnoise.networks import UNet

STEPS = 2000
"""Optimiser steps of an adapter unless told otherwise."""
FASTER = 2.0
"""The rate, in units of the model's own: on digits it learns in half the steps, and nothing learned is at risk."""


def adapted(name: str, condition: str, network: str | type[nn.Module] | None = None) -> Config:
    """The configuration that adapts a trained model to a condition of `model.conditions.CONDITIONS`.

    Its data are the model's own unless [data] is changed; its network is the trained one, which stays as it is, and
    beside it a copy of its way down. Raises UserError for a model that there is not, that is no U-Net of this package,
    that was distilled, or that is given something already.

    >>> adapted("mnist", "edges").network["name"]
    'adapted'
    """
    model = load(name, device="cpu", network=network)
    config = model.config
    if config.process.condition:
        raise UserError(f"{name} was adapted already, to {config.process.condition}: adapt the model it began from")
    if type(model.network) is not UNet or config.process.prediction == "class":
        raise UserError(f"an adapter goes beside a U-Net that draws, and {name} is none: take a model of images")
    if config.distil.teacher:
        raise UserError(f"{name} was distilled and knows the levels of its own steps alone: adapt its teacher")
    if model.facts.given:
        raise UserError(f"{name} draws its samples given something already: adapt a model that draws by itself")
    options = {f"network.{key}": value for key, value in config.network.items() if key != "name"}
    changes = {
        "network.name": "adapted", **options, "process.condition": condition, "process.times": "uniform",
        "train.init": name, "train.steps": STEPS, "train.warmup": 10, "train.decay": "cosine",
        "train.lr": FASTER * config.train.lr,
    }  # fmt: skip
    return config.override(changes)


def check_adapter(config: Config, base: Model) -> None:
    """See that the network inside an adapter is asked as it learned to be. Raises UserError."""
    own, facts = base.config, config.facts
    same = dataclasses.replace(own.process, condition=config.process.condition, times=config.process.times)
    if config.schedule != own.schedule or config.process != same:
        raise UserError("an adapter has its model's schedule and process: leave [schedule] and [process] as they are")
    if not config.process.condition:
        raise UserError("an adapter is given something: say what with --process.condition edges, mask or sketch")
    if own.process.conditional and facts is not None and facts.classes != base.facts.classes:
        raise UserError(f"these data have other classes than the model: {', '.join(base.facts.classes[:5])}")
