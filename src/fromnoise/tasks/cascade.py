"""Large pictures in stages: a small one is drawn, and each next model makes it larger (Ho et al. 2022)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.model import Label
from fromnoise.tasks.upscale import upscaled


def cascaded(
    models: Sequence[Model],
    n: int,
    *,
    noise: float = 0.1,
    seed: int = 0,
    label: Label = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **how: Any,
) -> list[Tensor]:
    """n pictures of each stage, (n, *shape) in [-1, 1], the last the largest: what one draws the next makes larger.

    The first model draws by itself; the others were trained with process.small, each for pictures of the size before.
    `noise` is added to what they are given, at most the process.small_noise of training: it hides what no real small
    picture has. `label` is a class for all or n of them, and `how` are other arguments of `Model.sample`, for every
    stage: without a label each class is taken in turn, of which all stages are told. Raises UserError for stages that
    do not fit.

    >>> import fromnoise as fn
    >>> cascaded([fn.load("mnist")], 2, steps=2)[0].shape
    torch.Size([2, 1, 28, 28])
    """
    check_stages(models)

    def told(stage: int) -> Callable[[int, int], None]:
        return lambda done, total: progress(stage * total + done, len(models) * total)

    how |= {"label": models[0].labels(n, label)}
    drawn = [models[0].sample(n, seed=seed, progress=told(0), **how)]
    for stage, model in enumerate(models[1:], 1):
        most = min(noise, model.config.process.small_noise)
        drawn.append(upscaled(model, drawn[-1], noise=most, seed=(seed + stage) % 2**63, progress=told(stage), **how))
    return drawn


def check_stages(models: Sequence[Model]) -> None:
    """Raise UserError unless each stage makes larger what the one before draws."""
    if not models or models[0].config.process.small or models[0].facts.kind != "images":
        raise UserError("a cascade begins with a model of images that draws them given nothing")
    for small, large in itertools.pairwise(models):
        if small.classes != large.classes:
            raise UserError("the stages of a cascade know different classes: train them on the same data")
        factor = large.config.process.small
        wanted = (small.facts.shape[0], *(side * factor for side in small.facts.shape[1:]))
        if not factor or tuple(large.facts.shape) != wanted:
            raise UserError(
                f"a stage of {'x'.join(map(str, large.facts.shape))} pictures does not follow one of "
                f"{'x'.join(map(str, small.facts.shape))}: train it with --process.small and that --data.size"
            )
