"""Planted copies are found, held-out data are not, and what is expected of held-out data has the law it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fromnoise.data import Dataset, load
from fromnoise.evaluation import Near, Training, copies


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Training and held-out digits."""
    train, test = load("mnist", size=28), load("mnist", split="test", size=28)
    return train.batch(np.arange(12_000)), test.batch(np.arange(6_000))


@pytest.fixture(scope="module")
def training(digits) -> Training:
    return trained_on(digits[0])


@pytest.fixture(scope="module")
def held_out(digits, training) -> Near:
    return training.near(digits[1][:4000])


def trained_on(x: torch.Tensor) -> Training:
    kind = "images" if x.ndim == 4 else "points"
    return Training(Dataset(kind, tuple(x.shape[1:]), x.float().numpy()))


def noised(x: torch.Tensor) -> torch.Tensor:
    return x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(7))


def turned(x: torch.Tensor) -> torch.Tensor:
    """Rotated by five degrees."""
    angle = torch.deg2rad(torch.tensor(5.0))
    turn = torch.stack([angle.cos(), -angle.sin(), angle * 0, angle.sin(), angle.cos(), angle * 0]).reshape(1, 2, 3)
    return F.grid_sample(x + 1, F.affine_grid(turn.expand(len(x), 2, 3), list(x.shape), False), align_corners=False) - 1


KINDS = {
    "exact": lambda x: x,
    "shifted": lambda x: x.roll((1, -1), (-1, -2)),
    "mirrored": lambda x: x.flip(-1),
    "noise": noised,
}


@pytest.mark.parametrize("k", [0, 1, 10, 200])
@pytest.mark.parametrize("kind", KINDS)
def test_planted_copies_are_found(kind: str, k: int, digits, training, held_out) -> None:
    """Among fresh digits, so that all else that is called a copy is a false alarm."""
    fresh, chosen = digits[1][4000:6000].clone(), torch.arange(k) * 37
    fresh[:k] = KINDS[kind](digits[0][chosen])
    found = copies(training.near(fresh), held_out)
    assert int(found.copied[:k].sum()) >= 0.95 * k
    assert torch.equal(found.near.nearest[:k][found.copied[:k]], chosen[found.copied[:k]])
    assert int(found.copied[k:].sum()) <= 0.002 * 2000
    assert (found.p < 0.01) == (k >= 10)
    assert ("no sign" in found.verdict) == (k < 10)
    assert f"{found.count:,} of 2,000 samples" in found.verdict


@pytest.mark.parametrize(("kind", "least"), [(turned, 0.02), (lambda x: 0.7 * (x + 1) - 1, 0.01)])
def test_other_kinds_of_copies_are_told_apart_too_though_few(kind, least: float, digits, training, held_out) -> None:
    """Kinds that no setting was chosen by: far more are found than of held-out digits (0.05 %)."""
    found = copies(training.near(kind(digits[0][:1000])), held_out)
    assert found.count >= least * 1000
    assert found.p < 1e-6


def test_copies_of_what_the_training_data_have_many_times_are_found(digits) -> None:
    """All candidates are then as near as the nearest: only the distance itself tells."""
    rows = torch.cat([digits[0][:1000], noised(digits[0][:20].repeat(40, 1, 1, 1))])
    training = trained_on(rows)
    found = copies(training.near(digits[0][:20]), training.near(digits[1][:2000]))
    assert found.count == 20


@pytest.mark.parametrize(("n", "m"), [(500, 2000), (2000, 1000)])
def test_what_is_expected_of_fresh_data_is_what_they_give(n: int, m: int) -> None:
    """Samples of the same law: the count's mean, and its interval, over many trials."""
    generator = torch.Generator().manual_seed(0)
    counts, held, small = [], 0, 0
    for _ in range(400):
        distance, relative = torch.rand(2, n + m, generator=generator)
        both = Near(torch.zeros(n + m, dtype=torch.int64), distance, relative)
        found = copies(both.rows(torch.arange(n)), both.rows(torch.arange(n, n + m)), rare=0.01)
        counts.append(found.count - found.expected.value)
        held += found.expected.low <= found.count <= found.expected.high
        small += found.p < 0.05
    assert abs(np.mean(counts)) < 4 * np.std(counts) / 20
    assert held / 400 >= 0.93
    assert small / 400 <= 0.08


def test_rows_of_numbers_are_compared_as_they_are() -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    near = trained_on(x).near(x[[5, 9]] + 1e-4)
    assert near.nearest.tolist() == [5, 9]
    assert near.distance.max() < 1e-3
    assert near.relative.max() < 0.01


def test_colour_oblong_and_tiny_pictures(digits) -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((3, 20, 30), (1, 5, 40), (4, 2, 2)):
        x = torch.rand(40, *shape, generator=generator) * 2 - 1
        near = trained_on(x).near(x.flip(-1)[3:5])
        assert near.nearest.tolist() == [3, 4]
        assert near.distance.max() < 0.02  # of products of float32


def test_training_pictures_can_stand_for_held_out_ones(digits, training, held_out) -> None:
    """Where nothing is held back: each beside all others, never itself. They come from the same writers, so nearer."""
    others = training.near(digits[0][:2000], torch.arange(2000))
    assert (others.nearest != torch.arange(2000)).all()
    for name in ("distance", "relative"):
        ours, theirs = (getattr(one, name).double().sort().values for one in (others, held_out))
        assert ours.median() == pytest.approx(float(theirs.median()), rel=0.1)
    fresh = digits[1][4000:6000].clone()
    fresh[:10] = digits[0][2500:2510]
    found = copies(training.near(fresh), others)
    assert bool(found.copied[:10].all())
    assert int(found.copied[10:].sum()) <= 4


def test_what_cannot_be_is_refused() -> None:
    x = torch.rand(4, 1, 8, 8)
    with pytest.raises(ValueError, match="at least 2"):
        trained_on(x[:1])
    with pytest.raises(ValueError, match="shape"):
        trained_on(x).near(x[:, :, :4])
    near = trained_on(torch.rand(4, 2)).near(torch.rand(2, 2))
    with pytest.raises(ValueError, match="rare"):
        copies(near, near, rare=0.0)


def test_what_is_there_many_times_is_one_candidate(digits) -> None:
    """Among sixteen copies of one picture none would be nearer than the others."""
    x = torch.cat([digits[0][:300], digits[0][:1].expand(40, -1, -1, -1)])
    many = trained_on(x).near(digits[0][:1] * 0.98)
    assert many.nearest.tolist() == [0]
    assert float(many.relative) < 0.2
    others = trained_on(x).near(x[-1:], torch.tensor([339]))
    assert others.nearest.tolist() != [0]
    assert float(others.distance) > 1
    with pytest.raises(ValueError, match="2 different"):
        trained_on(digits[0][:1].expand(40, -1, -1, -1))


def test_a_probability_that_is_tiny_is_not_rounding() -> None:
    line = Near(torch.zeros(2000).long(), torch.arange(1.0, 2001), torch.arange(1.0, 2001))
    fake = [Near(torch.zeros(500).long(), *torch.full((2, 500), 5000.0)) for _ in range(2)]
    fake[0].distance[:20], fake[1].distance[:100] = 0, 0
    few, many = (copies(one, line).p for one in fake)
    assert 0 < many < 1e-60 < few < 1e-10
