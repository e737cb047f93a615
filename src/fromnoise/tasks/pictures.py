"""A person's own picture, of any size and mode, as a trained model sees pictures; and which part of it is unknown."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from fromnoise.data.decode import Shaping, open_image, to_array
from fromnoise.errors import UserError
from fromnoise.model import Model

BOX = re.compile(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*")


def shaping_of(model: Model) -> Shaping:
    """How the model's own training data were brought to its shape: cropped or padded, on white or on black.

    Raises UserError for a model that does not know images.
    """
    if model.facts.kind != "images":
        raise UserError(f"this takes a model of images, and this one knows {model.facts.kind}")
    channels, height, width = model.facts.shape
    told = {key: str(value) for key, value in model.config.data.items() if key in ("fit", "resample", "background")}
    if model.config.data.get("name") == "mnist":  # white digits on black
        told["background"] = "black"
    return Shaping(height, width, channels, **told)


def fit_picture(image: Image.Image, shaping: Shaping) -> Tensor:
    """(1, C, H, W) in [-1, 1]. Raises UserError for an image whose values have no meaning as gray or colour."""
    return torch.from_numpy(np.array(bytes_of(image, shaping), np.float32))[None] / 127.5 - 1


def bytes_of(image: Image.Image, shaping: Shaping) -> np.ndarray:
    """An image brought to a shape, (C, H, W) uint8. Raises UserError where its values have no meaning."""
    try:
        return to_array(image, shaping)
    except Exception as error:  # an image can hold anything
        raise UserError(f"an image of mode {image.mode} cannot be used: {' '.join(str(error).split())[:200]}") from None


def read_image(path: Path) -> Image.Image:
    """The first frame of an image file, upright. Raises UserError where it cannot be read."""
    try:
        return open_image(path)
    except OSError as error:
        known = not isinstance(error, UnidentifiedImageError)  # a truncated file says so
        reason = error.strerror or (str(error) if known else "it is no image that can be read")
    except Exception as error:  # a hostile file can make a decoder raise anything
        reason = " ".join(str(error).split())[:200]
    raise UserError(f"cannot read {path}: {reason}")


def read_picture(path: Path, model: Model) -> Tensor:
    """A picture as the model sees it, (1, *shape) in [-1, 1], brought to its shape as the training data were.

    Raises UserError where it cannot be read, and for a model that does not know images.
    """
    return fit_picture(read_image(path), shaping_of(model))


def read_mask(text: str, image: Image.Image, shaping: Shaping) -> Tensor:
    """What of a picture is known, (H, W), True where it is, brought to the model's shape together with the picture.

    `text` is a file whose white is unknown, of any size with the picture's shape; a box LEFT,TOP,RIGHT,BOTTOM in the
    picture's pixels, unknown inside; or alpha: unknown where the picture itself is transparent. A pixel of the model of
    which it hides any part (less than a five-hundredth is none) is unknown. Raises UserError for a mask that cannot be
    read, does not fit, or leaves nothing or everything unknown.
    """
    hidden = _hidden(text, image)
    how = Shaping(shaping.height, shaping.width, 1, shaping.fit, "box", "black")
    known = torch.from_numpy(bytes_of(hidden, how)[0] == 0)
    if bool(known.all()):
        cropped = ", which is its middle" if shaping.fit == "crop" else ""
        raise UserError(f"the mask {text} hides nothing of the picture as the model sees it{cropped}")
    if not bool(known.any()):
        raise UserError(f"the mask {text} hides all of the picture: use fromnoise sample")
    return known


def fit_known(text: str, image: Image.Image, shaping: Shaping) -> Tensor:
    """A picture as the model sees it, (1, C, H, W) in [-1, 1], with no trace of what a mask hides, as in `read_mask`.

    The filters that make a picture small reach some pixels far, and would carry what is hidden to what is known around
    it: each hidden pixel is first given the colour of the nearest known one.
    """
    from scipy.ndimage import distance_transform_edt

    hidden = np.asarray(_hidden(text, image)) > 0
    own = Shaping(image.height, image.width, shaping.channels, "stretch", "box", shaping.background)
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    pixels = np.moveaxis(bytes_of(image, own)[:, rows, columns], 0, -1)
    return fit_picture(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels), shaping)


def _hidden(text: str, image: Image.Image) -> Image.Image:
    """An image of gray values as large as the picture, white where something is to be filled."""
    if text == "alpha":
        if not image.has_transparency_data:
            raise UserError("--mask alpha: this picture has nothing transparent; give a mask image or a box")
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        return Image.fromarray(255 - alpha)
    box = BOX.fullmatch(text)
    if not box and (re.fullmatch(r"[-+\d.,\s]+", text) or (text.count(",") == 3 and not Path(text).suffix)):
        raise UserError(f"a box is four whole numbers, LEFT,TOP,RIGHT,BOTTOM in pixels, not {text}")
    if box:
        left, top, right, bottom = map(int, box.groups())
        if not (left < right and top < bottom):
            raise UserError(f"the box {text} is empty: LEFT,TOP,RIGHT,BOTTOM with LEFT < RIGHT and TOP < BOTTOM")
        if not (left < right <= image.width and top < bottom <= image.height):
            raise UserError(f"the box {text} is not inside the picture of {image.width} x {image.height} pixels")
        hidden = Image.new("L", image.size, 0)
        hidden.paste(255, (left, top, right, bottom))
        return hidden
    painted = read_image(Path(text))
    # As a picture on black: what is transparent is not white, and numbers of any range are those of a picture.
    gray = bytes_of(painted, Shaping(painted.height, painted.width, 1, "stretch", "box", "black"))
    if gray.max() <= 127:
        raise UserError(f"the mask {text} is nowhere white, which is what is to be filled")
    mask = Image.fromarray(gray[0])
    if abs(mask.width * image.height - mask.height * image.width) > max(mask.size) * max(1, max(image.size) // 100):
        raise UserError(
            f"the mask {text} is {mask.width} x {mask.height}, the picture {image.width} x {image.height}: "
            "they must have the same proportions"
        )
    return mask.resize(image.size, Image.Resampling.BOX).point(lambda value: 255 if value > 127 else 0)
