"""Restored pictures explain what was seen, by every method, in any number at once; and mistakes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import fromnoise as fn
from fromnoise.data import load
from fromnoise.errors import UserError
from fromnoise.sampling import Observation, kept, shrunk
from fromnoise.tasks import METHODS, restored, restoring

MASK = torch.ones(28, 28, dtype=torch.bool)
MASK[14:] = False


@pytest.fixture(scope="module")
def model():
    return fn.load("mnist")


@pytest.fixture(scope="module")
def digits():
    return load("mnist", split="test", fit="pad", size=28).batch(np.arange(8))


def seen_of(digits):
    return Observation(kept(MASK)(digits), kept(MASK))


@pytest.mark.parametrize("method", list(METHODS))
def test_what_is_filled_fits_what_is_known(model, digits, method):
    """Of each method the walk itself, before anything is pasted, comes nearer to the known half than a free one."""
    steps = 10 if method == "repaint" else 30
    states = list(restoring(model, seen_of(digits), 8, mask=MASK, method=method, steps=steps, seed=1))
    walk = states[-2].x / float(model.walk("ddpm", steps, "even").levels[-2].alpha)  # the last noisy level
    free = model.sample(8, seed=1, steps=30, weight=0.0)
    misfit, chance = ((x - digits)[:, :, :14].square().mean() for x in (walk, free))
    assert misfit < 0.35 * chance
    assert bool((states[-1].x[:, :, :14] == digits[:, :, :14]).all())


@pytest.mark.parametrize("method", ["pgdm", "dps", "mmps"])
def test_what_is_made_large_looks_like_the_small_one(model, digits, method):
    seen = Observation(shrunk(4)(digits), shrunk(4), 0.05)
    large = restored(model, seen, 8, method=method, steps=40, seed=1)
    misfit = (shrunk(4)(large) - seen.y).square().mean()
    chance = (shrunk(4)(large).roll(1, 0) - seen.y).square().mean()
    assert misfit < 0.25 * chance


@pytest.mark.parametrize("method", ["pgdm", "mmps", "particles"])
def test_a_picture_does_not_depend_on_who_else_is_drawn(model, digits, method):
    how = {"mask": MASK, "method": method, "steps": 5, "seed": 1, "precision": "fp32"}
    together = restored(model, seen_of(digits), 8, **how)
    alone = restored(model, seen_of(digits[3:4]), 1, first=3, **how)
    torch.testing.assert_close(alone, together[3:4], rtol=0, atol=2e-2)


def test_what_is_under_the_mask_is_not_seen(model, digits):
    how = {"mask": MASK, "steps": 5, "seed": 1}
    whole = restored(model, Observation(digits, kept(MASK)), 8, **how)
    torch.testing.assert_close(whole, restored(model, seen_of(digits), 8, **how))


def test_calls_are_those_that_the_network_hears(model, digits):
    for method, derivatives in (("repaint", 0), ("pgdm", 3)):
        heard = []
        handle = model.network.register_forward_pre_hook(lambda *_, heard=heard: heard.append(1))
        how = {"mask": MASK, "method": method, "steps": 4, "precision": "fp32"}
        *_, last = restoring(model, seen_of(digits), 8, **how)
        handle.remove()
        assert last.calls == len(heard) + derivatives


def test_labels_go_with_their_pictures(model, digits):
    batched = fn.Model(model.config.override({"sample.batch": 4}), model.network)
    labels, how = list(range(8)), {"mask": MASK, "steps": 4, "seed": 1, "precision": "fp32"}
    whole = restored(model, seen_of(digits), 8, label=torch.tensor(labels), **how)
    parts = restored(batched, seen_of(digits), 8, label=torch.tensor(labels), **how)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-3)


def test_mistakes(model, digits):
    with pytest.raises(UserError, match="one thing was seen"):
        restored(model, seen_of(digits[:3]), 2, mask=MASK)
    with pytest.raises(UserError, match="one thing was seen"):  # not hidden by batches of two
        restored(fn.Model(model.config.override({"sample.batch": 2}), model.network), seen_of(digits[:2]), 4, mask=MASK)
    with pytest.raises(UserError, match="at least 1"):
        restored(model, seen_of(digits[:1]), 0, mask=MASK)
    student = fn.Model(replace(model.config, distil=replace(model.config.distil, teacher="mnist")), model.network)
    with pytest.raises(UserError, match="name its teacher"):
        restored(student, seen_of(digits[:1]), 1, mask=MASK)
    sure = fn.Model(model.config.override({"train.label_dropout": 0.0, "sample.weight": 1.0}), model.network)
    with pytest.raises(UserError, match="--label"):
        restored(sure, seen_of(digits[:1]), 1, mask=MASK)
