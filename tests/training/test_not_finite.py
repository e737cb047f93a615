"""Steps whose gradient is not finite are left out and counted; training that no longer moves stops."""

from __future__ import annotations

import math

import pytest
import torch
from nets import Silent

from fromnoise.errors import UserError
from fromnoise.model import checkpoints, load
from fromnoise.training import Skipped, Stepped, log
from runs import drain, points


def silent(*bad: int) -> type[Silent]:
    """A network of its own that gives NaN at these calls."""
    return type("Bad", (Silent,), {"bad": bad, "calls": 0})


def config(**changes):
    """The run on points, with a network that has no options."""
    tree = points(**changes).to_dict()
    return type(points()).from_dict({**tree, "network": {}})


def test_a_step_that_is_not_finite_is_left_out_and_counted(tmp_path):
    network = silent(3, 4, 9)
    events = drain(config(train__log_every=1), tmp_path / "run", network=network)
    assert [(e.step, e.total) for e in events if isinstance(e, Skipped)] == [(3, 1), (4, 2), (9, 3)]
    weights = events[-1].model.network.state_dict()
    assert all(torch.isfinite(w).all() for w in weights.values())
    losses = {e.step: e.loss for e in events if isinstance(e, Stepped)}
    assert all(math.isnan(losses[step]) == (step in (3, 4, 9)) for step in losses)
    assert [row["loss"] is None for row in log.read(tmp_path / "run")] == [s in (3, 4, 9) for s in range(1, 13)]
    assert (tmp_path / "run" / "log.jsonl").read_text().count("NaN") == 0


def test_a_skipped_step_moves_neither_weights_nor_average_nor_optimiser(tmp_path):
    one = config(train__steps=3, train__keep=9, train__checkpoint_every=1, train__log_every=9)
    drain(one, tmp_path / "run", network=silent(3))
    two, three = (path for path in checkpoints(tmp_path / "run")[-2:])
    for name in ("network.safetensors", "ema.safetensors", "optimizer.safetensors"):
        assert (two / name).read_bytes() == (three / name).read_bytes()


def test_a_skipped_loss_is_not_in_the_mean(tmp_path):
    plain = [e.loss for e in drain(config(train__log_every=1, train__steps=2), network=silent())[1:3]]
    mean = drain(config(train__log_every=3, train__steps=3), network=silent(3))
    (found,) = [e.loss for e in mean if isinstance(e, Stepped)]
    assert found == pytest.approx(sum(plain) / 2, rel=1e-12)


def test_when_it_persists_training_stops_with_one_line_and_keeps_what_it_has(tmp_path):
    persistent = silent(*range(6, 99))
    with pytest.raises(
        UserError,
        match="not finite for 4 steps in a row, up to step 9: begin anew with another --out and a lower --train",
    ) as e:
        drain(config(train__steps=30, train__patience=4), tmp_path / "run", network=persistent)
    assert "\n" not in str(e.value)
    assert checkpoints(tmp_path / "run")[-1].name == "step-00000009"
    model = load(tmp_path / "run", network=persistent)
    assert all(torch.isfinite(w).all() for w in model.network.state_dict().values())


def test_patience_counts_steps_in_a_row():
    events = drain(config(train__steps=12, train__patience=3), network=silent(2, 3, 5, 6, 8, 9))
    assert events[-1].step == 12
    assert [e.total for e in events if isinstance(e, Skipped)] == [1, 2, 3, 4, 5, 6]
