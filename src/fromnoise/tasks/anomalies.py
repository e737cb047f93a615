"""What of a picture a model would not have drawn: noised, brought back, and compared (Wyatt et al. 2022, AnoDDPM)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.model import Model
from fromnoise.tasks.vary import varied


class Anomalies(NamedTuple):
    """restored (n, *shape) in [-1, 1], the mean of the draws; maps (n, H, W), differences >= 0; scores (n,)."""

    restored: Tensor
    maps: Tensor
    scores: Tensor


def find_anomalies(
    model: Model,
    x_0: Tensor,
    *,
    strength: float = 0.5,
    draws: int = 4,
    steps: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Anomalies:
    """How far pictures x_0 (n, *shape), in [-1, 1], are from what the model makes of their noised versions.

    Each is noised to time strength · T and brought back, `draws` times; its map is the root of the mean squared
    difference, over draws and channels, and its score the mean square of the map. What the model has learned comes back
    nearly as it was, what it never saw is replaced by what it knows. Raises UserError for a strength outside (0, 1].

    >>> import fromnoise as fn
    >>> digits = fn.data.load("mnist", split="test", fit="pad", size=28).batch([0, 1])
    >>> found = find_anomalies(fn.load("mnist"), digits, draws=1, steps=5)
    >>> found.maps.shape, found.scores.shape
    (torch.Size([2, 28, 28]), torch.Size([2]))
    """
    total, squares = torch.zeros_like(x_0, device="cpu"), torch.zeros_like(x_0, device="cpu")
    for draw in range(draws):
        x = varied(
            model, x_0, len(x_0), strength=strength, seed=seed + draw, steps=steps,
            progress=lambda done, of, draw=draw: progress(draw * of + done, draws * of),
        ).cpu()  # fmt: skip
        total += x / draws
        squares += (x - x_0.cpu()).square() / draws
    maps = squares.mean(1).sqrt()
    return Anomalies(total, maps, maps.square().flatten(1).mean(1))


def auroc(normal: Tensor, strange: Tensor) -> float:
    """The probability that one of `strange` (n,) scores higher than one of `normal` (m,), ties counted half.

    >>> auroc(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    0.875
    """
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(strange.numpy(), normal.numpy()).statistic) / (len(normal) * len(strange))
