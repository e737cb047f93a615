"""The shipped classifier knows real digits, and knows what is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fromnoise.data import load
from fromnoise.evaluation import frechet, judge_digits
from fromnoise.evaluation.digits import FEATURES


@pytest.fixture(scope="module")
def real():
    data = load("mnist", split="test")  # 32 x 32: the margin is cut off
    return judge_digits(data.batch(np.arange(len(data)))), data.batch_labels(np.arange(len(data)))


def test_real_test_digits_are_classified_rightly(real) -> None:
    judged, labels = real
    assert (judged.digit == labels).float().mean() >= 0.995
    assert 0.96 < (judged.confidence > 0.9).float().mean() < 0.98


def test_noise_and_blanks_are_not_taken_for_digits() -> None:
    """A classifier that was never shown any is as sure of noise as of a digit: worthless samples would be good."""
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(200, 1, 28, 28, generator=generator)
    dots = torch.where(torch.rand(200, 1, 28, 28, generator=generator) < 0.1, 1.0, -1.0)
    for pictures in (noise, 0.3 * noise - 1, dots, torch.full((1, 1, 28, 28), -1.0), torch.ones(1, 1, 28, 28)):
        assert (judge_digits(pictures).confidence > 0.9).float().mean() < 0.05


def test_the_distance_grows_with_what_is_done_to_the_digits(real) -> None:
    judged, _ = real
    x = load("mnist", size=28).batch(np.arange(1000))
    generator = torch.Generator().manual_seed(0)
    levels = [frechet(judge_digits(x + s * torch.randn(x.shape, generator=generator)).features, judged.features)
              for s in (0.0, 0.2, 0.5)]  # fmt: skip
    assert levels[0] < 0.3
    assert levels[0] < levels[1] < levels[2]


def test_shapes_and_pictures_that_are_no_digits() -> None:
    judged = judge_digits(torch.zeros(3, 1, 30, 64))
    assert judged.features.shape == (3, FEATURES)
    assert torch.allclose(judged.probabilities.sum(1), torch.ones(3))
    for shape in ((3, 3, 28, 28), (1, 28, 28), (2, 1, 27, 28)):
        with pytest.raises(ValueError, match="at least 28 pixels"):
            judge_digits(torch.zeros(shape))
