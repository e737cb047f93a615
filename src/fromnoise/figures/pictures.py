"""Images as pictures: exact bytes, grids, single files."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.errors import UserError
from fromnoise.figures.style import MADE_BY

if TYPE_CHECKING:
    from PIL import Image

SIDE, MOST_SIDE = 256, 1024
"""Small images are enlarged while one stays within SIDE pixels and the whole grid within MOST_SIDE."""

_CHECK = np.array([[255, 225], [225, 255]], np.uint8)


def to_array(x: Any) -> np.ndarray:
    """A tensor on any device, of any float type, or anything array-like, as a NumPy array.

    >>> import torch
    >>> to_array(torch.ones(2, dtype=torch.bfloat16)).dtype
    dtype('float32')
    """
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if x.is_floating_point() and x.itemsize < 4 else x
        return np.asarray(x.numpy())
    return np.asarray(x)


def to_uint8(x: Any) -> np.ndarray:
    """From [-1, 1] to bytes, rounded to the nearest and clipped; bytes stay as they are.

    -1 is 0 and 1 is 255, so that `Dataset.batch` and back changes nothing. Raises UserError where a number
    is not finite.

    >>> to_uint8(np.array([-2.0, -1.0, 0.01, 1.0])).tolist()
    [0, 0, 129, 255]
    """
    x = to_array(x)
    if x.dtype == np.uint8:
        return x
    if not np.isfinite(x).all():
        raise UserError("these images hold numbers that are not finite: the model diverged; lower train.lr")
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def grid(images: Any, columns: int | None = None, scale: int | None = None, gap: int = 2) -> Image.Image:
    """Images (N, C, H, W), in [-1, 1] or uint8, side by side on white, row after row.

    Image i starts `gap + (i // columns) * (H * scale + gap)` pixels from the top, likewise from the left.
    One channel is gray, three are RGB, four RGBA on a chequered ground; of 2 or more than 4 channels only
    the first is drawn, in gray, and the picture's description says so. Every pixel becomes `scale` x `scale`
    pixels; without `scale`, the largest that keeps an image within 256 and the grid within 1024 pixels.
    Raises ValueError for another shape, no image, or columns, scale or gap out of range; UserError for
    numbers that are not finite.

    >>> grid(np.zeros((6, 1, 8, 8)), columns=3, scale=2, gap=1).size
    (52, 35)
    """
    from PIL import Image

    images = to_array(images)
    pixels = _pixels(images)
    n, height, width = pixels.shape[:3]
    columns = columns_for(n) if columns is None else columns
    if columns < 1 or gap < 0 or (scale is not None and scale < 1):
        raise ValueError(f"columns and scale are at least 1 and gap at least 0: {columns}, {scale}, {gap}")
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    scale = scale or enlargement(height, width, rows, columns)
    pixels = _opaque(pixels.repeat(scale, 1).repeat(scale, 2))
    high, wide = height * scale + gap, width * scale + gap
    sheet = np.full((rows * high + gap, columns * wide + gap, pixels.shape[3]), 255, np.uint8)
    for i, image in enumerate(pixels):
        top, left = gap + i // columns * high, gap + i % columns * wide
        sheet[top : top + high - gap, left : left + wide - gap] = image
    picture = Image.fromarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet)
    _describe(picture, images.shape[1])
    return picture


def columns_for(n: int) -> int:
    """Columns of a grid of n images: as near to a square as can be, preferring full rows.

    >>> columns_for(64), columns_for(10), columns_for(7)
    (8, 5, 3)
    """
    root = math.ceil(math.sqrt(n))
    return next((k for k in range(root, 2 * root) if n % k == 0), root)


def enlargement(height: int, width: int, rows: int, columns: int, most: int = MOST_SIDE) -> int:
    """The largest scale that keeps an image within 256 pixels and rows x columns of them within `most`.

    >>> enlargement(32, 32, 8, 8), enlargement(2000, 3000, 1, 1)
    (4, 1)
    """
    return max(1, min(SIDE // max(height, width), most // max(rows * height, columns * width)))


def save_picture(image: Image.Image, path: str | Path, caption: str = "") -> None:
    """Save a picture without loss as .png, .webp, .svg or .pdf, whole or not at all.

    Raises UserError for another suffix, or where the file cannot be written.
    """
    from fromnoise.figures.style import encode
    from fromnoise.model.store import write_file

    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".png", ".webp"):
        write_file(path, encode_picture(image, suffix, caption))
    elif suffix in (".svg", ".pdf"):
        write_file(path, encode(image, suffix, caption))
    else:
        raise UserError(f"cannot save a picture as {path.name}; name a .png, .webp, .svg or .pdf")


def save_each(images: Any, folder: str | Path, first: int = 0, captions: Sequence[str] = ()) -> list[Path]:
    """Save images (N, C, H, W) one by one as 00000.png, 00001.png, ..., pixel for pixel; returns the paths.

    Numbers start at `first`; `captions` is empty or one an image. Channels are those of `grid`, but RGBA
    stays RGBA. Raises UserError where a file cannot be written.
    """
    from PIL import Image

    from fromnoise.model.store import write_file

    images, paths = to_array(images), []
    for i, pixels in enumerate(_pixels(images)):
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        _describe(image, images.shape[1])
        path = Path(folder) / f"{first + i:05d}.png"
        write_file(path, encode_picture(image, ".png", captions[i] if captions else ""))
        paths.append(path)
    return paths


def encode_picture(image: Image.Image, suffix: str = ".png", caption: str = "") -> bytes:
    """A picture as the bytes of a .png or a lossless .webp; the PNG carries its maker and the caption.

    >>> encode_picture(grid(np.zeros((1, 1, 2, 2))))[1:4]
    b'PNG'
    """
    from PIL.PngImagePlugin import PngInfo

    out = io.BytesIO()
    if suffix == ".png":
        text = PngInfo()
        text.add_text("Software", "fromnoise")
        text.add_text("Comment", MADE_BY)
        text.add_text("Description", caption or str(image.info.get("Description", "")))
        image.save(out, "PNG", pnginfo=text)
    else:
        image.save(out, "WEBP", lossless=True)
    return out.getvalue()


def _pixels(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> bytes (N, H, W, 1, 3 or 4)."""
    if images.ndim != 4 or not images.size:
        raise ValueError(f"images have the shape (N, C, H, W), none of them 0, not {images.shape}")
    if images.shape[1] not in (1, 3, 4):
        images = images[:, :1]
    return np.ascontiguousarray(to_uint8(images).transpose(0, 2, 3, 1))


def _describe(picture: Image.Image, channels: int) -> None:
    if channels not in (1, 3, 4):
        picture.info["Description"] = f"the first of {channels} channels, in gray"


def _opaque(pixels: np.ndarray) -> np.ndarray:
    """RGBA over a chequered ground, (N, H, W, 3); other pixels as they are."""
    if pixels.shape[3] != 4:
        return pixels
    height, width = pixels.shape[1:3]
    side = max(2, min(height, width) // 8)
    ground = _CHECK[np.arange(height)[:, None] // side % 2, np.arange(width) // side % 2][None, :, :, None]
    alpha = pixels[..., 3:] / 255
    return np.rint(pixels[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)
