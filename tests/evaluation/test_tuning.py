"""The choice: the cheapest that is within the chain's noise, confirmed by other seeds."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch

import fromnoise as fn
from fromnoise.errors import UserError
from fromnoise.evaluation import Confirmed, Quality, Reference, measure_for, tune


class Pretend:
    """A model whose `sample` gives the distance itself: so that every outcome can be set."""

    schedule = SimpleNamespace(T=1000)
    config = fn.Config()

    def __init__(self, distance):
        self.distance, self.asked = distance, []

    def walk(self, solver, steps, path):
        pass

    def calls(self, solver, steps, path):
        return 2 * steps - 1 if solver == "heun" else steps

    def sample(self, n, *, seed, solver, steps, path, progress):
        self.asked.append((solver, path, steps, seed))
        return self.distance(solver, path, steps, seed)


def run(distance, **options):
    """With a quality that is a distance alone, or both of its parts."""
    model = Pretend(distance)
    measure = lambda x: x if isinstance(x, Quality) else Quality(x, 0.0)  # noqa: E731
    return model, tune(model, measure, 100, **{"ladder": (4, 8), "solvers": ("ddim", "heun"), **options})


def test_the_cheapest_within_the_noise_is_chosen():
    """The chain: 1.0, 1.1, 1.2; DDIM is good at 8 calls, Heun at 7, which are fewer."""

    def distance(solver, path, steps, seed):
        if solver == "ddpm":
            return 1.0 + 0.1 * seed
        return 1.05 if (solver, steps) in {("ddim", 8), ("heun", 4)} else 3.0

    model, found = run(distance)
    assert [one.distance for one in found.reference.found] == pytest.approx([1.0, 1.1, 1.2])
    assert (found.chosen.solver, found.chosen.steps, found.chosen.calls) == ("heun", 4, 7)
    assert ("ddpm", "even", 1000, 0) in model.asked
    assert {one.calls for one in found.tried if one.solver == "heun"} == {3, 7}


def test_luck_with_one_seed_is_not_enough():
    def distance(solver, path, steps, seed):
        if solver == "ddpm":
            return 1.0 + 0.1 * seed
        return 3.0 if steps == 4 and seed > 0 else 1.0

    said = []
    _, found = run(distance, solvers=("ddim",), report=said.append)
    assert found.chosen.steps == 8
    assert [(one.way.steps, one.holds) for one in said if isinstance(one, Confirmed)] == [
        (4, False),
        (4, False),
        (8, True),
    ]


def test_a_few_samples_astray_are_too_many():
    """The distance is the chain's, but one sample in ten lies where no data are."""

    def quality(solver, path, steps, seed):
        if solver == "ddpm":
            return Quality(1.0 + 0.1 * seed, 0.01)
        return Quality(1.0, 0.1 if steps < 8 else 0.015)

    _, found = run(quality, solvers=("ddim",))
    assert found.chosen.steps == 8


def test_nothing_may_be_good_enough():
    _, found = run(lambda solver, path, steps, seed: 1.0 + 0.1 * seed if solver == "ddpm" else 9.0)
    assert found.chosen is None


def test_the_limit_is_two_standard_errors_of_a_difference():
    reference = Reference(10, [Quality(distance, distance / 10) for distance in (1.0, 2.0, 3.0)], 100)
    for seeds in (1, 3):
        limit = 2 + 2 * (1 / seeds + 1 / 3) ** 0.5
        assert reference.limit(seeds) == pytest.approx((limit, limit / 10))


@pytest.mark.parametrize(("share", "taken"), [(0.0, 0.01), (0.2, 0.2)])
def test_a_share_is_not_known_better_than_chance_allows(share, taken):
    """Seeds that agree have a spread of 0; n draws of a coin have not, and where none went astray one may have."""
    limit = Reference(10, [Quality(1.0, share)] * 2, 100).limit(2)
    assert limit == pytest.approx((1.0, share + 2 * (taken * (1 - taken) / 100) ** 0.5))


def test_progress_stays_within_its_total():
    done = []
    model = fn.load("swissroll")
    tune(
        model, lambda x: Quality(float(x.std()), 0.0), 8, ladder=[3], solvers=["ddim"], seeds=2, reference=3,
        progress=lambda at, total: done.append((at, total)),
    )  # fmt: skip
    assert done[0][1] == 2 * 3 + 2 * 3
    assert done[-1][0] <= done[-1][1]
    assert all(one[0] <= two[0] for one, two in itertools.pairwise(done[:12]))


def test_two_seeds_at_least():
    with pytest.raises(UserError, match="at least 2 seeds"):
        run(lambda *_: 1.0, seeds=1)


def test_a_student_has_nothing_to_tune():
    model = Pretend(lambda *_: 1.0)
    model.config = fn.Config().override({"distil.teacher": "mnist"})
    with pytest.raises(UserError, match="there is nothing to tune"):
        tune(model, lambda x: x, 10)


def test_the_measure_of_points_is_in_the_models_units():
    model = fn.load("swissroll")
    names, measure = measure_for(model, 500)
    assert names == ("sliced Wasserstein distance", "astray")
    data = fn.data.load("swissroll", n=500, seed=3)
    real = data.units.to_own(data.batch(range(500)))
    near, far = measure(real), measure(torch.zeros(500, 2))
    assert near.distance < 0.15 < far.distance
    assert near.astray < 0.03
    assert far.astray == 1.0
    some = real.clone()
    some[:25] = data.units.to_own(torch.zeros(2))  # between the arms; the distance hardly sees them
    assert measure(some).astray == pytest.approx(near.astray + 0.05, abs=0.01)
    assert measure(some).distance < 1.5 * near.distance


def test_the_measure_of_digits_is_on_their_features():
    names, measure = measure_for(fn.load("mnist"), 100)
    digits = fn.data.load("mnist", size=28).batch(range(200))
    assert names == ("Fréchet distance", "not clear")
    good, noise = measure(digits), measure(torch.rand(200, 1, 28, 28) * 2 - 1)
    assert good.distance < noise.distance
    assert good.astray < 0.1 < 0.9 < noise.astray
