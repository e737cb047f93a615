"""Variations of a picture: nearer to it the less noise, and alike where one noise is shared (H Figures 5 and 6)."""

import pytest
import torch

import fromnoise as fn
from fromnoise.data import load
from fromnoise.errors import UserError
from fromnoise.tasks import between, varied


@pytest.fixture(scope="module")
def model():
    return fn.load("mnist")


@pytest.fixture(scope="module")
def digit():
    return load("mnist", split="test", fit="pad", size=28).batch([0])


def test_the_less_noise_the_nearer(model, digit):
    how = {"steps": 10, "weight": 0.0, "precision": "fp32"}
    apart = [(varied(model, digit, 4, strength=s, **how) - digit).square().mean().item() for s in (0.05, 0.8, 1.0)]
    assert apart[0] < 0.02 < apart[1] < apart[2]


def test_one_noise_and_no_later_noise_give_one_picture(model, digit):
    """With the ODE, runs from one noised image cannot differ; with the chain they do (H Figure 6)."""
    how = {"strength": 0.7, "steps": 8, "alike": True, "label": 7, "precision": "fp32"}
    ode, chain = (varied(model, digit, 3, solver=solver, **how) for solver in ("ddim", "ddpm"))
    assert (ode - ode[:1]).abs().max() < 1e-4
    assert (chain - chain[:1]).abs().mean() > 0.01


def test_the_way_between_begins_and_ends_at_both(model, digit):
    other = load("mnist", split="test", fit="pad", size=28).batch([1])
    way = between(model, digit, other, 5, strength=0.05, steps=40, weight=0.0)
    near, far = (way - digit).square().mean((1, 2, 3)), (way - other).square().mean((1, 2, 3))
    assert near[0] < 0.02 < near[-1]
    assert far[-1] < 0.02 < far[0]


@pytest.mark.parametrize("strength", [0.0, -0.5, 1.1])
def test_strength_is_a_share(model, digit, strength):
    with pytest.raises(UserError, match="strength"):
        varied(model, digit, strength=strength)


def test_start_must_fit(model):
    with pytest.raises(UserError, match="start has shape"):
        model.sample(2, start=torch.zeros(3, 1, 28, 28))
