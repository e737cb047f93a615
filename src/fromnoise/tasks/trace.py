"""Pictures along a drawing: its edges, a mask, a sketch, by a model that was adapted to it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.conditions import CONDITIONS


def drawing(model: Model, x_0: Tensor) -> Tensor:
    """What an adapted model is given of pictures x_0 (n, C, H, W) in [-1, 1]: (n, 1, H, W) in [0, 1].

    Raises UserError for a model that was not adapted.
    """
    check_adapted(model)
    return CONDITIONS[model.config.process.condition](x_0)


def traced(model: Model, drawings: Tensor, n: int | None = None, **how: Any) -> Tensor:
    """n pictures along drawings (m, 1, H, W) in [0, 1], the i-th along drawing i % m: (n, *shape) in [-1, 1].

    n is m unless given; `how` are other arguments of `Model.sample`. Raises UserError as `drawing` does, and for
    drawings of another size.

    >>> import torch
    >>> import fromnoise as fn
    >>> try:
    ...     traced(fn.load("mnist"), torch.zeros(1, 1, 28, 28))
    ... except fn.UserError as error:
    ...     print(str(error).split(":")[0])
    this model was not adapted to drawings
    """
    check_adapted(model)
    return model.sample(n or len(drawings), given=drawings, **how)


def check_adapted(model: Model) -> None:
    """Raise UserError for a model that was not adapted to drawings."""
    if not model.config.process.condition:
        raise UserError("this model was not adapted to drawings: fromnoise adapt RUN --condition edges")


def along(model: Model, x: Tensor, drawings: Tensor, reach: int = 1) -> float:
    """The F1 score of the lines of pictures x to those of drawings, both as 0 and 1, within so many pixels.

    Of a drawing's lines the share that the pictures have (recall) and of the pictures' lines the share that the
    drawings have (precision), each line met by one at most `reach` pixels away; 2 p r / (p + r), over all pictures.
    """
    from torch.nn.functional import max_pool2d

    found, wanted = drawing(model, x) > 0.5, drawings > 0.5
    near = [max_pool2d(lines.float(), 2 * reach + 1, 1, reach) > 0.5 for lines in (found, wanted)]
    precision = (found & near[1]).sum() / found.sum().clamp_min(1)
    recall = (wanted & near[0]).sum() / wanted.sum().clamp_min(1)
    return float(2 * precision * recall / (precision + recall).clamp_min(1e-12))
