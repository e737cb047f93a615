"""The benchmarks' own side: they time the loop of `fromnoise train`, one batch prepared for each step."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import fromnoise as fn
from fromnoise.data import load
from fromnoise.training.fit import facts_of

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_our_training_step_is_the_loops_own(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench_training

    small = {"network.width": 8, "network.multiples": [1, 2], "train.batch": 4, "train.steps": 100}
    config, data = fn.recipe("mnist").override(small), load("mnist", fit="pad", size=28).take(slice(0, 8))
    config = dataclasses.replace(config, facts=facts_of(data))
    setup = bench_training.Setup(bench_training.SIZES["mnist"], config, data, torch.device("cpu"), 0)
    one = bench_training.our_step(setup, "fp32")
    for _ in range(3):
        one.step()
    assert one.items == 4
    assert one.step.__self__.task.batches.blocks.steps == 1
    assert one.sound()


@pytest.fixture
def contenders(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import contenders

    return contenders


def test_each_takes_one_step_a_round_in_any_order(contenders):
    """Warm rounds do not count; what settles a contender goes before each step and is not timed."""
    taken = []
    runners = [
        contenders.Contender("a", name, lambda name=name: taken.append(name), settle=lambda: taken.append("settle"))
        for name in "xyz"
    ]
    times = contenders.in_turn(runners, torch.device("cpu"), warm=1, seconds=0.0, least=3, most=9)
    assert {name: len(each) for name, each in times.items()} == {"a x": 3, "a y": 3, "a z": 3}
    assert taken[::2] == ["settle"] * 12
    rounds = [taken[i : i + 6 : 2] for i in range(1, 24, 6)]
    assert all(sorted(each) == ["x", "y", "z"] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    assert len(contenders.in_turn(runners, torch.device("cpu"), warm=0, seconds=60.0, least=1, most=2)["a x"]) == 2


def test_the_figures_of_a_contender(contenders):
    one = contenders.Contender("ours", "default", bool, items=64)
    found = contenders.summary(one, [2.0, 1.0, 4.0])
    assert (found["seconds"], found["best_seconds"], found["spread_seconds"], found["steps"]) == (2.0, 1.0, 3.0, 3)
    assert found["per_second"] == 32.0
    many = contenders.summary(one, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert many["spread_seconds"] == 4.0  # between the quartiles
    fallen = contenders.summary(dataclasses.replace(one, sound=lambda: False), [1.0])
    assert fallen["status"] == "diverged"
    assert "per_second" not in fallen
    peer = contenders.summary(contenders.Contender("theirs", "default", bool, items=64), [8.0])
    (ratio,) = contenders.ratios([found, peer, fallen], "ours", "per_second")
    assert ratio == {"ours": "default", "peer": "theirs default", "per_second": 4.0}


def test_a_width_is_the_one_whose_size_is_nearest(contenders):
    def make(width):
        return torch.nn.Linear(width, width, bias=False)

    for wanted in (100, 5_000, 70_000):
        width = contenders.fitted(make, wanted, 8)
        assert width % 8 == 0
        assert width == min(range(8, 800, 8), key=lambda w: abs(math.log(w * w / wanted)))


def test_a_peers_training_goes_on_with_all_its_state(contenders, tmp_path):
    """Weights, average, optimiser and the place in the schedule; the order of pictures begins anew, as it says."""
    import quality

    def fresh():
        torch.manual_seed(0)
        network = torch.nn.Conv2d(1, 1, 3, padding=1)
        return quality.Peer(
            network, 28, lambda network, x_0: (network(x_0) - x_0).square().mean(), {},
            torch.optim.Adam(network.parameters(), 1e-2), 4, "fp32", lambda step: 0.5, lambda steps: 3, True,
        )  # fmt: skip

    first = quality.Trained(fresh(), tmp_path / "state.pt")
    first.steps = 6
    while first.done < 4:
        first.step()
    first.save()
    second = quality.Trained(fresh(), tmp_path / "state.pt")
    second.steps = 6
    second.resume()
    assert second.done == 4
    first.order = np.random.default_rng(4)
    for trained in (first, second):
        trained.step()
        trained.step()
    for one, other in ((first.network, second.network), (first.average, second.average)):
        for part, its in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(part, its)
    (group,) = second.peer.optimizer.param_groups
    assert group["lr"] == pytest.approx(1e-2 * 0.5 * (1 + math.cos(math.pi * 5 / 6)))


@pytest.mark.parametrize(
    ("device", "has", "kept"),
    [("cpu", ["avx2"], "cpu"), ("cpu:0", ["avx2", "amx_tile"], "amx"), ("cuda:1", ["amx_tile"], "cuda")],
)
def test_figures_of_unlike_machines_are_kept_apart(contenders, monkeypatch, device, has, kept):
    import machine

    monkeypatch.setattr(machine, "instructions", lambda: has)
    assert machine.kind(device) == kept
