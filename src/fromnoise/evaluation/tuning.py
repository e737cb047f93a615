"""The cheapest way of sampling a model whose samples are as good as the full chain's, up to chance."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fromnoise.data import load as load_data
from fromnoise.errors import UserError
from fromnoise.evaluation.digits import judge_digits
from fromnoise.evaluation.distances import sliced_wasserstein
from fromnoise.evaluation.frechet import frechet
from fromnoise.model import Model
from fromnoise.process import is_discrete

LADDER = (4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 75, 100)
TRIED = ("dpmpp", "dpmpp-sde", "unipc", "dpmpp3", "deis", "heun", "ddim")
WALKED = ("even", "lambda")
SURE = 0.9


class Quality(NamedTuple):
    """How far samples are from the data, and which share of them lies where no data are; smaller is better.

    A distance of laws hardly sees one sample in fifty that is nowhere near the data: the eye does.
    """

    distance: float
    astray: float


Measure = Callable[[Tensor], Quality]
"""Samples -> their quality."""


@dataclass(frozen=True)
class Tried:
    """One way of sampling: its network calls for a sample and its quality."""

    solver: str
    path: str
    steps: int
    calls: int
    distance: float
    astray: float


@dataclass(frozen=True)
class Reference:
    """The full chain: its quality with several seeds, of n samples each, and the most that is within their noise."""

    steps: int
    found: list[Quality]
    n: int

    @property
    def mean(self) -> Quality:
        """Over the seeds."""
        return Quality(*(statistics.mean(values) for values in zip(*self.found, strict=True)))

    def limit(self, seeds: int) -> Quality:
        """The mean and two standard errors of the difference to a mean over so many seeds.

        Few seeds may agree by chance: a share of n samples is not known better than chance of n draws allows.
        """
        distances, shares = zip(*self.found, strict=True)
        share = max(self.mean.astray, 1 / self.n)
        spread = (
            statistics.stdev(distances),
            max(statistics.stdev(shares), math.sqrt(share * (1 - share) / self.n)),
        )
        scale = 2 * math.sqrt(1 / seeds + 1 / len(self.found))
        return Quality(*(mean + scale * one for mean, one in zip(self.mean, spread, strict=True)))

    def holds(self, found: Sequence[Quality]) -> bool:
        """Whether the mean of what was found with other seeds is within the noise."""
        means = (statistics.mean(values) for values in zip(*found, strict=True))
        return all(mean <= most for mean, most in zip(means, self.limit(len(found)), strict=True))


@dataclass(frozen=True)
class Confirmed:
    """A way that was good enough with one seed, sampled with the others, and whether it was good enough again."""

    way: Tried
    found: list[Quality]
    holds: bool


@dataclass(frozen=True)
class Tuned:
    """All that was tried, and the cheapest within the noise of the chain; None where nothing is."""

    reference: Reference
    tried: list[Tried]
    chosen: Tried | None


def tune(
    model: Model,
    measure: Measure,
    n: int,
    *,
    ladder: Sequence[int] = LADDER,
    solvers: Sequence[str] = TRIED,
    seeds: int = 3,
    reference: int | None = None,
    report: Callable[[Tried | Reference | Confirmed], None] = lambda what: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tuned:
    """Measure quality against network calls, and choose.

    The chain (`ddpm`, every level, or `reference` steps) is sampled with `seeds` seeds, n samples each. Every solver
    walks every path with as many network calls as the ladder says, with one seed. From the cheapest on, a way whose
    distance and astray share are within two standard errors of the chain's is sampled with the other seeds, and chosen
    if their means are, too: so that the best of many draws is not taken for the best. `report` gets each result as it
    comes. Raises UserError for seeds < 2, for a model that was distilled, and where nothing can be tried.

    >>> import fromnoise as fn
    >>> spread = lambda x: Quality(abs(float(x.std()) - 0.7), 0.0)
    >>> found = tune(fn.load("swissroll"), spread, 50, ladder=[2], solvers=["ddim"], seeds=2, reference=4)
    >>> [tried.calls for tried in found.tried]
    [2, 2]
    """
    if model.config.distil.teacher:
        raise UserError("a distilled model knows the levels of its own steps alone: there is nothing to tune")
    if seeds < 2:
        raise UserError(f"the noise of the chain takes at least 2 seeds to see, got {seeds}")
    ways = list(_ways(model, ladder, solvers))
    if not ways:
        raise UserError("there is nothing to try: give more --calls, or solvers whose calls are known before")
    chain = reference or _most(model)
    total, done = planned(model, ladder, solvers, seeds, reference), 0

    def drawn(solver: str, steps: int, path: str, seed: int) -> Quality:
        nonlocal done
        calls = model.calls(solver=solver, steps=steps, path=path) or 0

        def step(at: int, of: int) -> None:
            progress(done + at * calls // max(of, 1), total)

        found = measure(model.sample(n, seed=seed, solver=solver, steps=steps, path=path, progress=step))
        done += calls
        return found

    limits = Reference(chain, [drawn("ddpm", chain, "even", seed) for seed in range(seeds)], n)
    report(limits)
    tried = []
    for solver, path, steps, calls in ways:
        tried.append(Tried(solver, path, steps, calls, *drawn(solver, steps, path, 0)))
        report(tried[-1])
    for one in sorted(tried, key=lambda way: (way.calls, way.distance)):
        if limits.holds([Quality(one.distance, one.astray)]):
            total += (seeds - 1) * one.calls
            # Not the first seed, by which it was picked out.
            more = [drawn(one.solver, one.steps, one.path, seed) for seed in range(1, seeds)]
            confirmed = Confirmed(one, more, limits.holds(more))
            report(confirmed)
            if confirmed.holds:
                return Tuned(limits, tried, one)
    return Tuned(limits, tried, None)


def planned(
    model: Model, ladder: Sequence[int], solvers: Sequence[str], seeds: int = 3, reference: int | None = None
) -> int:
    """The network calls, for each of n samples, that `tune` will take before it confirms what it chooses.

    >>> import fromnoise as fn
    >>> planned(fn.load("swissroll"), [2], ["ddim"], seeds=2, reference=4)
    12
    """
    chain = model.calls(solver="ddpm", steps=reference or _most(model), path="even") or 0
    return seeds * chain + sum(calls for *_, calls in _ways(model, ladder, solvers))


def _most(model: Model) -> int:
    """Every level of a table, or 1,000."""
    return int(model.schedule.T) if is_discrete(model.schedule) else 1000


def _ways(model: Model, ladder: Sequence[int], solvers: Sequence[str]) -> Iterator[tuple[str, str, int, int]]:
    """Solver, path, steps and calls of everything that there is to try."""
    for solver in solvers:
        model.walk(solver, None, None)  # says so where there is none of this name
        for path in WALKED:
            seen = set()
            for wanted in ladder:
                for steps in range(min(wanted, _most(model)), 1, -1):
                    try:
                        calls = model.calls(solver=solver, steps=steps, path=path)
                    except UserError:  # no such path on this schedule
                        break
                    if calls is not None and calls <= wanted:
                        if steps not in seen:
                            seen.add(steps)
                            yield solver, path, steps, calls
                        break


def measure_for(model: Model, n: int) -> tuple[tuple[str, str], Measure]:
    """What the two parts of the quality of n samples are called, and the measure.

    Of MNIST at 28 x 28 the Fréchet distance to the test digits, on the digit classifier's features, and the share of
    which the classifier is not 90 % sure. Of everything else, as the model sees them, the sliced Wasserstein
    distance to n samples of the data, and the share farther from them all than 99 % of them are from their neighbours.
    Raises UserError where the data cannot be found.
    """
    options = {key: value for key, value in model.config.data.items() if key != "name"}
    name = str(model.config.data.get("name", ""))
    digits = name == "mnist" and tuple(model.facts.shape) == (1, 28, 28)
    data = load_data(name, **(options | ({"split": "test"} if digits else {})))
    some = np.random.default_rng(0).permutation(len(data))[: len(data) if digits else n]
    if digits:
        features = judge_digits(data.batch(some)).features

        def judged(x: Tensor) -> Quality:
            found = judge_digits(x.clamp(-1, 1))
            unsure = (found.confidence <= SURE).double().mean().item()
            return Quality(frechet(found.features, features), unsure)

        return ("Fréchet distance", "not clear"), judged
    if len(some) < n:
        raise UserError(f"{name} has only {len(some)} samples to compare with: give -n {len(some)} or fewer")
    real = model.seen(data, some).flatten(1).double()
    far = torch.cdist(real, real).fill_diagonal_(math.inf).min(1).values.quantile(0.99)

    def measured(x: Tensor) -> Quality:
        x = _seen(x, model)
        astray = (torch.cdist(x, real).min(1).values > far).double().mean().item()
        return Quality(sliced_wasserstein(x, real), astray)

    return ("sliced Wasserstein distance", "astray"), measured


def _seen(x: Tensor, model: Model) -> Tensor:
    """Samples in own units as the model sees them, (n, d), where the data are."""
    return model.from_own(x.cpu().double()).flatten(1)
