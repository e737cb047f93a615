"""Samples drawn given something else: the conditional law is learned, rows go in turn, and mistakes have a line."""

import re

import numpy as np
import pytest
import torch

import fromnoise as fn
from fromnoise import evaluation
from fromnoise.data import Dataset
from fromnoise.errors import UserError
from fromnoise.process import at
from fromnoise.training import distilled
from runs import drain

SMALL = {"train.steps": 2, "train.batch": 8, "network.width": 8, "network.fourier": 2, "schedule.T": 8}


def write_pairs(path, n=4096):
    """x given y is N(3 y, (1 + y²)² / 4), in units of their own."""
    rng = np.random.default_rng(0)
    y = rng.uniform(-1, 1, (n, 1))
    x = 3 * y + (1 + y**2) / 2 * rng.standard_normal((n, 1))
    np.savez(path, x=100 + 10 * x, y=5000 * y)


@pytest.mark.slow
def test_a_conditional_law_is_learned(tmp_path):
    """Mean and width move with y as they must: within 0.15 of a width, and within 12 %."""
    write_pairs(tmp_path / "pairs.npz", 65_536)
    config = fn.recipe(str(tmp_path / "pairs.npz"), given="y").override({"train.steps": 700, "network.fourier": 0})
    model = drain(config)[-1].model
    for y in (-0.8, 0.0, 0.6):
        x = (model.sample(4000, given=torch.tensor([[5000 * y]]), solver="unipc3", path="lambda", steps=20) - 100) / 10
        width = (1 + y**2) / 2
        assert abs(float(x.mean()) - 3 * y) < 0.15 * width
        assert abs(float(x.std()) / width - 1) < 0.12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    write_pairs(folder / "pairs.npz", 64)
    config = fn.recipe(str(folder / "pairs.npz"), given="y").override(SMALL | {"train.sample_every": 2})
    drain(config, folder / "run")
    network = fn.load(folder / "run").network
    for parameter in network.parameters():
        parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    fn.load(folder / "run").with_network(network).save(folder / "model")
    return folder


def test_sample_i_is_given_row_i_in_turn(run):
    model = fn.load(run / "model")
    rows = torch.tensor([[-4000.0], [1000.0], [4500.0]])
    together = model.sample(7, seed=3, given=rows)
    torch.testing.assert_close(together[4:5], model.sample(1, seed=3, first=4, given=rows))
    torch.testing.assert_close(together[4:5], model.sample(1, seed=3, first=4, given=rows[1:2]))
    assert not torch.allclose(together[4:5], model.sample(1, seed=3, first=4, given=rows[2:3]), atol=1e-3)
    assert model.facts.given == (1,)
    x, t = torch.zeros(2, 1), 4.0
    own = model.denoise(x, t, given=rows[:2]).mean
    seen = model.given_units.from_own(rows[:2])
    torch.testing.assert_close(own, model.denoiser(given=seen)(x, at(model.schedule, t)).mean)


def test_a_run_of_pairs_goes_on_with_the_same_bits(tmp_path):
    write_pairs(tmp_path / "pairs.npz", 64)
    config = fn.recipe(str(tmp_path / "pairs.npz"), given="y").override(
        SMALL | {"train.steps": 6, "train.decay": "none"}
    )
    whole = drain(config, tmp_path / "whole")[-1].model
    drain(config.override({"train.steps": 3}), tmp_path / "parts")
    parts = drain(config, tmp_path / "parts")[-1].model
    for a, b in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_other_givens_are_other_data(tmp_path):
    write_pairs(tmp_path / "pairs.npz", 64)
    config = fn.recipe(str(tmp_path / "pairs.npz"), given="y").override(SMALL)
    drain(config, tmp_path / "run")
    arrays = dict(np.load(tmp_path / "pairs.npz"))
    arrays["y"][5] += 1.0
    np.savez(tmp_path / "pairs.npz", **arrays)
    with pytest.raises(UserError, match=r"facts\.(digest|given)"):
        drain(config, tmp_path / "run")


def test_fields_are_given_fields(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "f.npz", x=rng.normal(size=(16, 6, 5)), y=rng.normal(size=(16, 6, 5)))
    config = fn.recipe(str(tmp_path / "f.npz"), given="y", key="x")
    small = {"train.steps": 1, "train.batch": 4, "schedule.T": 8, "network.width": 8, "network.multiples": [1]}
    changes = small | {"network.attention": [False], "network.blocks": 1, "sample.steps": 0}
    model = drain(config.override(changes))[-1].model
    assert model.facts.given == (1, 6, 5)
    for parameter in model.network.parameters():
        parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(1))
    zero, one = (model.sample(3, given=torch.full((1, 1, 6, 5), value)) for value in (0.0, 1.0))
    assert zero.shape == (3, 1, 6, 5)
    assert not torch.allclose(zero, one, atol=1e-3)


def test_dates_keep_their_last_digits(tmp_path):
    """Seconds since 1970, of which float32 knows no minute: the sampler sees what training saw."""
    y = 1.7e9 + 2 * np.arange(40.0)
    np.savez(tmp_path / "d.npz", x=np.arange(40.0), y=y)
    model = drain(fn.recipe(str(tmp_path / "d.npz"), given="y", key="x").override(SMALL))[-1].model
    seen, ask = [], model.network.forward
    model.network.forward = lambda x, time, label, extra: seen.append(extra) or ask(x, time, label, extra)
    model.sample(40, steps=1, given=torch.from_numpy(y)[:, None])
    assert torch.allclose(seen[0][:, 0], torch.linspace(-1, 1, 40) * (39 / 4 / np.arange(40.0).std()), atol=1e-5)


def test_what_cannot_be(run):
    model = fn.load(run / "model")
    for given, line in (
        (None, r"given something of shape \(1,\): say what with given"),
        (torch.zeros(3, 2), r"given has rows of shape \(1,\) here, got \(3, 2\)"),
        (torch.zeros(0, 1), "given has rows"),
    ):
        with pytest.raises(UserError, match=line):
            model.sample(2, given=given)
    with pytest.raises(UserError, match="leave given out"):
        fn.load("swissroll").sample(2, steps=2, given=torch.zeros(1, 1))
    with pytest.raises(UserError, match="not measured yet"):
        evaluation.bound(model, torch.zeros(2, 1))
    with pytest.raises(UserError, match="say what with given"):
        evaluation.tune(model, lambda x: None, 2)
    with pytest.raises(UserError, match="cannot be distilled yet"):
        drain(distilled(str(run / "model"), 2).override({"train.steps": 1, "train.batch": 4}))


def test_given_rows_must_fit_the_samples():
    rows = np.zeros((4, 2), np.float32)
    for given in (np.zeros((3, 2), np.float32), np.zeros((4, 2), np.float64), np.zeros((4, 2, 2), np.float32)):
        with pytest.raises(ValueError, match="given must be"):
            Dataset("points", (2,), rows, given=given)
    data = Dataset("points", (2,), rows, given=np.arange(4, dtype=np.float32)[:, None])
    assert data.take(slice(2, 4)).batch_given([1]).tolist() == [[3.0]]
    assert re.search(r"each given \(1,\)", repr(data))
    assert data.batch_given([0]).dtype == torch.float32
