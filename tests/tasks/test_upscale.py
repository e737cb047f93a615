"""Super-resolution by training: what the network is given, that it learns to use it, and mistakes."""

import numpy as np
import pytest
import torch

import fromnoise as fn
from fromnoise.data import load
from fromnoise.errors import UserError
from fromnoise.model import Facts, Process
from fromnoise.model.small import given_shape, given_small
from fromnoise.sampling import shrunk
from fromnoise.tasks import upscaled, varied
from runs import drain

SMALL = {
    "process.small": 4, "schedule.T": 20, "train.batch": 8, "network.width": 16, "network.multiples": [1, 2],
    "network.blocks": 1, "network.patch": 1, "process.conditional": False, "sample.weight": 1.0, "train.ema": 0.0,
    "sample.steps": 10, "train.warmup": 0, "train.precision": "fp32",
}  # fmt: skip


def test_flat_pictures_stay_flat_and_the_noise_is_told():
    small = torch.full((2, 1, 4, 4), 0.3)
    given = given_small(small, 2, torch.tensor([0.0, 0.2]), torch.zeros_like(small))
    assert given.shape == (2, *given_shape(Process(small=2), Facts("images", (1, 8, 8), 1)))
    torch.testing.assert_close(given[:, :1], torch.full((2, 1, 8, 8), 0.3))
    assert given[:, 1].flatten(1).unique(dim=1).flatten().tolist() == pytest.approx([0.0, 0.2])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Blocks of 4 x 4 pixels, black or white, so that the small picture says all."""
    folder = tmp_path_factory.mktemp("small")
    blocks = np.random.default_rng(0).integers(0, 2, (256, 1, 4, 4), dtype=np.uint8) * 255
    np.save(folder / "blocks.npy", blocks.repeat(4, 2).repeat(4, 3))
    config = fn.recipe(str(folder / "blocks.npy")).override(SMALL | {"train.steps": 150, "train.sample_every": 150})
    drain(config, folder / "run")
    return folder, config


def test_what_is_given_is_learned(run):
    """The small picture is in the large one: shrunk again it is what was given, and another was not."""
    folder, _ = run
    model = fn.load(folder / "run")
    small = shrunk(4)(load(str(folder / "blocks.npy")).batch(np.arange(16)))
    large = upscaled(model, small, seed=1)
    error = (shrunk(4)(large) - small).square().mean()
    other = (shrunk(4)(large) - small.roll(1, 0)).square().mean()
    assert error < 0.2 * other


def test_picture_i_is_drawn_of_small_one_i_in_turn(run):
    model = fn.load(run[0] / "run")
    small = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    together = upscaled(model, small, 5, seed=2)
    torch.testing.assert_close(together[:3], upscaled(model, small, seed=2), rtol=0, atol=1e-4)
    assert not torch.allclose(together[3], together[0])


def test_a_run_that_was_stopped_is_the_same_run(run, tmp_path):
    config = run[1].override({"train.steps": 6, "train.sample_every": 0, "train.decay": "none"})
    whole = drain(config, tmp_path / "whole")[-1].model
    drain(config.override({"train.steps": 3}), tmp_path / "parts")
    parts = drain(config, tmp_path / "parts")[-1].model
    for a, b in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_mistakes(run, tmp_path):
    folder, config = run
    model = fn.load(folder / "run")
    with pytest.raises(UserError, match="small pictures have shape"):
        upscaled(model, torch.zeros(1, 1, 8, 8))
    with pytest.raises(UserError, match="noise lies from 0 to"):
        upscaled(model, torch.zeros(1, 1, 4, 4), noise=0.5)
    with pytest.raises(UserError, match="not trained to make small"):
        upscaled(fn.load("mnist"), torch.zeros(1, 1, 14, 14))
    with pytest.raises(UserError, match="given something"):
        model.sample(1)
    with pytest.raises(UserError, match="use fromnoise upscale"):
        varied(model, torch.zeros(1, 1, 16, 16))
    with pytest.raises(UserError, match="cannot be made 3 times"):
        drain(config.override({"process.small": 3}))
    with pytest.raises(UserError, match="2 or more"):
        config.override({"process.small": 1})
    with pytest.raises(UserError, match="pictures that are given nothing"):
        drain(fn.recipe("swissroll").override({"process.small": 2, "train.steps": 1}))
