"""Training that begins from the weights of a trained model."""

from __future__ import annotations

import pytest
import torch

from fromnoise.errors import UserError
from fromnoise.model import load
from fromnoise.training import Saved
from runs import differing, drain, leave, points


def weights(model) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A trained run."""
    folder = tmp_path_factory.mktemp("first") / "run"
    drain(points(), folder)
    return folder


def test_it_begins_with_the_averaged_weights_of_the_other_run(first):
    *_, finished = drain(points(train__init=str(first), train__lr=1e-12, train__steps=1, train__ema=0.5))
    ours, theirs = weights(finished.model), weights(load(first))
    assert all(torch.allclose(ours[key], theirs[key], atol=1e-6) for key in theirs)
    *_, other = drain(points(train__lr=1e-12, train__steps=1, train__ema=0.5))
    assert not all(torch.allclose(weights(other.model)[key], theirs[key], atol=1e-3) for key in theirs)


def test_stopped_it_goes_on_from_its_own_checkpoint_bit_for_bit(first, tmp_path):
    config = points(train__init=str(first))
    drain(config, tmp_path / "whole")
    leave(config, tmp_path / "run", lambda e: isinstance(e, Saved))
    drain(config, tmp_path / "run")
    assert differing(tmp_path / "run", tmp_path / "whole") == []


def test_another_network_or_no_model_is_one_line(first):
    with pytest.raises(UserError, match="its network is another"):
        drain(points(train__init=str(first), network__width=24))
    with pytest.raises(UserError, match="unknown model nothing"):
        drain(points(train__init="nothing"))
