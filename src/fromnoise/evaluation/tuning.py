"""The cheapest way of sampling a model whose samples are as good as the full chain's, up to chance."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fromnoise.data import load as load_data
from fromnoise.errors import UserError
from fromnoise.evaluation.digits import judge_digits
from fromnoise.evaluation.distances import sliced_wasserstein
from fromnoise.evaluation.frechet import frechet
from fromnoise.model import Model
from fromnoise.process import is_discrete

LADDER = (4, 5, 6, 8, 10, 12, 15, 20, 30, 50)
TRIED = ("dpmpp", "unipc", "dpmpp3", "deis", "heun", "ddim")
WALKED = ("even", "lambda")
Measure = Callable[[Tensor], float]
"""Samples -> how far they are from the data; smaller is better."""


@dataclass(frozen=True)
class Tried:
    """One way of sampling: its network calls for a sample (guidance not counted) and its distance to the data."""

    solver: str
    path: str
    steps: int
    calls: int
    distance: float


@dataclass(frozen=True)
class Reference:
    """The full chain: the distances of several seeds, and the most that is within their noise."""

    steps: int
    distances: list[float]

    @property
    def mean(self) -> float:
        return statistics.mean(self.distances)

    def limit(self, seeds: int) -> float:
        """The mean and two standard errors of the difference to a mean over so many seeds."""
        return self.mean + 2 * statistics.stdev(self.distances) * math.sqrt(1 / seeds + 1 / len(self.distances))


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
    report: Callable[[Tried | Reference], None] = lambda tried: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tuned:
    """Measure quality against network calls, and choose.

    The chain (`ddpm`, every level, or `reference` steps) is sampled with `seeds` seeds, n samples each. Every solver
    walks every path with as many calls as the ladder says, with one seed. From the cheapest on, a way whose distance is
    within two standard errors of the chain's is sampled with the other seeds, and chosen if their mean is, too: so that
    the best of many draws is not taken for the best. `report` gets each result as it comes. Raises UserError for seeds
    < 2, for a model that was distilled, and where nothing can be tried.

    >>> import fromnoise as fn
    >>> spread = lambda x: abs(float(x.std()) - 0.7)
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
    total, done = seeds * chain + sum(calls for *_, calls in ways), 0

    def drawn(solver: str, steps: int, path: str, seed: int) -> float:
        def step(at: int, of: int) -> None:
            progress(done + at * steps // max(of, 1), total)

        return measure(model.sample(n, seed=seed, solver=solver, steps=steps, path=path, progress=step))

    found = []
    for seed in range(seeds):
        found.append(drawn("ddpm", chain, "even", seed))
        done += chain
    limits = Reference(chain, found)
    report(limits)
    tried = []
    for solver, path, steps, calls in ways:
        tried.append(Tried(solver, path, steps, calls, drawn(solver, steps, path, 0)))
        done += calls
        report(tried[-1])
    for one in sorted(tried, key=lambda way: (way.calls, way.distance)):
        if one.distance <= limits.limit(1):
            total += (seeds - 1) * one.calls
            more = []
            for seed in range(1, seeds):  # not the first, by which it was picked out
                more.append(drawn(one.solver, one.steps, one.path, seed))
                done += one.calls
            if statistics.mean(more) <= limits.limit(len(more)):
                return Tuned(limits, tried, one)
    return Tuned(limits, tried, None)


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
                        calls = model.walk(solver, steps, path).calls
                    except UserError:  # no such path on this schedule
                        break
                    if calls is not None and calls <= wanted:
                        if steps not in seen:
                            seen.add(steps)
                            yield solver, path, steps, calls
                        break


def measure_for(model: Model, n: int) -> tuple[str, Measure]:
    """What the distance of n samples to the model's own data is called, and the measure.

    Of MNIST at 28 x 28 the Fréchet distance to the test digits, on the digit classifier's features; of everything else
    the sliced Wasserstein distance to n samples of the data, in the model's [-1, 1] units. Raises UserError where the
    data cannot be found.
    """
    options = {key: value for key, value in model.config.data.items() if key != "name"}
    name = str(model.config.data.get("name", ""))
    digits = name == "mnist" and tuple(model.facts.shape) == (1, 28, 28)
    data = load_data(name, **(options | ({"split": "test"} if digits else {})))
    some = np.random.default_rng(0).permutation(len(data))[: len(data) if digits else n]
    if digits:
        features = judge_digits(data.batch(some)).features
        return "Fréchet distance", lambda x: frechet(judge_digits(x.clamp(-1, 1)).features, features)
    if len(some) < n:
        raise UserError(f"{name} has only {len(some)} samples to compare with: give -n {len(some)} or fewer")
    real = data.batch(some).flatten(1)
    return "sliced Wasserstein distance", lambda x: sliced_wasserstein(_seen(x, model), real)


def _seen(x: Tensor, model: Model) -> Tensor:
    """Samples in own units as the model sees them, (n, d), where the data are."""
    return model.from_own(x.cpu().double()).flatten(1)
