"""The benchmarks' own side: they time the loop of `fromnoise train`, one batch prepared for each step."""

import dataclasses
from pathlib import Path

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
