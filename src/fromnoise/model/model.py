"""A trained model: what `fromnoise.load` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fromnoise.data import Dataset, Units
from fromnoise.errors import UserError
from fromnoise.model.asked import Label, check_given, given_rows, labels_of
from fromnoise.model.assembly import make_denoiser, make_schedule
from fromnoise.model.config import TUNED, Config, Facts, Sample
from fromnoise.model.guidance import Guidance, Weight, guidance_of
from fromnoise.model.guided import led
from fromnoise.model.options import call_named, unknown, write_toml
from fromnoise.model.precision import Lowered, cast, chosen
from fromnoise.model.replay import Replays, replayable
from fromnoise.model.store import pack, write_folder
from fromnoise.model.walks import Walk, levels_of, walk
from fromnoise.process import SCHEDULES, Denoised, Denoiser, Level, Schedule, at, clipped, translated
from fromnoise.sampling import Solver, Streams, trajectory

Steer = Callable[[Denoiser], Denoiser]
"""Guidance: a denoiser to a denoiser."""

Project = Callable[[Tensor, Level], Tensor]
"""What is done to x_s after each step to level s."""

ELEMENTS_AT_ONCE = 2**22
"""Numbers that are walked through a trajectory together; more samples go in turn, to bound the memory."""

ELEMENTS_A_CALL = 2**18
"""Numbers that go through the network at once on a GPU at least: with fewer it waits for its work."""


class Model:
    """A network with all that is needed to sample it: its configuration, schedule and data facts.

    >>> import fromnoise as fn
    >>> model = fn.load("swissroll")
    >>> model.sample(3, seed=1, steps=5).shape
    torch.Size([3, 2])
    """

    def __init__(self, config: Config, network: nn.Module):
        if config.facts is None:
            raise UserError("this configuration has no [facts]: it does not belong to a trained model")
        facts, axes = config.facts, len(config.facts.shape)
        self.config = config
        self.units = _units(facts.centre, facts.scale, axes)
        self.given_units = _units(facts.given_centre, facts.given_scale, axes)
        self.network = network.eval().requires_grad_(False)
        self._lowered = Lowered()
        self._replays: dict[str, tuple[object, Replays | None]] = {}
        self.schedule: Schedule = make_schedule(config)

    def __repr__(self) -> str:
        facts = self.facts
        shape = "x".join(map(str, facts.shape))
        classes = f", {len(facts.classes)} classes" if self.config.process.conditional else ""
        schedule = f"schedule {self.config.schedule.get('name')}, T = {self.schedule.T:g}"
        return f"Model({facts.kind} of {shape}{classes}, {schedule})"

    @property
    def facts(self) -> Facts:
        """What the training data were: kind, shape, classes, units."""
        assert self.config.facts is not None
        return self.config.facts

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next((p.device for p in self.network.parameters()), torch.device("cpu"))

    def denoise(self, x: Tensor, t: Tensor | float, label: Label = None, given: Tensor | None = None) -> Denoised:
        """E[x_0|x_t] and, where it is known, Var[x_0|x_t].

        x is (B, *shape) as the network sees it, t a time in [0, T] or one a sample, (B,). A label is a
        class, by number or name, or one a sample; None means no class. `given` is as in `sample`. In float32, whatever
        sample.precision says; without gradients. Raises UserError for samples of another shape and classes that there
        are not.
        """
        if tuple(x.shape[1:]) != tuple(self.facts.shape):
            raise UserError(f"this model's samples have shape {self.facts.shape}, got {tuple(x.shape[1:])}")
        labels = labels_of(self.classes, label, len(x), self.device)
        denoise = self._denoiser(cast(self.network, "fp32"), labels, self._rows(given, len(x)))
        with torch.no_grad():
            return (clipped(denoise) if self.config.sample.clip else denoise)(x, at(self.schedule, t, x))

    def denoiser(self, labels: Tensor | None = None, given: Tensor | None = None) -> Denoiser:
        """(x_t, level) -> Denoised as the network gives it: in float32, not clipped, not guided, with gradients in x_t.

        `labels` holds the class of each sample, (B,), or is None for no class; `given` is what each is given,
        (B, *facts.given), as the network sees it (`given_units`). Raises UserError where that is missing.
        """
        return self._in_parts(labels, given, "fp32")

    def guided(
        self,
        labels: Tensor | None = None,
        weight: Weight = None,
        precision: str = "fp32",
        given: Tensor | None = None,
        steer: Steer | None = None,
    ) -> Denoiser:
        """(x_t, level) -> Denoised as the model is sampled: guided by its own weight unless given, clipped if it clips.

        `labels` and `given` are as in `denoiser`; `steer` guides further, before anything is clipped. In bf16 and fp16
        its weights are cast once, as they are now. Raises UserError for guidance that the model cannot give.
        """
        how = guidance_of(weight, self.config.sample)
        denoise = led(self, lambda model, told: model._in_parts(told, given, precision), labels, how, precision)
        denoise = steer(denoise) if steer else denoise
        return clipped(denoise) if self.config.sample.clip else denoise

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        solver: str | Solver | None = None,
        steps: int | None = None,
        path: str | Sequence[Level] | None = None,
        on: str | Schedule | None = None,
        label: Label = None,
        given: Tensor | None = None,
        weight: Weight = None,
        precision: str | None = None,
        steer: Steer | None = None,
        start: Tensor | None = None,
        project: Project | None = None,
        first: int = 0,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tensor:
        """n new samples, (n, *shape): images in [-1, 1], points, tables and fields in their own units.

        Sample i depends on the seed and on i, not on n (to the network's rounding). `solver`, `steps` and `path`, by
        name (`sampling.SOLVERS`, `sampling.PATHS`) or as such, are the model's own unless given, and so is the schedule
        `on` which it walks (`process.SCHEDULES`): trained as DDPM, it can be sampled as a score SDE. `label` is a
        class, by number or name, or n of them (a model that knows classes takes each in turn if none is given);
        `weight` is that of guidance, D_0 + weight (D_1 − D_0), or a `Guidance`. `given`, (m, *facts.given) in its own
        units, is what a model of pairs draws its samples given: sample i row i % m, so that one row gives n draws of
        one law.
        `precision` is that of the network calls: fp32, bf16, fp16, or auto for what is fast here (model.precision).
        `steer` maps the denoiser to one that wants more (`sampling.universal`, `observed`, `extrapolate`), sample.batch
        samples at a time.
        `start`, (n, *shape) as the network sees it, is x at the first level in the place of noise, and after each step
        `project(x, level)` is applied. `first` is the number of the first sample of the seed: 0 ... 9 and 10 ... 19
        together are 0 ... 19.
        `progress(done, total)` is called after each step. Raises UserError for what cannot be.
        """
        if n < 1:
            raise UserError(f"the number of samples must be at least 1, got {n}")
        # What steers mostly asks for derivatives, whose memory grows with all samples that go through together.
        told = isinstance(weight, Guidance) and weight.classifier is not None
        steered = steer is not None or told or not isinstance(solver, str | None)
        size = self.config.sample.batch if steered else max(1, ELEMENTS_AT_ONCE // max(1, self._numel()))
        parts = [slice(begin, min(begin + size, n)) for begin in range(0, n, size)]
        labels, start = self.labels(n, label, first, weight), None if start is None else self._started(start, n)
        out = []
        for i, some in enumerate(parts):
            part, begin = (None if rows is None else rows[some] for rows in (labels, start))
            states = self.trajectory(
                some.stop - some.start, seed=seed, solver=solver, steps=steps, path=path, on=on, label=part,
                given=given, weight=weight, precision=precision, steer=steer, start=begin, project=project,
                first=first + some.start,
            )  # fmt: skip
            total, x = len(self.walk(solver, steps, path, on).levels) - 1, next(states)
            for step, state in enumerate(states, 1):
                progress(i * total + step, len(parts) * total)
                x = state
            out.append(self.to_own(x))
        return torch.cat(out)

    def trajectory(
        self,
        n: int,
        *,
        seed: int = 0,
        solver: str | Solver | None = None,
        steps: int | None = None,
        path: str | Sequence[Level] | None = None,
        on: str | Schedule | None = None,
        label: Label = None,
        given: Tensor | None = None,
        weight: Weight = None,
        precision: str | None = None,
        steer: Steer | None = None,
        start: Tensor | None = None,
        project: Project | None = None,
        first: int = 0,
    ) -> Iterator[Tensor]:
        """The reverse process: yields x_T, then x after every step, (n, *shape), as the network sees it.

        The arguments are those of `sample`; `first` is the number of the first sample of the seed.
        """
        if n < 1:
            raise UserError(f"the number of samples must be at least 1, got {n}")
        if not (isinstance(seed, int) and 0 <= seed < 2**63):
            raise UserError(f"a seed is a whole number from 0 to 2**63 - 1, got {seed}")
        way = self.walk(solver, steps, path, on)
        labels = self.labels(n, label, first, weight)
        precision = chosen(precision or self.config.sample.precision, self.facts.kind, self.device)
        denoise = self.guided(labels, weight, precision, self._rows(given, n, first), steer)
        denoise = denoise if on is None else translated(denoise, self.schedule)
        randn = Streams(seed, first, n)
        # x_T of data of unit variance: N(0, I) for every schedule with alpha² + sigma² = 1 (Algorithm 2, line 1).
        scale = (way.levels[0].alpha ** 2 + way.levels[0].sigma ** 2).sqrt().float()
        x = scale * randn(torch.zeros(n, *self.facts.shape, device=self.device))
        x = x if start is None else self._started(start, n)
        yield x
        states = trajectory(denoise, way.solver, way.levels, x, project=project or (lambda x, _: x), randn=randn)
        while True:
            with torch.no_grad():
                state = next(states, None)
            if state is None:
                return
            yield state

    def walk(
        self,
        solver: str | Solver | None = None,
        steps: int | None = None,
        path: str | Sequence[Level] | None = None,
        on: str | Schedule | None = None,
    ) -> Walk:
        """The solver and the levels that a sample walks: those asked for, else the model's own.

        Raises UserError for what there is not, and for other steps than its own of a model that was distilled.
        """
        own, kept = self.config.sample, self.config.distil.teacher
        asked = ((solver, own.solver), (steps, own.steps), (path, own.path))
        if kept and (on is not None or any(isinstance(one, str | int) and one != mine for one, mine in asked)):
            raise UserError(
                f"this model was distilled and knows the levels of its own {own.steps} steps alone: leave out "
                "solver, steps, path and on, or ask its teacher"
            )
        return walk(self.config.sample, self._on(on), solver, steps, path)

    def steps(
        self,
        steps: int | None = None,
        path: str | Sequence[Level] | None = None,
        on: str | Schedule | None = None,
    ) -> int:
        """Steps that a sample takes: `steps`, or the model's own."""
        return len(levels_of(self.config.sample, self._on(on), steps, path)) - 1

    def calls(self, weight: Weight = None, **way: Any) -> int | None:
        """Network calls that a sample takes, twice the walk's where guidance asks with the class and without.

        `way` holds solver, steps, path and on, as in `sample`. None for a solver that finds out on its way.
        """
        calls = self.walk(**way).calls
        return None if calls is None else calls * guidance_of(weight, self.config.sample).calls

    def _on(self, on: str | Schedule | None) -> Schedule:
        if on is None or not isinstance(on, str):
            return on or self.schedule
        known = [name for name in SCHEDULES if name != "table"]  # which needs numbers of its own
        if on not in known:
            raise unknown("schedule to walk on", on, known)
        return call_named(SCHEDULES, "schedule", {"name": on})

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that the model can be told; () where it knows none."""
        return self.facts.classes if self.config.process.conditional else ()

    def labels(self, n: int, label: Label = None, first: int = 0, weight: Weight = None) -> Tensor | None:
        """The classes of samples first ... first + n − 1, (n,): as given, or each in turn; None without classes.

        They are the model's own, or those of the classifier that guides.
        """
        classifier = guidance_of(weight, self.config.sample).classifier
        classes = self.classes if classifier is None else classifier.model.facts.classes
        if label is None and classes:
            return torch.arange(first, first + n, device=self.device) % len(classes)
        return labels_of(classes, label, n, self.device)

    def to_own(self, x: Tensor) -> Tensor:
        """From what the network sees to the data's own units; images stay as they are, clipped to [-1, 1]."""
        if self.facts.kind == "images":
            return x.clamp(-1, 1)
        return self.units.to_own(x)

    def from_own(self, x: Tensor) -> Tensor:
        """From the data's own units to what the network sees; images are so already."""
        return self.units.from_own(x)

    def seen(self, data: Dataset, index: Any) -> Tensor:
        """Rows of a data set as this network sees them, (B, *shape), whatever units the data set has by now."""
        rows = data.batch(index)
        return rows if self.facts.kind == "images" else self.from_own(data.units.to_own(rows.double())).float()

    def volume(self) -> float:
        """log of how much larger a volume is in the data's own units; a density's is as much smaller."""
        return float(np.log(np.broadcast_to(self.units.scale, self.facts.shape)).sum())

    def save(self, path: str | Path, *, dtype: torch.dtype | None = None) -> None:
        """Write a folder with config.toml and model.safetensors that `fromnoise.load` opens anywhere.

        With `dtype` torch.float16 the file is half as large, and weights keep eleven binary digits. Raises
        UserError where it cannot be written, where something that is not a model is in the way, or where a
        weight is too large for the type.
        """
        path = Path(path)
        files = {
            "config.toml": write_toml(self.config.to_dict()).encode(),
            "model.safetensors": pack(_narrowed(self.network.state_dict(), dtype)),
        }
        if path.exists() and not (path.is_dir() and {p.name for p in path.iterdir()} - {TUNED} == set(files)):
            raise UserError(f"{path} exists and is more than a saved model; choose another name")
        write_folder(path, files)

    def with_network(self, network: nn.Module) -> Model:
        """The same model around other weights."""
        return Model(self.config, network)

    def _in_parts(self, labels: Tensor | None, given: Tensor | None, precision: str) -> Denoiser:
        """A denoiser that sends sample.batch samples through the network at once: the work stays in cache.

        Without gradients more of them go together on a GPU, where there is none that matters, unless it was set.
        """
        called = self._called(self._lowered(self.network, precision), precision)
        check_given(self.facts, given)

        def denoise(x: Tensor, n: Level) -> Denoised:
            parts, size = [], self.config.sample.batch
            if x.device.type == "cuda" and size == Sample().batch and not torch.is_grad_enabled():
                size = max(size, ELEMENTS_A_CALL // self._numel())
            for first in range(0, len(x), size):
                some = slice(first, first + size)
                part, beside = (None if rows is None else rows[some] for rows in (labels, given))
                level = n if n.t.ndim == 0 else Level(*(value[some] for value in n))
                parts.append(self._denoiser(called, part, beside)(x[some], level))
            var = None if parts[0].var is None else torch.cat([p.var for p in parts if p.var is not None])
            return Denoised(torch.cat([p.mean for p in parts]), var)

        return denoise

    def _called(self, network: nn.Module, precision: str) -> Callable[..., Tensor]:
        """The network in a precision, its calls recorded where they can be."""
        called = cast(network, precision)
        if not replayable(network):
            self._replays.pop(precision, None)
            return called
        key, (known, replays) = list(map(id, network.modules())), self._replays.get(precision, (None, None))
        if replays is None or known != key:
            replays = Replays(network, called)
            self._replays[precision] = key, replays
        return replays

    def _denoiser(self, called: Callable[..., Tensor], labels: Tensor | None, given: Tensor | None) -> Denoiser:
        return make_denoiser(called, self.config.process, self.schedule, labels, given)

    def _rows(self, given: Tensor | None, n: int, first: int = 0) -> Tensor | None:
        """What samples first ... first + n − 1 are given, as the network sees it."""
        rows = given_rows(self.facts, given, n, first)
        # In float64: a column of dates has nothing but its last digits to say.
        return None if rows is None else self.given_units.from_own(rows).to(self.device, torch.float32)

    def _started(self, start: Tensor, n: int) -> Tensor:
        if tuple(start.shape) != (n, *self.facts.shape):
            raise UserError(f"start has shape {(n, *self.facts.shape)} here, got {tuple(start.shape)}")
        return start.to(self.device, torch.float32)

    def _numel(self) -> int:
        return int(torch.tensor(self.facts.shape).prod())


def _units(centre: Sequence[float], scale: Sequence[float], axes: int) -> Units:
    """Units that meet samples of so many axes: a number for all, a column or a channel."""
    shape = (-1,) + (1,) * (axes - 1)
    return Units(np.reshape(centre, shape), np.reshape(scale, shape))


def _narrowed(weights: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Floating-point weights in another type. Raises UserError where one that was finite is not any more."""
    found = {name: w.to(dtype) if w.is_floating_point() else w for name, w in weights.items()}
    for name, weight in weights.items():
        if bool((weight.isfinite() & ~found[name].isfinite()).any()):
            raise UserError(f"{name} holds numbers too large for {dtype}: save without dtype")
    return found
