"""What a model would not have drawn: where a picture differs once noised and brought back (Wyatt et al. 2022, AnoDDPM),
and how badly it is denoised for what there is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.model import Model
from fromnoise.process import at
from fromnoise.sampling import Streams
from fromnoise.tasks.restore import APART
from fromnoise.tasks.told import check_levels, weight_for
from fromnoise.tasks.vary import varied

TIMES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Of T: from these a picture is denoised for its score. What strokes do not belong shows at the first, shapes last."""


class Anomalies(NamedTuple):
    """restored (n, *shape) in [-1, 1], the mean of the draws; maps (n, H, W), differences >= 0; scores (n,) > 0."""

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
    difference, over draws and channels. What the model has learned comes back nearly as it was, what it never saw is
    replaced by what it knows. Its score is that of `surprise`. Raises UserError for a strength outside (0, 1].

    >>> import fromnoise as fn
    >>> digits = fn.data.load("mnist", split="test", fit="pad", size=28).batch([0, 1])
    >>> found = find_anomalies(fn.load("mnist"), digits, draws=1, steps=5)
    >>> found.maps.shape, found.scores.shape
    (torch.Size([2, 28, 28]), torch.Size([2]))
    """
    total, squares = torch.zeros_like(x_0, device="cpu"), torch.zeros_like(x_0, device="cpu")
    for draw in range(draws):
        x = varied(
            model, x_0, len(x_0), strength=strength, seed=(seed + draw) % 2**63, steps=steps,
            progress=lambda done, of, draw=draw: progress(draw * of + done, draws * of),
        ).cpu()  # fmt: skip
        total += x / draws
        squares += (x - x_0.cpu()).square() / draws
    maps = squares.mean(1).sqrt()
    return Anomalies(total, maps, surprise(model, x_0, draws=draws, seed=seed))


@torch.no_grad()
def surprise(
    model: Model,
    x_0: Tensor,
    *,
    draws: int = 4,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """How badly pictures x_0 (n, *shape) are denoised for what there is in them, (n,), above 0.

    The squared error of E[x_0|x_t], its geometric mean over `TIMES`, over the total variation of the picture: without
    that a picture of little is never strange, and one of much always. All see the same noises.

    >>> import fromnoise as fn
    >>> digits = fn.data.load("mnist", split="test", fit="pad", size=28).batch([0, 1])
    >>> odd = torch.where(torch.eye(28, dtype=torch.bool), 1.0, digits)  # a stroke across
    >>> bool((surprise(fn.load("mnist"), odd, draws=1) > surprise(fn.load("mnist"), digits, draws=1)).all())
    True
    """
    check_levels(model)
    weight_for(model, None)
    x_0, denoise, found = x_0.to(model.device), model.denoiser(), []
    for number, time in enumerate(TIMES):
        level, error = at(model.schedule, time * model.schedule.T), torch.zeros(len(x_0), device=x_0.device)
        for draw in range(draws):
            noise = Streams(seed, 0, 1, draw=APART + number * draws + draw)(x_0[:1])
            mean = denoise(level.alpha * x_0 + level.sigma * noise, level).mean.clamp(-1, 1)
            error += (mean - x_0).square().flatten(1).mean(1) / draws
            progress(number * draws + draw + 1, len(TIMES) * draws)
        found.append(error.clamp_min(1e-12).log())
    edges = [(x_0.narrow(axis, 1, size - 1) - x_0.narrow(axis, 0, size - 1)).abs().flatten(1).sum(1)
             for axis in (2, 3) if (size := x_0.shape[axis]) > 1]  # fmt: skip
    variation = sum(edges, torch.zeros(len(x_0), device=x_0.device)) / x_0[0].numel()
    return (torch.stack(found).mean(0).exp() / variation.clamp_min(1 / 255)).cpu()


def auroc(normal: Tensor, strange: Tensor) -> float:
    """The probability that one of `strange` (n,) scores higher than one of `normal` (m,), ties counted half.

    >>> auroc(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    0.875
    """
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(strange.numpy(), normal.numpy()).statistic) / (len(normal) * len(strange))
