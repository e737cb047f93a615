"""Pictures along a drawing: its edges, a mask, a sketch, by a model that was adapted to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import max_pool2d

from fromnoise.data.decode import Shaping
from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.conditions import CONDITIONS, soften
from fromnoise.tasks.pictures import bytes_of, shaping_of
from fromnoise.tasks.told import weight_for


def drawing(model: Model, x_0: Tensor) -> Tensor:
    """What an adapted model is given of pictures x_0 (n, C, H, W) in [-1, 1]: (n, 1, H, W) in [0, 1].

    Raises UserError for a model that was not adapted.
    """
    check_adapted(model)
    return CONDITIONS[model.config.process.condition](x_0)


def read_drawing(image: Image.Image, model: Model) -> Tensor:
    """A drawing as the adapted model is given it, (1, 1, H, W) in [0, 1], of an image of any size and mode.

    Lines are light on dark or dark on light, whichever there is less of, and thin ones stay when they are made small;
    of a mask what is light is bright. Raises UserError as `drawing` does.
    """
    check_adapted(model)
    from scipy.ndimage import maximum_filter  # its time does not grow with the width

    kind, shaping = model.config.process.condition, shaping_of(model)
    pixels = _contrast(image)
    if kind != "mask":
        pixels = 255 - pixels if pixels.mean() > 127.5 else pixels
        scales = image.width / shaping.width, image.height / shaping.height
        wide = int((min if shaping.fit == "crop" else max)(scales)) // 2 * 2 + 1
        pixels = maximum_filter(pixels, wide, mode="nearest")
    small = Shaping(shaping.height, shaping.width, 1, shaping.fit, "box", "black")
    given = torch.from_numpy(bytes_of(Image.fromarray(pixels), small).astype(np.float32) / 255)[None]
    lines = (given > 0.5).float()
    return soften(lines) if kind == "sketch" else lines


def _contrast(image: Image.Image) -> np.ndarray:
    """Gray values from 0 to 255, all of them used, (H, W) uint8: what is transparent is paper, white or else black.

    Raises UserError for an image of one colour.
    """
    for background in ("white", "black"):
        pixels = bytes_of(image, Shaping(image.height, image.width, 1, "stretch", "box", background))[0].astype(float)
        low, high = pixels.min(), pixels.max()
        if high > low:
            return np.asarray((pixels - low) / (high - low) * 255).round().astype(np.uint8)
    raise UserError("the drawing is of one colour: there is nothing to follow")


def traced(model: Model, drawings: Tensor, n: int | None = None, **how: Any) -> Tensor:
    """n pictures along drawings (m, 1, H, W) in [0, 1], the i-th along drawing i % m: (n, *shape) in [-1, 1].

    n is m unless given; `how` are other arguments of `Model.sample`; without a label no class is told. Raises UserError
    as `drawing` does, and for drawings of another size.

    >>> import torch
    >>> import fromnoise as fn
    >>> try:
    ...     traced(fn.load("mnist"), torch.zeros(1, 1, 28, 28))
    ... except fn.UserError as error:
    ...     print(str(error).split(":")[0])
    this model was not adapted to drawings
    """
    check_adapted(model)
    how |= {"weight": weight_for(model, how.get("label"), how.get("weight"))}
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
    found, wanted = drawing(model, x) > 0.5, drawings > 0.5
    near = [max_pool2d(lines.float(), 2 * reach + 1, 1, reach) > 0.5 for lines in (found, wanted)]
    precision = (found & near[1]).sum() / found.sum().clamp_min(1)
    recall = (wanted & near[0]).sum() / wanted.sum().clamp_min(1)
    return float(2 * precision * recall / (precision + recall).clamp_min(1e-12))
