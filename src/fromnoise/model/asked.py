"""What is asked of a model beside a number of samples: classes, and what samples are given; checked here."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model.config import Facts
from fromnoise.model.options import unknown

Label = int | str | Sequence[int | str] | Tensor | None
"""The class of all samples, by number or name, one for each, or none."""


def labels_of(classes: Sequence[str], label: Label, n: int, device: torch.device) -> Tensor | None:
    """The classes of n samples, (n,), or None for none. Raises UserError for classes that there are not."""
    if label is None:
        return None
    if not classes:
        raise UserError("this model does not know classes; train one with --process.conditional true")
    labels = torch.as_tensor(_numbers(classes, label), device=device, dtype=torch.int64)
    if labels.shape not in ((), (n,)):
        raise UserError(f"give one label, or one for each of {n} samples, got {tuple(labels.shape)}")
    labels = labels.expand(n)
    if not bool(((labels >= 0) & (labels < len(classes))).all()):
        raise UserError(f"labels run from 0 to {len(classes) - 1} here: {', '.join(classes)}")
    return labels


def _numbers(classes: Sequence[str], label: object) -> Tensor | int | list[int]:
    """The same with numbers for names. Raises UserError for what is neither."""
    if isinstance(label, Tensor) and not label.is_floating_point():
        return label
    if isinstance(label, Tensor | np.ndarray):
        label = label.tolist()
    if isinstance(label, str):
        return number_of(classes, label)
    try:
        if not isinstance(label, Sequence) or isinstance(label, bytes):
            return operator.index(label)  # type: ignore[arg-type]
        return [number_of(classes, one) if isinstance(one, str) else operator.index(one) for one in label]
    except TypeError:
        raise UserError(f"a class is told by its number or its name, not {label!r:.60}") from None


def number_of(classes: Sequence[str], name: str) -> int:
    """The number of a class, by its name. Raises UserError for one that there is not.

    >>> number_of(("cat", "dog"), "dog")
    1
    """
    if name in classes:
        return classes.index(name)
    if "," in name and all(part.strip() in classes for part in name.split(",")):
        raise UserError(f"{name} are several classes: give one (in Python a list)")
    raise unknown("class", name, classes)


def check_given(facts: Facts, given: Tensor | None) -> None:
    """Raise UserError where a model of pairs is given nothing, or another something."""
    if (given is None) == bool(facts.given):
        raise UserError(
            f"this model draws samples given something of shape {facts.given}: say what with given"
            if facts.given
            else "this model draws its samples given nothing: leave given out"
        )


def given_rows(facts: Facts, given: Tensor | None, n: int, first: int) -> Tensor | None:
    """What samples first ... first + n − 1 are given, each row in turn, in its own units, float64."""
    check_given(facts, given)
    if given is None:
        return None
    if tuple(given.shape[1:]) != facts.given or not len(given):
        raise UserError(f"given has rows of shape {facts.given} here, got {tuple(given.shape)}")
    return given[torch.arange(first, first + n) % len(given)].cpu().double()
