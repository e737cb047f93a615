"""Training as a generator of events (K and H, Algorithm 1), through accelerate on any number of processes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fromnoise.data import Dataset
from fromnoise.data import load as load_data
from fromnoise.errors import UserError
from fromnoise.model import Config, Facts, load
from fromnoise.model.assembly import check
from fromnoise.model.precision import chosen
from fromnoise.model.small import given_shape
from fromnoise.training import checkpoint
from fromnoise.training.events import Event
from fromnoise.training.interrupt import Deferred
from fromnoise.training.loop import Loop
from fromnoise.training.processes import agreed, first_alone, together
from fromnoise.training.recipes import recipe
from fromnoise.training.run import begun, check_run, write_run


def fit(
    config: Config | str, out: str | Path | None = None, *, network: str | type[nn.Module] | None = None
) -> Iterator[Event]:
    """Train, yielding an event for everything that happens.

    `config` is a Config or what `recipe` takes: a recipe, a TOML file, data. With a folder `out` the run
    lives there: the same call again goes on where it stopped, and on a CPU ends with the same bits as a run
    that was never stopped; a precision that is "auto" stays what it was. Leaving the loop, Ctrl-C and SIGTERM
    save a checkpoint first. `network` is a network of your own, a class or "package.module:Class".

    Raises UserError for settings, data or a run folder that cannot be used, and when the loss stays
    non-finite for `train.patience` steps in a row.

    >>> import fromnoise as fn
    >>> config = fn.recipe("swissroll").override({"train.steps": 2, "network.width": 8})
    >>> [type(event).__name__ for event in fn.fit(config)]
    ['Started', 'Stepped', 'Finished']
    """
    config = recipe(config) if isinstance(config, str) else config
    config = config if network is None else _named(config, network)
    check(config)
    run = None if out is None else Path(out)
    data, facts = _found(config, network)
    if data is not None and config.sample.clip and facts.kind != "images":
        raise UserError(
            f"sample.clip keeps x_0 within [-1, 1], which is for images, not {facts.kind}: --sample.clip false"
        )
    config = _measured(dataclasses.replace(config, facts=facts), run)
    with contextlib.ExitStack() as stack:
        loop = Loop(config, data, run, network)
        stack.enter_context(together(loop.accelerator))
        if run is not None:
            first_alone(loop.accelerator, lambda: _enter(run, config, stack))
        loop.resume()
        if run is not None:
            first_alone(loop.accelerator, lambda: write_run(run, config))
        stop = stack.enter_context(Deferred())
        yield from loop.events(stop)


def _found(config: Config, network: str | type[nn.Module] | None) -> tuple[Dataset | None, Facts]:
    """The data and their facts; a distillation learns from its teacher alone, and its facts are the teacher's."""
    if config.distil.teacher:
        return None, load(config.distil.teacher, device="cpu", network=network).facts
    options = {key: value for key, value in config.data.items() if key != "name"}
    data = load_data(str(config.data.get("name", "")), **options)
    facts = facts_of(data)
    _check_small(config, facts)
    if config.process.prediction == "class" and facts.given:
        raise UserError("a classifier of noisy samples is given nothing besides: leave --data.given out")
    return data, dataclasses.replace(facts, given=given_shape(config.process, facts))


def _check_small(config: Config, facts: Facts) -> None:
    """Raise UserError where there is nothing that could be made small, or drawn."""
    factor = config.process.small
    for key, used in (("small", factor), ("condition", config.process.condition)):
        if used and (facts.kind != "images" or facts.given):
            raise UserError(f"process.{key} is for pictures that are given nothing else")
    if factor and any(side % factor for side in facts.shape[1:]):
        raise UserError(
            f"pictures of {facts.shape[1]} x {facts.shape[2]} cannot be made {factor} times as small: --data.size"
        )


def _named(config: Config, network: str | type[nn.Module]) -> Config:
    """The configuration that says which network of the user's own it is for."""
    name = network if isinstance(network, str) else f"{network.__module__}:{network.__qualname__}"
    return config.override({"network.name": name})


def _measured(config: Config, run: Path | None) -> Config:
    """The configuration with "auto" replaced by what the run began with, else by the precision that is fast here.

    Of samples it stays where nothing else was asked: a run may be drawn from on another machine.
    """
    assert config.facts is not None
    kind, train, sample = config.facts.kind, config.train.precision, config.sample.precision

    def find(device: torch.device) -> str:
        before = None if run is None else begun(run)
        if before is not None:
            return f"{_first(train, before.train.precision)} {_first(sample, before.sample.precision)}"
        return f"{chosen(train, kind, device)} {sample}"

    train, sample = agreed(find).split()
    return config.override({"train.precision": train, "sample.precision": sample})


def _first(asked: str, before: str) -> str:
    return before if asked == "auto" else asked


def _enter(run: Path, config: Config, stack: contextlib.ExitStack) -> None:
    check_run(run, config)
    stack.enter_context(checkpoint.alone(run))


def facts_of(data: Dataset) -> Facts:
    """What a model must know of the data that it was trained on."""
    return Facts(
        kind=data.kind,
        shape=tuple(data.shape),
        n=len(data),
        classes=tuple(data.classes),
        centre=tuple(float(v) for v in data.units.centre.reshape(-1)),
        scale=tuple(float(v) for v in data.units.scale.reshape(-1)),
        columns=tuple(data.columns),
        digest=digest(data),
        given=() if data.given is None else tuple(data.given.shape[1:]),
        given_centre=tuple(float(v) for v in data.given_units.centre.reshape(-1)),
        given_scale=tuple(float(v) for v in data.given_units.scale.reshape(-1)),
    )


def digest(data: Dataset) -> str:
    """A fingerprint of the samples, their labels and what they are given; of more than 64 MB, of evenly chosen rows.

    >>> digest(load_data("moons", n=10)) != digest(load_data("moons", n=10, seed=1))
    True
    """
    found = hashlib.sha256()
    for rows in (data.rows, data.given):
        if rows is not None:
            stride = max(1, rows.nbytes // 2**26)
            found.update(np.ascontiguousarray(rows[::stride]).tobytes())
    found.update(b"" if data.labels is None else data.labels.tobytes())
    return found.hexdigest()[:16]
