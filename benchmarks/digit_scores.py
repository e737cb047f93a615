"""The scores of drawn digits, beside those of real ones: shared by everything here that judges digits."""

from __future__ import annotations

import functools

import numpy as np
from torch import Tensor

from fromnoise.data import load
from fromnoise.evaluation import frechet, judge_digits
from fromnoise.evaluation.digits import Judged


def scores(pictures: Tensor, asked: Tensor | None = None) -> dict[str, float]:
    """Of n pictures (n, 1, H, W) in [-1, 1]: the share with a confidence above 0.9, the Fréchet distance to the 10,000
    test digits on the classifier's features, its floor (n training digits), the chi² of ten equal classes (9 degrees of
    freedom; 0 for one who asks for each in turn and gets it) and, where digits were asked for, the share that came.

    The classifier has seen the training digits of the floor, which makes it somewhat higher than that of unseen ones.
    """
    judged = judge_digits(pictures)
    counts = np.bincount(judged.digit.numpy(), minlength=10)
    distance, floor = frechet(judged.features, real("test", 0, 10_000).features), floor_of(len(pictures))
    right = {} if asked is None else {"as_asked": (judged.digit == asked).float().mean().item()}
    return right | {
        "n": len(pictures),
        "confident": (judged.confidence > 0.9).float().mean().item(),
        "frechet": distance,
        "floor": floor,
        "floors": distance / floor,
        "classes_chi2": float(((counts - len(pictures) / 10) ** 2 / (len(pictures) / 10)).sum()),
    }


@functools.cache
def real(split: str, first: int, n: int) -> Judged:
    """What the classifier says of n real digits."""
    data = load("mnist", split=split, size=28)
    return judge_digits(data.batch(np.arange(first, first + n)))


@functools.cache
def floor_of(n: int) -> float:
    """The distance of n training digits to the 10,000 test digits: the mean over two draws."""
    test = real("test", 0, 10_000).features
    draws = [frechet(real("train", i * n, n).features, test) for i in range(2)]
    return sum(draws) / len(draws)
