"""DDPM, score SDE (VP, sub-VP, VE) and flow: one interface; a model trained in one is sampled in all of them."""

from __future__ import annotations

import pytest

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation import sliced_wasserstein

FORMULATIONS = {
    # how people train them: the prediction and the loss of each
    "linear": {"process.prediction": "eps", "process.loss": "simple"},
    "vp": {"process.prediction": "eps", "process.loss": "simple"},
    "sub-vp": {"process.prediction": "v", "process.loss": "velocity"},
    "ve": {"process.prediction": "v", "process.loss": "velocity"},
    "flow": {"process.prediction": "flow", "process.loss": "velocity"},
}
DATA = load("moons", n=2000, seed=5).batch(range(2000))


@pytest.fixture(scope="module", params=FORMULATIONS)
def trained(request):
    changes = {"train.steps": 800, "train.batch": 256, "train.lr": 2e-3, "train.decay": "cosine", "train.ema": 0.98}
    changes |= {"schedule.name": request.param, "network.width": 64, "network.depth": 3, **FORMULATIONS[request.param]}
    changes |= {"sample.batch": 2000}  # all points at once
    config = fn.Config.from_dict({"data": {"name": "moons", "n": 20_000}, "network": {"name": "mlp"}})
    *_, finished = fn.fit(config.override(changes))
    return finished.model


def distance(model, on):
    """Of 2,000 points by the ancestral chain in 40 steps, even in lam where lam is finite (measured: 0.03 to 0.05)."""
    path = "even" if on == "flow" else "lambda"
    return float(
        sliced_wasserstein(model.sample(2000, seed=0, on=on, solver="ddpm", path=path, steps=40), DATA, projections=128)
    )


@pytest.mark.slow
def test_trained_in_one_sampled_in_all(trained):
    found = {on: distance(trained, on) for on in FORMULATIONS}
    assert max(found.values()) < 0.08, found
    assert max(found.values()) - min(found.values()) < 0.03, found
