"""The class of a picture from a model that draws pictures by class (Li et al. 2023; Clark & Jaini 2023)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fromnoise.model import Model
from fromnoise.model.precision import chosen
from fromnoise.process import at
from fromnoise.sampling import Streams
from fromnoise.tasks.told import check_classes, check_levels


@torch.no_grad()
def class_errors(
    model: Model,
    x_0: Tensor,
    *,
    draws: int = 32,
    seed: int = 0,
    precision: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """How badly x_0 is denoised under each class, (n, classes): weighted squared errors, the mean over `draws`.

    x_0 is (n, *shape) as the network sees it. All classes and pictures see the same noises, at the same times evenly in
    [0, T], so that chance mostly cancels in what matters, the differences. An error weighs alpha / sigma, between that
    of x_0 and that of the noise: tried on digits, these know the class less well. Raises UserError for a model without
    classes.

    >>> import fromnoise as fn
    >>> digits = fn.data.load("mnist", split="test", fit="pad", size=28)
    >>> errors = class_errors(fn.load("mnist"), digits.batch([0, 1]), draws=4)
    >>> errors.argmin(1).tolist(), digits.batch_labels([0, 1]).tolist()
    ([7, 2], [7, 2])
    """
    check_classes(model)
    classes = len(model.facts.classes)
    check_levels(model)
    x_0, total = x_0.to(model.device), torch.zeros(len(x_0), classes, device=model.device)
    randn = Streams(seed, 0, 1)
    precision = chosen(precision or model.config.sample.precision, model.facts.kind, model.device)
    denoisers = [
        model.guided(torch.full((len(x_0),), label, device=model.device), weight=1.0, precision=precision)
        for label in range(classes)
    ]
    for draw in range(draws):
        u = torch.full((len(x_0),), (draw + 0.5) / draws)
        t = u.double() * model.schedule.T
        level = at(model.schedule, t, x_0)
        x_t = level.alpha * x_0 + level.sigma * randn(x_0[:1])  # one noise for all: none depends on who else is asked
        for label, denoise in enumerate(denoisers):
            error = (denoise(x_t, level).mean - x_0).square().flatten(1).mean(1)
            total[:, label] += error * (level.alpha / level.sigma).flatten()
            progress(draw * classes + label + 1, draws * classes)
    return (total / draws).cpu()
