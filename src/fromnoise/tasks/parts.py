"""Masks that a person has painted: images in which every colour is a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.data.decode import Shaping, to_array
from fromnoise.errors import UserError
from fromnoise.tasks.pictures import read_image

MOST = 32
"""Classes in a set of masks: more are mostly the soft edges of a brush."""


def read_colours(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The colour of each pixel of a mask, (H, W) int64: a gray value, a place in the palette, or r, g, b as one number.

    `size` is the picture's, (width, height). Raises UserError for a mask that cannot be read or has another size.
    """
    image = read_image(path)
    if image.size != size:
        raise UserError(f"the mask {path} is {image.width} x {image.height}, its picture {size[0]} x {size[1]}")
    if image.mode == "1":
        image = image.convert("L")
    pixels = np.asarray(image if image.mode in ("L", "P", "I", "I;16") else image.convert("RGB")).astype(np.int64)
    return pixels if pixels.ndim == 2 else pixels @ np.array([1 << 16, 1 << 8, 1])


def colours_of(masks: Sequence[np.ndarray]) -> list[int]:
    """The colours of all masks, rising: their places are the classes. Raises UserError for one colour and for too many.

    >>> colours_of([np.array([[0, 255]]), np.array([[0, 128]])])
    [0, 128, 255]
    """
    found = sorted({int(value) for mask in masks for value in np.unique(mask)})
    if not 2 <= len(found) <= MOST:
        raise UserError(
            f"the masks hold {len(found)} colour{'s' if len(found) > 1 else ''}: each class is a colour of its own, "
            f"2 to {MOST} in all, painted without soft edges and kept as PNG"
        )
    return found


def classes_of(mask: np.ndarray, colours: Sequence[int], shaping: Shaping) -> Tensor:
    """The class of each pixel as the model sees the picture, (H, W) int64: that which most of it is of."""
    how = Shaping(shaping.height, shaping.width, 1, shaping.fit, "box", "black")
    each = [to_array(Image.fromarray(((mask == colour) * 255).astype(np.uint8)), how)[0] for colour in colours]
    return torch.from_numpy(np.stack(each).astype(np.int64)).argmax(0)


def painted(classes: Tensor, colours: Sequence[int]) -> Image.Image:
    """Classes (H, W) in the colours of the masks that they were learned from.

    >>> painted(torch.tensor([[0, 1]]), [0, 255]).getpixel((1, 0))
    255
    """
    values = np.asarray(colours)[classes.numpy()]
    if max(colours) < 256:
        return Image.fromarray(values.astype(np.uint8))
    return Image.fromarray(np.stack([values >> 16 & 255, values >> 8 & 255, values & 255], -1).astype(np.uint8))
