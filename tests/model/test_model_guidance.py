"""All of guidance in the place of a weight: where it acts, how far it burns, and away from which model."""

import math

import pytest
import torch

import fromnoise as fn
from fromnoise.errors import UserError
from fromnoise.model import Guidance
from fromnoise.process import at
from fromnoise.sampling import extrapolate
from laws import ISLANDS, TWINS

HOW = {"seed": 1, "steps": 4, "precision": "fp32"}


@pytest.fixture(scope="module")
def model():
    return fn.load("mnist")


def test_a_weight_alone_is_a_guidance(model):
    assert model.sample(3, weight=2.0, **HOW).equal(model.sample(3, weight=Guidance(2.0), **HOW))
    assert model.calls(Guidance(2.0), steps=4) == model.calls(2.0, steps=4) == 8
    assert model.calls(Guidance(1.0), steps=4) == 4


def test_where_it_does_not_act_the_class_alone_speaks(model):
    plain = model.sample(3, weight=1.0, **HOW)
    assert model.sample(3, weight=Guidance(3.0, interval=(50.0, 60.0)), **HOW).equal(plain)
    within = model.sample(3, weight=Guidance(3.0, interval=(-1.0, 1.0)), **HOW)
    assert not within.equal(plain)
    assert not within.equal(model.sample(3, weight=3.0, **HOW))


def test_away_from_itself_is_nowhere(model):
    """Autoguidance by an equal model changes nothing, at any weight."""
    found = model.sample(3, weight=Guidance(4.0, weaker=model), **HOW)
    torch.testing.assert_close(found, model.sample(3, weight=1.0, **HOW), rtol=0, atol=1e-5)


def test_away_from_a_weaker_model():
    """D_0 + w (D_1 − D_0) with the weaker model's denoiser for D_0, told the same class."""
    model = fn.load("mnist")
    weaker = fn.load("mnist")
    with torch.no_grad():
        for weights in weaker.network.parameters():
            weights.mul_(0.9)
    x, labels = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 5, 7])
    n = at(model.schedule, 400)
    guided = model.guided(labels, Guidance(2.5, weaker=weaker))
    strong, weak = (m.denoiser(labels)(x, n).mean for m in (model, weaker))
    assert (strong - weak).abs().max() > 0.05
    torch.testing.assert_close(guided(x, n).mean, (weak + 2.5 * (strong - weak)).clamp(-1, 1), rtol=0, atol=1e-5)


def test_a_weaker_model_of_another_kind_is_refused(model):
    with pytest.raises(UserError, match="checkpoint of this run"):
        model.sample(1, weight=Guidance(2.0, weaker=fn.load("swissroll")), **HOW)


def test_rescaled_means_have_the_spread_of_the_conditional():
    x, n = torch.randn(6, 2).double(), at(fn.load("swissroll").schedule, 20)
    towards = ISLANDS.component(1)
    for share in (0.0, 0.5, 1.0):
        found = extrapolate(ISLANDS, towards, 3.0, rescale=share)(x, n).mean
        plain, wanted = extrapolate(ISLANDS, towards, 3.0)(x, n).mean, towards(x, n).mean
        spread = (1 - share) * plain.std(1) + share * wanted.std(1)
        torch.testing.assert_close(found.std(1), spread)
        torch.testing.assert_close(found.mean(1), plain.mean(1))


def test_each_sample_is_inside_or_outside_for_itself():
    """Of levels of their own, one is guided and the other is not."""
    schedule, x = fn.load("swissroll").schedule, torch.randn(2, 1).double()
    n = at(schedule, torch.tensor([5.0, 30.0]), x)
    one, middle = TWINS.component(0), float(n.lam.mean())
    found = extrapolate(TWINS, one, 2.5, interval=(middle, math.inf))(x, n).mean
    torch.testing.assert_close(found[:1], extrapolate(TWINS, one, 2.5)(x, n).mean[:1])
    torch.testing.assert_close(found[1:], one(x, n).mean[1:])


def test_within_the_interval_it_is_the_extrapolation_and_outside_the_law():
    n, x = at(fn.load("swissroll").schedule, 20), torch.randn(5, 1).double()
    one, lam = TWINS.component(0), float(n.lam)
    inside = extrapolate(TWINS, one, 2.5, interval=(lam - 1, lam + 1))
    outside = extrapolate(TWINS, one, 2.5, interval=(lam + 1, math.inf))
    assert inside(x, n).mean.equal(extrapolate(TWINS, one, 2.5)(x, n).mean)
    assert outside(x, n).mean.equal(one(x, n).mean)


@pytest.mark.parametrize("wrong", [{"interval": (1.0, 1.0)}, {"rescale": 1.5}, {"rescale": -0.1}])
def test_guidance_refuses(wrong):
    with pytest.raises(UserError):
        Guidance(2.0, **wrong)
