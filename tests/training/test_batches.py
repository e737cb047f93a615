"""What a step trains on: the data in their order, Algorithm 1's times and noise, the same however steps are grouped."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from fromnoise.data import load
from fromnoise.model import Config
from fromnoise.process import linear
from fromnoise.training import batches as module
from fromnoise.training.batches import Batches
from fromnoise.training.draws import batch_index
from runs import points

CPU = torch.device("cpu")
DATA = load("mixture", n=50)


def made(mine: slice = slice(0, 8), config: Config | None = None, T: int = 20) -> Batches:
    return Batches(config or points(), DATA, linear(T), CPU, mine)


def test_any_order_of_steps_gives_the_same_batches():
    forth, back = made(), made()
    assert forth.blocks.steps == 64
    steps = [0, 1, 63, 64, 200]
    for step, other in zip(steps, reversed([back[step] for step in reversed(steps)]), strict=True):
        batch = forth[step]
        for one, two in zip((batch.x_0, batch.labels, *batch.level, batch.eps),
                            (other.x_0, other.labels, *other.level, other.eps), strict=True):  # fmt: skip
            assert torch.equal(one, two)


def test_the_data_come_in_the_order_of_the_passes():
    batches = made()
    for step in (0, 3, 64, 130):
        assert torch.equal(batches[step].x_0, DATA.batch(batch_index(0, step, 8, 50)))


def test_what_samples_are_given_comes_with_them():
    beside = np.arange(50, dtype=np.float32)[:, None]
    data = dataclasses.replace(DATA, given=beside)
    batches = Batches(points(), data, linear(20), CPU, slice(0, 8))
    for step in (0, 3, 70):
        assert batches[step].given.ravel().tolist() == batch_index(0, step, 8, 50).tolist()


def test_each_process_takes_its_rows_of_the_same_batch():
    whole, parts = made()[70], [made(slice(first, first + 4))[70] for first in (0, 4)]
    for name in ("x_0", "labels", "eps"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))
    assert torch.equal(whole.level.t, torch.cat([part.level.t for part in parts]))
    part = whole.part(slice(2, 5))
    assert torch.equal(part.x_0, whole.x_0[2:5])
    assert torch.equal(part.level.alpha, whole.level.alpha[2:5])


def test_times_noise_and_hidden_labels_follow_their_laws():
    batches = made(T=1000)
    drawn = [batches[step] for step in range(320)]
    t = torch.cat([batch.level.t for batch in drawn])
    assert stats.kstest((t.numpy() - 0.5) / 1000, "uniform").pvalue > 1e-3
    assert stats.kstest(torch.cat([batch.eps for batch in drawn]).flatten().numpy(), "norm").pvalue > 1e-3
    hidden = torch.cat([batch.labels for batch in drawn]) == len(DATA.classes)
    assert abs(hidden.float().mean() - 0.3) < 5 * (0.3 * 0.7 / len(hidden)) ** 0.5
    eps = torch.stack([batch.eps.flatten() for batch in drawn[:100]])
    assert (torch.corrcoef(eps) - torch.eye(100)).abs().max() < 6 / 16**0.5 / 1.4  # 16 numbers a step


@pytest.mark.parametrize(("numbers", "steps"), [(1, 1), (16 * 5, 5), (10**9, 64)])
def test_few_numbers_are_prepared_at_once(numbers, steps, monkeypatch):
    monkeypatch.setattr(module, "NUMBERS", numbers)
    batches = made()
    assert batches.blocks.steps == steps
    assert np.isfinite(batches[7].eps.numpy()).all()


def test_logit_normal_times_crowd_in_the_middle():
    batches = made(config=points(process__times="logit-normal"), T=1000)
    t = torch.cat([batches[step].level.t for step in range(100)]) / 1000
    assert stats.kstest((t.double() - 5e-4).logit().numpy(), "norm").pvalue > 1e-3
