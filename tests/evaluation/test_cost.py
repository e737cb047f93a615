"""What samples cost is reckoned for a thousand of them, and measured where it can be."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import fromnoise as fn
from fromnoise.evaluation import Spent, call_flops, cost, flops, spending
from fromnoise.evaluation.cost import GRAMS


def test_a_thousand_samples_cost_in_proportion() -> None:
    model = fn.load("swissroll")
    found = cost(model, Spent(500, 2.0, 0.001, 7e6))
    assert found["seconds"] == 4.0
    assert found["kwh"] == 0.002
    assert found["grams"] == pytest.approx(0.002 * GRAMS)
    assert found["peak_bytes"] == 7e6
    assert found["parameters"] == sum(part.numel() for part in model.network.parameters())
    assert found["flops"] == 1000 * model.calls() * call_flops(model)
    assert math.isnan(cost(model, Spent())["seconds"])


def test_flops_are_two_for_each_product() -> None:
    assert flops(lambda: nn.Conv2d(3, 5, 3, padding=1)(torch.zeros(2, 3, 8, 8))) == 2 * 2 * 64 * 3 * 9 * 5
    x = torch.zeros(1, 1, 6, 4)
    assert flops(lambda: nn.functional.scaled_dot_product_attention(x, x, x)) == 2 * 2 * 6 * 6 * 4


def test_energy_is_the_meters_and_unknown_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    class Meter:
        final_emissions_data = SimpleNamespace(energy_consumed=0.25)

        def __init__(self, **options: object) -> None:
            said.append(options)

        def start(self) -> None:
            said.append("start")

        def stop(self) -> None:
            said.append("stop")

    monkeypatch.setitem(sys.modules, "codecarbon", SimpleNamespace(OfflineEmissionsTracker=Meter))
    spent = Spent(1, 0.0, 0.5)
    with contextlib.suppress(KeyboardInterrupt), spending(spent):
        time.sleep(0.02)
        raise KeyboardInterrupt
    assert spent.energy == 0.75
    assert said[1:] == ["start", "stop"]
    assert said[0]["save_to_file"] is False
    assert 0.02 <= spent.seconds < 5
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with spending(spent):
        pass
    assert math.isnan(spent.energy)
