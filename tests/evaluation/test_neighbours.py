"""Precision, recall, density and coverage by hand, and of laws where they are known."""

from __future__ import annotations

import pytest
import torch

from fromnoise.evaluation import manifolds
from fromnoise.evaluation.neighbours import radii


def square(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(samples: torch.Tensor, data: torch.Tensor, k: int) -> list[float]:
    """Each definition spelt out."""
    reach = [sorted(float((x - y).norm()) for y in data)[k] for x in data]
    back = [sorted(float((x - y).norm()) for y in samples)[k] for x in samples]
    apart = torch.cdist(data, samples)
    holds = [[float(apart[i, j]) < reach[i] for i in range(len(data))] for j in range(len(samples))]
    recalled = [any(float(apart[i, j]) < back[j] for j in range(len(samples))) for i in range(len(data))]
    reached = [float(apart[i].min()) < reach[i] for i in range(len(data))]
    precise = [any(row) for row in holds]
    return [
        sum(precise) / len(precise), sum(recalled) / len(recalled),
        sum(map(sum, holds)) / k / len(samples), sum(reached) / len(reached),
    ]  # fmt: skip


@pytest.mark.parametrize("k", [1, 3])
def test_each_is_what_its_definition_says(k: int, monkeypatch) -> None:
    samples, data = square(60, 0) * 1.4, square(75, 1)
    found = manifolds(samples, data, k)
    assert [one.value for one in found] == pytest.approx(by_hand(samples, data, k))
    monkeypatch.setattr("fromnoise.evaluation.neighbours.ROWS", 13)
    assert [one.value for one in manifolds(samples, data, k)] == pytest.approx([one.value for one in found])


def test_samples_in_half_of_the_data_have_precision_and_half_the_recall() -> None:
    samples, data = square(2000, 0) * torch.tensor([0.5, 1.0]), square(2000, 1)
    found = manifolds(samples, data)
    assert found.precision.low > 0.9
    assert found.recall.low < 0.52 < found.recall.high
    assert found.coverage.low < 0.53 < found.coverage.high


def test_data_in_half_of_the_samples_have_recall_and_half_the_precision() -> None:
    found = manifolds(square(2000, 0), square(2000, 1) * torch.tensor([0.5, 1.0]))
    assert found.recall.low > 0.9
    assert found.precision.low < 0.52 < found.precision.high
    assert found.density.low < 0.52 < found.density.high  # half of them lie in balls, in as many as data do


def test_intervals_cover_what_such_sets_have_on_average() -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = [torch.randn(2, 400, 6, generator=generator, dtype=torch.float64) for _ in range(100)]
    found = [manifolds(1.1 * a + 0.3, b) for a, b in pairs]
    for name in found[0]._fields:
        numbers = [getattr(one, name) for one in found]
        mean = sum(one.value for one in numbers) / len(numbers)
        assert sum(one.low <= mean <= one.high for one in numbers) >= 84, name


def test_radii_leave_the_point_itself_out() -> None:
    x = torch.tensor([[0.0], [0.0], [2.0], [5.0]])
    assert radii(x, 1).tolist() == [0, 0, 2, 3]
    assert radii(x, 2).tolist() == [2, 2, 2, 5]


@pytest.mark.parametrize(("n", "d", "k", "says"), [(59, 2, 5, "at least 60"), (60, 3, 5, "compared"), (99, 2, 0, "k")])
def test_what_cannot_be_compared_is_refused(n: int, d: int, k: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        manifolds(torch.zeros(n, d), torch.zeros(200, 2), k)
