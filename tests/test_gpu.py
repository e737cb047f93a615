"""On a CUDA GPU: recorded and compiled steps are the steps, a run goes on, samples are the same (`make test-gpu`)."""

from __future__ import annotations

import pytest
import torch

import fromnoise as fn
from fromnoise.model import model as models
from fromnoise.model.precision import chosen
from fromnoise.model.replay import Replays
from fromnoise.training.graphs import Pace
from fromnoise.training.loop import Loop
from runs import drain, loop_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU, or it is hidden: make test-gpu"),
]


@pytest.fixture(autouse=True)
def exact(monkeypatch, tmp_path):
    """Convolutions in float32 itself, not in TF32; nothing known of the machine."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path / "cache"))


def digits(**changes):
    """The default recipe, with dropout and everything that changes from step to step."""
    own = {"network.dropout": 0.1, "train.lr": 2e-4, "train.precision": "fp32", "train.sample_every": 0}
    return fn.recipe("mnist").override({**own, **changes})


def weights(loop: Loop) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in loop.bare.parameters()])


def moved(config, monkeypatch, recorded: bool) -> torch.Tensor:
    """Where ten steps lead."""
    with monkeypatch.context() as patch:
        if not recorded:
            patch.setattr(Loop, "_recordable", lambda loop: False)
        loop = loop_of(config)
        start = weights(loop)
        for _ in range(10):
            loop.step()
    assert (loop.graphs is not None) == recorded
    return weights(loop) - start


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_recorded_steps_are_the_same_steps(optimizer, monkeypatch):
    """To what two runs of the same differ by: sums on a GPU have no order. Dropout has the same masks."""
    config = digits(**{"train.optimizer": optimizer})
    plain, again, found = (moved(config, monkeypatch, recorded) for recorded in (False, False, True))
    assert (found - plain).norm() < 1e-5 * plain.norm() + 3 * (again - plain).norm()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_gradients_are_those_of_float32(precision, most, compiled):
    found = []
    for name in ("fp32", precision):
        loop = loop_of(digits(**{"network.dropout": 0.0, "train.precision": name}))
        if found and compiled:
            loop.compile()
            assert loop.network is not loop.bare
        with torch.no_grad():
            for i, p in enumerate(loop.bare.parameters()):
                p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(i)).to(p))
        loop._gradients(loop.task.batch(0))
        found.append(torch.cat([p.grad.flatten() for p in loop.bare.parameters()]))
    assert (found[1] - found[0]).norm() < most * found[0].norm()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recorded_calls_give_the_same_samples(precision, monkeypatch):
    model = fn.load("mnist")
    found = model.sample(300, precision=precision, steps=8)
    assert model._replays[precision][1].known
    monkeypatch.setattr(models, "replayable", lambda network: False)
    torch.testing.assert_close(model.sample(300, precision=precision, steps=8), found, rtol=0, atol=1e-3)


def test_a_run_that_was_compiled_goes_on_where_it_was_stopped(monkeypatch, tmp_path):
    monkeypatch.setattr(Pace, "LONG", 0.0)
    monkeypatch.setattr(Pace, "LOOK", 5)
    config = digits(**{"train.steps": 40, "train.checkpoint_every": 20, "network.multiples": [1, 2]})
    events = drain(config, tmp_path / "run")
    assert [type(event) for event in events].count(fn.Compiling) == 1
    end = drain(config.override({"train.steps": 60}), tmp_path / "run")[-1]
    assert end.step == 60
    assert all(bool(p.isfinite().all()) for p in end.model.network.parameters())


def test_what_waits_for_the_gpu_is_not_recorded_and_leaves_all_in_order():
    network = fn.load("mnist").network
    replays = Replays(network, lambda x: x * x.max().item())
    x = torch.ones(2, device="cuda")
    with torch.no_grad():
        assert all(torch.equal(replays(x), x) for _ in range(5))
    assert replays.refused
    assert bool(torch.nn.functional.dropout(torch.ones(99, device="cuda"), 0.5).isfinite().all())


def test_half_precision_is_found_to_be_fast():
    """On GPUs since 2020 it is; a measurement of launches would not show it."""
    assert chosen("auto", "images", torch.device("cuda")) == "bf16"
