"""Samples by class: counts, balance, certainty, agreement, by a classifier whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fromnoise.evaluation import by_class, classifier_of, digit_probabilities, judge_digits

NAMES = ("a", "b", "c")


def told_by_the_first(x: torch.Tensor) -> torch.Tensor:
    """Class round(x_0), with confidence x_1."""
    rest = ((1 - x[:, 1]) / 2)[:, None].expand(-1, 3)
    return rest.scatter(1, x[:, :1].long(), x[:, 1:2])


def rows(counts: tuple[int, ...], confidence: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    random = torch.randn(len(labels), 2, generator=torch.Generator().manual_seed(seed))
    return torch.cat([labels[:, None].float(), torch.full((len(labels), 1), confidence), random], 1), labels


def test_counts_balance_and_certainty() -> None:
    samples, told = rows((50, 30, 20), 0.8, 1)
    data, labels = rows((100, 100, 100), 0.95)
    found = by_class(samples, data, labels, NAMES, told_by_the_first, told.roll(1))
    assert found.counts == [50, 30, 20]
    assert found.shares == pytest.approx([1 / 3] * 3)
    assert found.p < 0.01
    assert (found.sure.value, found.sure_data.value, found.accuracy.value) == (0, 1, 1)
    assert found.as_told is not None
    assert found.as_told.value == pytest.approx(0.97)
    assert found.calibration == pytest.approx(0.05, abs=1e-6)
    assert torch.equal(found.found, told)


def test_balance_is_refused_as_often_as_it_says() -> None:
    generator, refused = torch.Generator().manual_seed(0), 0
    data, labels = rows((400, 400, 200), 0.9)
    weights = torch.tensor([0.4, 0.4, 0.2])
    for _ in range(300):
        drawn = torch.bincount(torch.multinomial(weights, 500, True, generator=generator), minlength=3)
        real = torch.bincount(torch.multinomial(weights, 1000, True, generator=generator), minlength=3)
        samples, _ = rows(tuple(drawn.tolist()), 0.9)
        data, labels = rows(tuple(real.tolist()), 0.9)
        refused += by_class(samples, data, labels, NAMES, told_by_the_first).p < 0.05
    assert 0.02 < refused / 300 < 0.09


def test_each_class_has_its_distance() -> None:
    """Class b alone is moved by 2; classes with few samples have none."""
    samples, _ = rows((200, 200, 19), 0.9, 1)
    data, labels = rows((200, 200, 200), 0.9)
    samples[200:400, 2] += 2
    near, far, few = by_class(samples, data, labels, NAMES, told_by_the_first).distances
    assert near is not None
    assert far is not None
    assert few is None
    assert near.high < 0.5 < 3 < far.value < 5


def test_a_class_that_nobody_has_does_not_matter() -> None:
    samples, _ = rows((60, 40, 0), 0.9)
    data, labels = rows((60, 40, 0), 0.9)
    found = by_class(samples, data, labels, NAMES, told_by_the_first)
    assert found.p > 0.9
    assert found.counts == [60, 40, 0]


def test_a_classifier_is_trained_on_features_and_knows_absent_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 2 * 2  # class 1 is absent
    x = torch.randn(300, 4, generator=generator) + labels[:, None] * torch.tensor([2.0, 0, 0, 0])
    x = torch.cat([x, torch.ones(300, 1)], 1)
    found = classifier_of(x, labels, 3)(x)
    assert found.shape == (300, 3)
    assert torch.allclose(found.sum(1), torch.ones(300), atol=1e-5)
    assert (found[:, 1] == 0).all()
    assert float((found.argmax(1) == labels).float().mean()) > 0.95


def test_digits_are_judged_from_their_features() -> None:
    x = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (5, 1, 28, 28))).float()
    judged = judge_digits(x)
    assert torch.allclose(digit_probabilities(judged.features), judged.probabilities, atol=1e-6)


def test_labels_that_do_not_fit_are_refused() -> None:
    data, labels = rows((5, 5, 5), 0.9)
    with pytest.raises(ValueError, match="labels"):
        by_class(data, data, labels[:3], NAMES, told_by_the_first)
    with pytest.raises(ValueError, match="told"):
        by_class(data, data, labels, NAMES, told_by_the_first, labels[:3])
