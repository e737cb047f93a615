"""The models that come with the package do what their cards say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fromnoise.evaluation import judge_digits
from fromnoise.model import load
from fromnoise.model.loading import BUNDLED

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
CARD = BUNDLED / "mnist" / "README.md"


@pytest.mark.slow
def test_the_digits_are_the_ones_asked_for():
    """10,000 gave 99 %; 60 with fewer than 50 right would be a chance of less than 1e-9."""
    model = load("mnist")
    labels = torch.arange(60) % 10
    judged = judge_digits(model.sample(60, seed=5, steps=20, precision="fp32", label=labels))
    assert int((judged.digit == labels).sum()) >= 50
    assert model.sample(2, steps=2, label="7").shape == (2, 1, 28, 28)


def test_the_card_tells_what_was_measured():
    found, card = json.loads((RESULTS / "mnist.json").read_text()), CARD.read_text()
    assert f"`{found['commit'][:10]}`" in card
    assert f"{found['images']:,} digits seen" in card
    assert found["skipped_steps"] == 0
    for row in found["scores"].values():
        line = next(line for line in card.splitlines() if f"{row['confident']:.1%}" in line)
        assert f"{row['frechet']:.3f} (floor {row['floor']:.3f})" in line
        assert row["n"] == 10_000


def test_the_weights_are_small_and_the_settings_those_of_the_recipe():
    assert (BUNDLED / "mnist" / "model.safetensors").stat().st_size < 8e6
    config = load("mnist").config
    changed = json.loads((RESULTS / "mnist.json").read_text())["changes"][-1]
    assert {key: config.to_dict()[key.split(".")[0]][key.split(".")[1]] for key in changed} == changed
