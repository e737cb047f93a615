"""A run folder: config.toml says everything that determines it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from fromnoise.errors import UserError
from fromnoise.model import Config, read_config
from fromnoise.model.options import write_toml
from fromnoise.model.store import write_file

# What may change when a run goes on: how long it lasts and what it shows, not what it learns.
_FREE = {
    "about",
    "data.strict",
    "data.workers",
    "sample",
    *(f"train.{key}" for key in ("steps", "epochs", "log_every", "sample_every", "samples", "tracker")),
    *(f"train.{key}" for key in ("checkpoint_every", "keep", "keep_steps", "patience")),
}


def _free(config: Config) -> set[str]:
    """A student's own steps and clipping are what it learns for, and where matching begins counts from the end."""
    if not config.distil.teacher:
        return _FREE
    free = (_FREE - {"sample"}) | {"sample.batch", "sample.precision"}
    return free - {"train.steps"} if config.distil.match else free


_OURS = (".lock", ".config.toml.partial")  # what a run that was killed at its very start leaves


def begun(run: Path) -> Config | None:
    """The configuration of the run in a folder, if there is one."""
    path = run / "config.toml"
    return read_config(path) if path.is_file() else None


def check_run(run: Path, config: Config) -> None:
    """See that a run can begin in a folder, or that the one that is there is the same.

    Raises UserError where the folder holds a run with other settings, or holds something else.
    """
    before = begun(run)
    if before is not None:
        _same(run, before, config)
    elif run.is_dir() and any(p.name not in _OURS for p in run.iterdir()):
        raise UserError(f"{run} is not empty and holds no run; choose another --out")


def write_run(run: Path, config: Config) -> None:
    """Write the run's config.toml. Raises UserError where it cannot be written."""
    write_file(run / "config.toml", write_toml(config.to_dict()).encode())


def _same(run: Path, before: Config, now: Config) -> None:
    old, new = _flat(before), _flat(now)
    if now.distil.digest and now.distil.digest == before.distil.digest:
        for key in ("distil.teacher", "distil.law", "train.init"):  # the same teacher, wherever it lies
            if (old[key], new[key]) == (before.distil.teacher, now.distil.teacher):
                new[key] = old[key]
    changed = sorted((key for key in {*old, *new} if old.get(key) != new.get(key)), key=_telling)
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        advice = "give the same settings to go on"
        if key == "process.prediction" and "class" in (old[key], new[key]):
            tells = old[key] == "class"
            kind, way = (
                ("is a classifier", "add --classifier") if tells else ("draws samples", "leave --classifier out")
            )
            raise UserError(f"{run} {kind}: {way} to go on, or give another --out to begin anew")
        if key.startswith("facts."):
            advice = "the data have changed, or were seen by their range when it began: it can still be sampled"
        raise UserError(
            f"{run} was trained with {key} = {_said(old.get(key))}, not {_said(new.get(key))}{more}; "
            f"{advice}, or give another --out to begin anew"
        )


def _telling(key: str) -> tuple[bool, bool, bool, str]:
    """What says most comes first: what is learned, names of data, network and schedule, then the teacher."""
    return key != "process.prediction", not key.endswith(".name"), key != "distil.teacher", key


def _said(value: object) -> object:
    return "unset" if value in (None, "") else value


def _flat(config: Config) -> dict[str, object]:
    tree = dataclasses.asdict(config)
    flat: dict[str, object] = {}
    free = _free(config)
    for section, values in tree.items():
        if section in free or values is None:
            continue
        pairs = values.items() if isinstance(values, dict) else [("", values)]
        for key, value in pairs:
            name = f"{section}.{key}"
            if name not in free:
                flat[name] = list(value) if isinstance(value, (list, tuple)) else value
    return flat
