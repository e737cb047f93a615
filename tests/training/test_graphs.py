"""Recorded steps and compiled networks: the same training as without. On a CPU a stand-in records and replays."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fromnoise.model import Config
from fromnoise.model.replay import Replays, Work
from fromnoise.training import Compiling, fit
from fromnoise.training.draws import mix
from fromnoise.training.graphs import Graphs, Pace, copied, tensors
from fromnoise.training.loop import Loop
from fromnoise.training.optimizers import load_tensors, tensors_of
from runs import loop_of, pictures, points


def noted(work: Work) -> Work:
    """As CUDA graphs do: recording does nothing that is seen, replaying writes to the tensors of the recording."""
    found = work()

    def again():
        for mine, its in zip(found, work(), strict=True):
            mine.copy_(its)
        return found

    return again


def weights(loop: Loop) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in loop.bare.parameters()])


@pytest.fixture
def steady(tmp_path):
    """A run in which everything changes from step to step that a recording must not hold on to."""
    tree = pictures(tmp_path).to_dict()
    tree["network"] = {"name": "unet", "width": 16, "multiples": [1], "blocks": 1, "dropout": 0.3}
    tree["train"] |= {"steps": 30, "accumulate": 1, "warmup": 5, "clip": 0.5, "ema": 0.9, "weight_decay": 0.1}
    tree["train"] |= {"checkpoint_every": 6, "precision": "fp32"}
    return Config.from_dict(tree)


@pytest.fixture
def recordable(monkeypatch):
    """A CPU that records, in that it does all again."""
    made = []

    def graphs(*given):
        made.append(Graphs(*given, record=lambda work: work))
        return made[-1]

    monkeypatch.setattr("fromnoise.training.loop.Graphs", graphs)
    monkeypatch.setattr(Loop, "_recordable", lambda loop: loop.task.steady)
    return made


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_recorded_steps_are_the_same_steps(optimizer, steady, request):
    config = steady.override({"train.optimizer": optimizer})
    plain = loop_of(config)
    start = weights(plain)
    norms = [plain.step() for _ in range(10)]
    request.getfixturevalue("recordable")
    loop = loop_of(config)
    assert [loop.step() for _ in range(10)] == pytest.approx(norms, rel=1e-5)
    assert loop.graphs is not None
    assert plain.graphs is None
    # Rates are float32 there; orthogonal steps make more of the last digit than others.
    assert (weights(loop) - weights(plain)).norm() < 5e-4 * (weights(plain) - start).norm()
    rates = [group["lr"] for group in loop.optimizer.param_groups]
    assert all(isinstance(rate, torch.Tensor) and rate.item() == pytest.approx(loop.rate(9)) for rate in rates)
    loop.step()
    assert all(group["lr"] is rate for group, rate in zip(loop.optimizer.param_groups, rates, strict=True))
    assert all(rate.item() == pytest.approx(loop.rate(10)) for rate in rates)
    kept, fresh = tensors(loop.graphs.kept), tensors(loop.task.batch(10))
    assert all(torch.equal(a, b) for a, b in zip(kept, fresh, strict=True))


def test_a_step_that_is_not_finite_is_left_out_of_recorded_ones_too(steady, recordable, monkeypatch):
    loop = loop_of(steady)
    for _ in range(6):
        loop.step()
    before, gradients = weights(loop), loop.graphs.gradients
    monkeypatch.setattr(loop.graphs, "gradients", lambda batch: (gradients(batch)[0], torch.tensor(torch.nan)))
    loop.step()
    assert torch.equal(weights(loop), before)
    assert (loop.progress.step, loop.progress.skipped) == (7, 1)


def test_a_recorded_run_goes_on_as_any(steady, recordable, tmp_path):
    whole = list(fit(steady, tmp_path / "whole"))[-1].model.network
    for event in fit(steady, tmp_path / "parts"):
        if getattr(event, "step", 0) >= 12:
            break
    parts = list(fit(steady, tmp_path / "parts"))[-1].model.network
    assert len(recordable) == 3
    for one, two in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fails", [False, True])
def test_long_runs_are_compiled_and_say_so(fails, steady, recordable, monkeypatch):
    """Where compiling fails, training goes on without; either way it is the same training."""
    plain = list(fit(steady))[-1].model
    asked = []

    def compiled(network, **how):
        def called(*given):
            if fails:
                raise RuntimeError("no compiler")
            return network(*given)

        asked.append(how)
        return called

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(Pace, "LOOK", 5)
    monkeypatch.setattr(Pace, "LONG", 0.0)
    events = list(fit(steady))
    assert [event.step for event in events if isinstance(event, Compiling)] == [8]
    assert asked == [{"dynamic": False}]
    for one, two in zip(plain.network.parameters(), events[-1].model.network.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_where_recording_fails_all_goes_on_as_it_came(steady, monkeypatch):
    plain, asked = loop_of(steady), []
    plain._recordable = lambda: False
    norms = [plain.step() for _ in range(8)]

    def fails(work):
        asked.append(work)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr("fromnoise.training.loop.Graphs", lambda *given: Graphs(*given, record=fails))
    monkeypatch.setattr(Loop, "_recordable", lambda loop: not loop.refused)
    loop = loop_of(steady)
    assert [loop.step() for _ in range(8)] == pytest.approx(norms, rel=1e-5)
    network, replays = network_and_replays(record=fails)
    with torch.no_grad():
        assert all(torch.equal(replays(torch.ones(1, 2)), network(torch.ones(1, 2))) for _ in range(6))
    assert len(asked) == 2  # once each


def as_on_a_gpu(loop: Loop, monkeypatch, **otherwise) -> Loop:
    """The loop as far as recording asks for its surroundings."""
    usual = {"device": torch.device("cuda"), "num_processes": 1, "scaler": None}
    monkeypatch.setattr(loop, "accelerator", SimpleNamespace(**{**usual, **otherwise}))
    monkeypatch.setattr("fromnoise.training.loop.replayable", lambda network: True)
    return loop


@pytest.mark.parametrize(
    ("changes", "otherwise", "can"),
    [
        ({}, {}, True),
        ({"train__accumulate": 2}, {}, False),
        ({"process__prediction": "mean"}, {}, False),
        ({"process__loss": "hybrid", "process__variance": "learned"}, {}, False),
        ({"process__times": "learned"}, {}, False),
        ({}, {"device": torch.device("cpu")}, False),
        ({}, {"num_processes": 2}, False),
        ({}, {"scaler": object()}, False),
    ],
)
def test_what_cannot_be_recorded_is_not(changes, otherwise, can, monkeypatch):
    loop = loop_of(points(**changes))
    loop.step()
    assert as_on_a_gpu(loop, monkeypatch, **otherwise)._recordable() == can
    loop.refused = True
    assert not loop._recordable()


def test_nothing_is_recorded_before_the_optimiser_has_made_its_state(monkeypatch):
    """Recorded, it would be made anew at each step. Nor are networks that `replayable` does not let."""
    loop = loop_of(points())
    assert not as_on_a_gpu(loop, monkeypatch)._recordable()
    loop = loop_of(points())
    loop.step()
    as_on_a_gpu(loop, monkeypatch)
    monkeypatch.setattr("fromnoise.training.loop.replayable", lambda network: False)
    assert not loop._recordable()


def test_a_replay_draws_from_the_generator_as_its_step_seeds_it(steady, recordable):
    loop = loop_of(steady)
    for _ in range(5):
        loop.step()
    seeds, gradients = [], loop.graphs.gradients
    loop.graphs.gradients = lambda batch: (seeds.append(torch.initial_seed()), gradients(batch))[1]
    before = torch.initial_seed()
    for _ in range(2):
        loop.step()
    assert seeds == [mix(0, "dropout", step) for step in (5, 6)]
    assert torch.initial_seed() == before


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_what_an_optimiser_remembers_lies_as_the_weights_do(optimizer, steady):
    """Channels-last on a GPU; a checkpoint knows no layout, and fused optimisers take no mixture."""

    def made() -> Loop:
        loop = loop_of(steady.override({"train.optimizer": optimizer}))
        loop.bare.to(memory_format=torch.channels_last)
        return loop

    loop, resumed = made(), made()
    for one in (loop, resumed):
        one.step()
    kept = {name: tensor.clone().contiguous() for name, tensor in tensors_of(loop.optimizer.optimizer).items()}
    load_tensors(resumed.optimizer.optimizer, kept)
    resumed.step()
    loop.step()
    assert torch.equal(weights(resumed), weights(loop))
    for weight, state in resumed.optimizer.optimizer.state.items():
        assert all(one.stride() == weight.stride() for one in state.values() if one.ndim)


def test_a_copy_of_a_batch_is_its_own():
    batch = loop_of(points()).task.batch(0)
    copy = copied(batch)
    for mine, its in zip(tensors(copy), tensors(batch), strict=True):
        assert torch.equal(mine, its)
        assert mine.data_ptr() != its.data_ptr()
    assert len(tensors(batch)) == 6


def network_and_replays(**how) -> tuple[nn.Linear, Replays]:
    """A network, and calls of it, with something to add."""
    network = nn.Linear(2, 2).requires_grad_(False)

    def call(x, label=None):
        return network(x) if label is None else network(x) + label[:, None]

    return network, Replays(network, call, **{"record": noted, **how})


@torch.no_grad()
def test_replays_are_the_calls():
    """For any shapes in any order, with and without labels; nothing that was given out is overwritten."""
    _, replays = network_and_replays()
    out = []
    for i in range(30):
        x = torch.full((1 + i % 3, 2), float(i))
        given = (x, torch.arange(len(x)) + i) if i % 2 else (x, None)
        out.append((replays(*given), replays.call(*given)))
    for found, right in out:
        assert torch.equal(found, right)
    assert len(replays.known) == 6


@torch.no_grad()
def test_only_so_many_shapes_are_recorded():
    _, replays = network_and_replays()
    for n in [*range(20), *range(20), *range(20)]:
        assert replays(torch.zeros(n, 2)).shape == (n, 2)
    assert len(replays.known) == Replays.MOST


def moved(network: nn.Linear) -> None:
    network.weight.data = network.weight.data + 1


def replaced(network: nn.Linear) -> None:
    network.weight = nn.Parameter(network.weight + 1, requires_grad=False)


@torch.no_grad()
@pytest.mark.parametrize("change", [moved, replaced, nn.Module.eval])
def test_what_is_recorded_of_other_numbers_is_forgotten(change):
    """A recording reads where the numbers were."""
    network, replays = network_and_replays()
    x = torch.ones(1, 2)
    for _ in range(4):
        replays(x)
    assert replays.known
    change(network)
    assert torch.equal(replays(x), network(x))
    assert not replays.known


def test_calls_that_something_looks_at_are_not_replayed():
    """Gradients, hooks and derivatives see a call, and a recording has none; other settings make another call."""
    network, replays = network_and_replays()
    x, seen = torch.ones(1, 2), []
    with torch.no_grad():
        for _ in range(4):
            replays(x)
        (key, (kept, _)) = next(iter(replays.known.items()))
        replays.known[key] = kept, lambda: (torch.full((1, 2), torch.nan),)
        assert bool(replays(x).isnan().all())  # from here on a replay would be seen
        assert torch.equal(torch.func.jvp(replays, (x,), (x,))[0], network(x))
        handle = network.register_forward_hook(lambda *_: seen.append(1))
        assert bool(replays(x).isfinite().all())
        handle.remove()
        with torch.autocast("cpu", torch.bfloat16):
            assert replays(x).dtype == torch.bfloat16
    assert seen == [1]
    assert bool(replays(x).isfinite().all())


def test_a_copy_of_a_model_records_for_itself():
    _, replays = network_and_replays()
    assert copy.deepcopy({"fp32": (1, replays)}) == {"fp32": (1, None)}
