"""A picture, or several possible ones, from what was seen of it: an unconditional model and an observation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.asked import Label, labels_of
from fromnoise.model.guidance import Weight
from fromnoise.model.precision import chosen
from fromnoise.process import Level, is_discrete
from fromnoise.sampling import (
    DDIM,
    Nudged,
    Observation,
    Pulled,
    Streams,
    jacobian,
    observed,
    particles,
    replaced,
    resampled,
)
from fromnoise.tasks.told import check_levels, weight_for

RATE = 2.0
"""Of the steps down the misfit: a length in the units of x, tried on digits with a half removed, shrunk, blurred."""

SWARM = 16
"""Particles that compete for each picture of method `particles`."""
MOST = 16
"""Pictures of that method at once."""
BELIEF = 0.1
"""The least noise of what was seen for them: without any, the weights of all are zero."""

APART = 2**30
"""Draws of noise that no walk makes: from here on they are for what walks beside it."""


@dataclass(frozen=True)
class Method:
    """A way to restore, by name in `METHODS`.

    steps    of its walk unless asked otherwise; None is the model's own
    how      (model, observation, mask, steps, randn) -> what `Model.trajectory` takes beside n and seed
    work     network calls of a step down the path, a derivative counted as one
    home     those of the last step
    masks    whether it is for masks alone
    about    what it is, and from where
    swarm    particles that compete for each picture; 0 for a walk of each alone
    """

    steps: int | None
    how: Callable[[Model, Observation, Tensor | None, int | None, Streams], dict[str, Any]]
    work: int
    home: int
    masks: bool
    about: str
    swarm: int = 0


class Shown(NamedTuple):
    """How far it is: steps done of total, network calls in all, and x (n, *shape) so far, as the network sees it."""

    done: int
    total: int
    calls: int
    x: Tensor


def _jacobian(
    model: Model, seen: Observation, mask: Tensor | None, steps: int | None, randn: Streams
) -> dict[str, Any]:
    return {"steer": partial(observed, seen=seen, spread=jacobian), "steps": steps}


def _pulled(model: Model, seen: Observation, mask: Tensor | None, steps: int | None, randn: Streams) -> dict[str, Any]:
    return {"solver": Pulled(DDIM(1.0), seen), "path": model.walk("ddpm", steps, "even").levels}


def _nudged(model: Model, seen: Observation, mask: Tensor | None, steps: int | None, randn: Streams) -> dict[str, Any]:
    return {"solver": Nudged(DDIM(1.0), seen, RATE), "path": model.walk("ddpm", steps, "even").levels}


def _repaint(model: Model, seen: Observation, mask: Tensor | None, steps: int | None, randn: Streams) -> dict[str, Any]:
    assert mask is not None
    levels = resampled(model.walk("ddpm", steps, "even").levels, 10, 10)
    return {"solver": "ddpm", "path": levels, "project": replaced(seen.y, mask, randn)}


def _ancestral(
    model: Model, seen: Observation, mask: Tensor | None, steps: int | None, randn: Streams
) -> dict[str, Any]:
    return {"path": model.walk("ddpm", steps, "even").levels}


METHODS: Mapping[str, Method] = {
    "pgdm": Method(100, _pulled, 2, 1, False, "ΠGDM: pulled along the pseudoinverse (Song et al. 2023)"),
    "dps": Method(100, _nudged, 2, 1, False, "diffusion posterior sampling: steps down the misfit (Chung et al. 2023)"),
    "mmps": Method(
        None, _jacobian, 5, 5, False, "the covariance from the network's own derivative (Rozet et al. 2024)"
    ),
    "repaint": Method(
        250, _repaint, 1, 1, True, "RePaint: what is known is put in at each level (Lugmayr et al. 2022)"
    ),
    "particles": Method(
        100,
        _ancestral,
        2 * SWARM,
        2 * SWARM,
        False,
        f"{SWARM} that compete for each picture (twisted; Wu et al. 2023)",
        SWARM,
    ),
}


def restoring(
    model: Model,
    seen: Observation,
    n: int = 1,
    *,
    mask: Tensor | None = None,
    method: str = "pgdm",
    steps: int | None = None,
    seed: int = 0,
    first: int = 0,
    label: Label = None,
    precision: str | None = None,
) -> Iterator[Shown]:
    """Draw n pictures of which `seen` may have been seen; yields after every step, as the network sees them.

    With `mask`, True where a pixel is known, seen.y holds the known pixels, and they end as they were, to the last bit.
    seen.y has one row, or one for each of the n. `label` is the class, if it is known; else a model of classes is asked
    without one. Raises UserError for a method that there is not, or that needs a mask, and for what is not an image.
    """
    way = chosen_method(method, mask)
    if model.facts.kind != "images":
        raise UserError(f"only images can be restored, and this model knows {model.facts.kind}")
    check_levels(model)
    if way.swarm and n > MOST:
        raise UserError(f"{way.swarm} particles a picture take much memory: at most {MOST} pictures at once, not {n}")
    check_seen(seen, n)
    weight = weight_for(model, label)
    if mask is not None:  # what is hidden was not seen, whatever stands there
        seen = replace(seen, y=seen.y.where(mask.to(seen.y.device), 0.0))
    if steps is None and way.steps is not None:
        steps = min(way.steps, int(model.schedule.T)) if is_discrete(model.schedule) else way.steps
    how = way.how(model, seen, mask, steps, Streams(seed, first, n, draw=APART))
    levels = model.walk(how.get("solver"), how.get("steps"), how.get("path")).levels
    down = sum(not bool(s.alpha * t.sigma < t.alpha * s.sigma) for t, s in pairwise(levels))
    total, calls = len(levels) - 1, way.work * (down - 1) + way.home
    if way.swarm:
        labels = model.labels(n, label, first)
        states = _swarmed(model, seen, levels, Streams(seed, first * way.swarm, n * way.swarm), way.swarm,
                          labels, weight=weight, precision=precision)  # fmt: skip
    else:
        states = model.trajectory(n, seed=seed, first=first, label=label, weight=weight, precision=precision, **how)
    for done, x in enumerate(states):
        if done == total and mask is not None:
            x = torch.where(mask.to(x.device), seen.y.to(x).expand_as(x), x)
        yield Shown(done, total, calls, x)


@torch.no_grad()
def _swarmed(
    model: Model,
    seen: Observation,
    levels: Sequence[Level],
    randn: Streams,
    swarm: int,
    labels: Tensor | None,
    *,
    weight: Weight,
    precision: str | None,
) -> Iterator[Tensor]:
    """One of each picture's particles after every step, in the end by its weight."""
    y = seen.y.repeat_interleave(swarm, 0) if len(seen.y) > 1 else seen.y
    seen = replace(seen, y=y, std=max(seen.std, BELIEF))
    x = randn(torch.zeros(randn.n, *model.facts.shape, device=model.device))
    labels = None if labels is None else labels.repeat_interleave(swarm)
    precision = chosen(precision or model.config.sample.precision, model.facts.kind, model.device)
    denoise = model.guided(labels, weight, precision)
    yield x[::swarm]
    for step, cloud in enumerate(particles(denoise, seen, levels, x, randn.n // swarm, randn=randn), 1):
        if step < len(levels) - 1:
            yield cloud.x[::swarm]
        else:
            normal = randn(cloud.x).flatten(1)[::swarm, 0]
            yield cloud.chosen(0.5 * (1 + torch.erf(normal / math.sqrt(2))))


def restored(model: Model, seen: Observation, n: int = 1, *, first: int = 0, label: Label = None, **how: Any) -> Tensor:
    """n pictures of which `seen` may have been seen, (n, *shape) in [-1, 1]; the arguments are those of `restoring`.

    >>> import fromnoise as fn
    >>> from fromnoise.sampling import kept
    >>> mask = torch.ones(28, 28, dtype=torch.bool)
    >>> mask[14:] = False  # the lower half is unknown
    >>> digit = fn.data.load("mnist", fit="pad", size=28).batch([0])
    >>> filled = restored(fn.load("mnist"), Observation(kept(mask)(digit), kept(mask)), 2, mask=mask, steps=3)
    >>> filled.shape, bool((filled[:, :, :14] == digit[:, :, :14]).all())
    (torch.Size([2, 1, 28, 28]), True)
    """
    check_seen(seen, n)
    labels = labels_of(model.classes, label, n, model.device)
    swarm = max(1, chosen_method(how.get("method", "pgdm"), how.get("mask")).swarm)
    size, parts = max(1, model.config.sample.batch // swarm), []
    for begin in range(0, max(n, 1), size):
        some = slice(begin, min(begin + size, n))
        part = seen if len(seen.y) != n else replace(seen, y=seen.y[some])
        told = None if labels is None else labels[some]
        *_, last = restoring(model, part, some.stop - begin, first=first + begin, label=told, **how)
        parts.append(model.to_own(last.x))
    return torch.cat(parts)


def check_seen(seen: Observation, n: int) -> None:
    """Raise UserError unless one thing was seen, or one for each of n pictures."""
    if n < 1 or len(seen.y) not in (1, n):
        raise UserError(f"one thing was seen, or one for each of {n} pictures, at least 1; got {len(seen.y)}")


def chosen_method(name: str, mask: Tensor | None) -> Method:
    """The method by name. Raises UserError where there is none of that name, or none without a mask."""
    if name not in METHODS:
        from fromnoise.model.options import unknown

        raise unknown("method", name, METHODS)
    if METHODS[name].masks and mask is None:
        raise UserError(f"{name} is for masks alone; take {', '.join(k for k, m in METHODS.items() if not m.masks)}")
    return METHODS[name]
