"""Classes: sample i is sample i whatever is drawn beside it, guidance acts before the clip, ranks agree."""

import numpy as np
import pytest
import torch

import fromnoise as fn
from fromnoise.errors import UserError
from fromnoise.model import Config, Model
from fromnoise.process import Denoised
from runs import drain


@pytest.fixture(scope="module")
def model():
    changes = {"data.n": 64, "train.steps": 3, "train.batch": 16, "schedule.T": 8, "process.conditional": True}
    config = fn.recipe("moons").override(changes | {"network.width": 8, "network.fourier": 2, "sample.steps": 0})
    trained = drain(config)[-1].model
    torch.manual_seed(0)
    for parameter in trained.network.parameters():
        parameter.normal_(std=0.5)
    return trained


def test_sample_i_has_its_own_class_wherever_it_is_drawn(model):
    together, alone = model.sample(5, seed=3), model.sample(1, seed=3, first=3)
    torch.testing.assert_close(together[3:4], alone)
    assert model.labels(2, first=3).tolist() == [1, 0]
    assert not torch.allclose(alone, model.sample(1, seed=3, first=3, label=0), atol=1e-3)


def test_the_clip_keeps_the_guided_estimate_in_range(model):
    config = model.config.override({"sample.clip": True})
    seen = []
    clipped = Model(config, model.network)
    guided = clipped.guided(clipped.labels(4), 5.0, "fp32")
    plain = model.guided(model.labels(4), 5.0, "fp32")
    from fromnoise.process import at

    x = 2 * torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    for t in (2.0, 5.0, 8.0):
        n = at(model.schedule, t)
        torch.testing.assert_close(guided(x, n).mean, plain(x, n).mean.clamp(-1, 1))
        seen.append(plain(x, n).mean.abs().max())
    assert max(seen) > 1, "nothing was clipped, so nothing was tested"
    assert isinstance(plain(x, n), Denoised)


def test_changed_data_are_noticed(tmp_path):
    table = tmp_path / "table.csv"
    changes = {"train.steps": 2, "train.batch": 4, "schedule.T": 8, "network.width": 8, "train.log_every": 1}
    table.write_text("a,b\n0,0\n1,2\n3,1\n4,4\n")
    drain(fn.recipe(str(table)).override(changes), tmp_path / "run")
    table.write_text("a,b\n1,0\n0,2\n3,1\n4,4\n")  # of the same means and deviations
    with pytest.raises(UserError, match=r"facts\.digest"):
        drain(fn.recipe(str(table)).override(changes), tmp_path / "run")


def test_fields_are_not_clipped_and_images_are(tmp_path):
    np.save(tmp_path / "fields.npy", np.random.default_rng(0).normal(size=(8, 1, 8, 8)))
    np.save(tmp_path / "images.npy", np.zeros((8, 1, 8, 8), np.uint8))
    clips = [fn.recipe(str(tmp_path / f"{name}.npy")).sample.clip for name in ("fields", "images")]
    assert clips == [False, True]


def test_settings_that_can_not_work_are_refused_before_training():
    base = fn.recipe("swissroll")
    for change, line in (
        ({"sample.solver": "foo"}, "unknown solver foo"),
        ({"network.extra_channels": 1}, "unknown key network.extra_channels"),
        ({"network.depth": 0}, "depth is too small"),
        ({"schedule.name": "linear-scaled", "schedule.T": 20}, "needs T above 20"),
        ({"sample.clip": True}, "for images, not points: --sample.clip false"),
        ({"process.conditional": True, "sample.weight": 2.0, "train.label_dropout": 0.0}, "label_dropout"),
    ):
        with pytest.raises(UserError, match=line):
            next(fn.fit(base.override(change)))
    with pytest.raises(UserError, match=r"about\.x"):
        Config().override({"about.x": 3})
