"""A model's denoiser led as its guidance says: from no class to a class, away from a weaker model, by a classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model.classifier import Classifier
from fromnoise.model.guidance import Guidance
from fromnoise.process import Denoiser
from fromnoise.sampling import climbed, extrapolate

if TYPE_CHECKING:
    from fromnoise.model.model import Model

_PROBES = torch.linspace(0, 1, 9, dtype=torch.float64)
"""Shares of T at which two schedules are compared."""

Plain = Callable[["Model", Tensor | None], Denoiser]
"""(model, labels) -> its denoiser, not guided."""


def led(model: Model, plain: Plain, labels: Tensor | None, how: Guidance, precision: str) -> Denoiser:
    """D_0 + weight (D_1 − D_0) of what `how` says; labels (B,) or None. Raises UserError for what cannot be."""
    if how.classifier is not None:
        return _classified(model, how.classifier, plain(model, None), labels, how, precision)
    if how.weight == 1:
        return plain(model, labels)
    if how.weaker is not None:
        base = plain(_beside(model, how.weaker), labels)
    elif labels is None:
        raise UserError("guidance needs classes; train a model with --process.conditional true")
    elif model.config.train.label_dropout == 0:
        raise UserError("guidance needs a model trained with train.label_dropout above 0")
    else:
        base = plain(model, None)
    return extrapolate(base, plain(model, labels), how.weight, interval=how.interval, rescale=how.rescale)


def _classified(
    model: Model, classifier: Classifier, base: Denoiser, labels: Tensor | None, how: Guidance, precision: str
) -> Denoiser:
    """The model itself, told no class, led by the classifier."""
    _check_beside(model, classifier.model)
    if model.classes and model.config.train.label_dropout == 0:
        raise UserError("a classifier leads a model that is told no class, and this one knows nothing without one")
    if labels is None:
        raise UserError("a classifier leads to a class: say which with label")
    log_prob = classifier.towards(labels, precision)
    return climbed(base, log_prob, how.weight, interval=how.interval, rescale=how.rescale)


def _check_beside(model: Model, other: Model) -> None:
    """Raise UserError where a classifier cannot read what a model draws, and say why."""
    mine, its = model.facts, other.facts
    shapes = [" x ".join(map(str, f.shape)) for f in (mine, its)]
    if shapes[0] != shapes[1]:
        raise UserError(f"the classifier knows samples of {shapes[1]}, the model draws {shapes[0]}: train it on those")
    if (mine.centre, mine.scale) != (its.centre, its.scale):
        raise UserError("the classifier knows data of another centre and scale: train it on those of the model")
    if not torch.equal(_levels(model), _levels(other)):
        told = model.config.schedule
        say = " ".join(f"--schedule.{key} {value}" for key, value in told.items())
        raise UserError(f"the classifier knows other levels of noise than the model: train it with {say}")


def _beside(model: Model, weaker: Model) -> Model:
    """The weaker model, if its denoiser can stand beside the other's. Raises UserError where it cannot."""
    mine, its = (
        (f.kind, f.shape, f.classes, f.centre, f.scale, f.given, f.given_centre, f.given_scale, m.schedule.T,
         m.config.process.conditional)
        for m in (model, weaker) for f in (m.facts,)
    )  # fmt: skip
    if mine != its or not torch.equal(_levels(model), _levels(weaker)):
        raise UserError("the weaker model has other data, classes or levels: take a checkpoint of this run")
    return weaker


def _levels(model: Model) -> Tensor:
    """By which two schedules are told apart."""
    return model.schedule(model.schedule.T * _PROBES)[0]
