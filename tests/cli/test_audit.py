"""A run is told when its samples begin to be copies of its data, and not before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from commands import done

from fromnoise.cli.audit import Audit
from fromnoise.data import load
from fromnoise.training import Sampled


def event(data, rows, step: int = 7) -> Sampled:
    return Sampled(step, data.units.to_own(data.batch(rows).double()), None)


def test_fresh_samples_say_nothing_and_copies_say_it_once() -> None:
    own, fresh = load("moons", n=300), load("moons", n=300, seed=1)
    audit = Audit({"name": "moons", "n": 300})
    assert audit.look(event(fresh, range(64))) == ""
    assert audit.look(event(own, range(64))).startswith("step 7: 64 of 64 samples are copies of the 300 training data")
    assert audit.look(event(own, range(64))) == ""


@pytest.mark.parametrize("seed", range(5))
def test_no_false_alarm_in_a_hundred_looks(seed: int) -> None:
    audit = Audit({"name": "moons", "n": 500})
    fresh = load("moons", n=6400, seed=seed + 1)
    assert not any(audit.look(event(fresh, range(i, i + 64))) for i in range(0, 6400, 64))


def test_digits_as_a_folder_holds_them(place) -> None:
    digits = load("mnist", fit="pad", size=28)
    rows = digits.take(np.arange(100)).rows
    np.savez("few.npz", samples=rows)
    audit = Audit({"name": "few.npz"})
    few = load("few.npz")
    assert audit.look(Sampled(1, digits.batch(range(5000, 5064)), None)) == ""
    assert "64 of 64" in audit.look(Sampled(2, few.batch(range(64)), None))


@pytest.mark.parametrize("source", [{}, {"name": "moons", "n": 5}, {"name": "no-such-file.npz"}])
def test_data_that_cannot_be_looked_at_are_left_alone(source) -> None:
    assert Audit(source).look(Sampled(1, torch.zeros(3, 2), None)) == ""


def test_train_says_it(place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose samples become its data, as `fit` would tell of it."""
    own, fresh = load("moons", n=300), load("moons", n=300, seed=1)

    def fit(config, out, network=None):
        yield from (event(fresh, range(64), 10), event(own, range(64), 20), event(own, range(64), 30))

    monkeypatch.setattr("fromnoise.training.fit", fit)
    said = done("train moons --data.n 300 --out run --quiet").err
    assert said.count("The model begins to memorise") == 1
    assert said.startswith("step 20: 64 of 64 samples are copies of the 300 training data")
