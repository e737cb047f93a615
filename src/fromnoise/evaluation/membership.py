"""Can one tell from the model what it was trained on? Training against held-out data by the denoising error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from fromnoise.evaluation.estimate import Estimate, normal
from fromnoise.model import Model
from fromnoise.process import CLEAN, at, diffuse
from fromnoise.sampling import Streams

DEPTHS = (0.1, 0.2, 0.3, 0.4)
"""Of t / T: where pictures are noisy enough to be guessed at, and not so noisy that all guesses are alike."""


def denoising_errors(
    model: Model,
    x_0: Tensor,
    labels: Tensor | None = None,
    *,
    depths: Sequence[float] = DEPTHS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Σ over the depths of |E[x_0|x_t] - x_0|² / Var ε of each x_0 (n, *shape), as the model sees them, (n,).

    Each level counts by its signal-to-noise ratio alpha² / sigma², so that all are of one size. Sample i's noise
    depends on the seed and i. Raises ValueError for depths outside (0, 1].

    >>> import fromnoise as fn
    >>> denoising_errors(fn.load("swissroll"), torch.zeros(3, 2)).shape
    torch.Size([3])
    """
    if not all(0 < depth <= 1 for depth in depths):
        raise ValueError(f"depths are parts of T, above 0 and at most 1, got {tuple(depths)}")
    x_0 = x_0.to(model.device)
    denoise = model.denoiser(None if labels is None else labels.to(model.device))
    found = torch.zeros(len(x_0), dtype=torch.float64)
    randn = Streams(seed, 0, len(x_0))
    for done, depth in enumerate(depths):
        t = depth * model.schedule.T
        level = at(model.schedule, max(1.0, round(t)) if model.schedule.T > 1 else t, x_0)
        with torch.no_grad():
            mean = denoise(diffuse(x_0, CLEAN, level, randn), level).mean
        ratio = float((level.alpha / level.sigma).square().flatten()[0])
        found += ratio * (mean - x_0).flatten(1).double().square().mean(1).cpu()
        progress(done + 1, len(depths))
    return found


def auc(low: Tensor, high: Tensor, level: float = 0.95) -> Estimate:
    """P(a number of `low` is below one of `high`), ties as halves, with DeLong's interval (1988).

    1/2 where both have one law. With denoising errors of training and of held-out data: how well an attacker tells
    who was in the training set. Raises ValueError for fewer than 2 numbers.

    >>> auc(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])).value
    1.0
    """
    from scipy.stats import rankdata

    if min(len(low), len(high)) < 2:
        raise ValueError("at least 2 numbers of each are compared")
    m, n = len(low), len(high)
    both = rankdata(np.concatenate([low.numpy(), high.numpy()]))
    above = (both[m:] - rankdata(high.numpy())) / m  # the share of `low` that lies below each of `high`
    below = 1 - (both[:m] - rankdata(low.numpy())) / n
    error = np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    return normal(float(above.mean()), float(error), level)
