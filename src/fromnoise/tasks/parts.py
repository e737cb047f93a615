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

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255; a gray value three times."""


def read_colours(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The colour of each pixel of a mask, (H, W) int32, as one number, whatever the mode of its file.

    `size` is the picture's, (width, height). Raises UserError for a mask that cannot be read, that has another size,
    more than 8 bits a channel, or transparent places.
    """
    image = read_image(path)
    if image.size != size:
        raise UserError(f"the mask {path} is {image.width} x {image.height}, its picture {size[0]} x {size[1]}")
    if image.mode.startswith(("I", "F")):
        raise UserError(f"the mask {path} has more than 8 bits a channel: save it as an ordinary PNG")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise UserError(f"the mask {path} is transparent in places: give each class, the ground too, a colour")
    return np.asarray(image.convert("RGB")).astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)


def colours_of(masks: Sequence[np.ndarray]) -> list[Colour]:
    """The colours of all masks, the darkest first: their places are the classes. Raises UserError for one or too many.

    >>> colours_of([np.array([[0, 0xFFFFFF]]), np.array([[0, 0xFF0000]])])
    [(0, 0, 0), (255, 0, 0), (255, 255, 255)]
    """
    found = sorted({int(value) for mask in masks for value in np.unique(mask)})
    if not 2 <= len(found) <= MOST:
        raise UserError(
            f"the masks hold {len(found)} colour{'s' if len(found) > 1 else ''}: each class is a colour of its own, "
            f"2 to {MOST} in all, painted without soft edges and kept as PNG"
        )
    return [(value >> 16, value >> 8 & 255, value & 255) for value in found]


def classes_of(mask: np.ndarray, colours: Sequence[Colour], shaping: Shaping) -> Tensor:
    """The class of each pixel as the model sees the picture, (H, W) int64: that which most of it is of."""
    how, each = Shaping(shaping.height, shaping.width, 1, shaping.fit, "box", "black"), []
    for red, green, blue in colours:
        here = mask == (red << 16 | green << 8 | blue)
        each.append(to_array(Image.fromarray((here * 255).astype(np.uint8)), how)[0])
    return torch.from_numpy(np.stack(each).astype(np.int64)).argmax(0)


def painted(classes: Tensor, colours: Sequence[Colour]) -> Image.Image:
    """Classes (H, W) in the colours of the masks that they were learned from, gray where these were.

    >>> painted(torch.tensor([[0, 1]]), [(0, 0, 0), (255, 255, 255)]).getpixel((1, 0))
    255
    """
    pixels = np.asarray(colours, np.uint8)[classes.numpy()]
    gray = all(red == green == blue for red, green, blue in colours)
    return Image.fromarray(pixels[..., 0] if gray else pixels)
