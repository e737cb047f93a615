"""One image of any format, mode and size -> one small uint8 array (C, H, W). Every file is taken as
hostile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

# 256 MB of RGB, Pillow's own limit; we refuse where Pillow would only warn.
MOST_PIXELS = 89_478_485
# EPS starts Ghostscript; the others are stubs or need a program or a package of their own.
REFUSED_FORMATS = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "FPX", "MIC"}
RESAMPLE = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
FITS = ("crop", "pad", "stretch")
BACKGROUNDS = {"white": 255, "black": 0}


@dataclass(frozen=True)
class Shaping:
    """How one image becomes (C, height, width).

    channels    1, 3, 4, or 0: as few as this image needs (1 gray, 3 colour, 4 where something is transparent)
    fit         "crop" the middle to the aspect wanted, "pad" on both sides, or "stretch"
    resample    a key of RESAMPLE, all antialiased
    background  "white" or "black": the padding, and what shows through where alpha is dropped

    >>> Shaping(32, 48).fit
    'crop'
    """

    height: int
    width: int
    channels: int = 0
    fit: str = "crop"
    resample: str = "lanczos"
    background: str = "white"


@cache
def formats() -> tuple[str, ...]:
    """The names of the image formats that are read, the usual ones first: Pillow tries them in this order.

    >>> "PNG" in formats(), "EPS" in formats()
    (True, False)
    """
    Image.init()
    usual = [name for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP") if name in Image.OPEN]
    return (*usual, *sorted(set(Image.OPEN) - REFUSED_FORMATS - set(usual)))


@cache
def suffixes() -> frozenset[str]:
    """The file endings, in lower case with their dot, that announce such an image.

    >>> ".jpg" in suffixes(), ".txt" in suffixes()
    (True, False)
    """
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, name in known.items() if name in formats())


def open_image(file: Path | IO[bytes], side: int = 0) -> Image.Image:
    """The first frame of an image file, loaded, upright by its EXIF orientation, in its own mode.

    With `side` > 0 a JPEG may be decoded at a half, quarter or eighth of its size, never smaller than
    2 * side, which is quicker and leaves enough for an antialiased reduction. Raises ValueError for a
    decompression bomb, and whatever Pillow raises for a file that is broken or no image.

    >>> from io import BytesIO
    >>> open_image(BytesIO(b"P5 2 1 255 \\x00\\xff")).size
    (2, 1)
    """
    with Image.open(file, formats=formats()) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels are more than {MOST_PIXELS:,}")
        if side:
            image.draft(None, (2 * side, 2 * side))
        image.load()
        return _upright(image)


def to_array(image: Image.Image, shaping: Shaping) -> np.ndarray:
    """An image of any mode as uint8 (C, height, width); see `Shaping`.

    More than 8 bits are scaled, not clipped. Raises ValueError for floats outside every usual range and
    for modes that have no meaning as gray or colour.

    >>> to_array(Image.new("L", (7, 5), 9), Shaping(4, 4)).shape
    (1, 4, 4)
    >>> to_array(Image.new("CMYK", (7, 5)), Shaping(4, 6)).shape  # no ink is white, which is gray
    (1, 4, 6)
    """
    simple = _simplify(image)
    fitted = _fit(simple, shaping)
    channels = shaping.channels or _needed(fitted)
    if fitted.mode == "RGBA" and channels != 4:
        under = Image.new("RGBA", fitted.size, (BACKGROUNDS[shaping.background],) * 3 + (255,))
        fitted = Image.alpha_composite(under, fitted).convert("RGB")
    pixels = np.asarray(fitted.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    return np.ascontiguousarray(pixels.reshape(shaping.height, shaping.width, channels).transpose(2, 0, 1))


def widen(pixels: np.ndarray, channels: int) -> np.ndarray:
    """(c, H, W) -> (channels, H, W) without loss: gray is repeated, a missing alpha is opaque.

    >>> widen(np.full((1, 1, 1), 7, np.uint8), 4).ravel()
    array([  7,   7,   7, 255], dtype=uint8)
    """
    if len(pixels) == 1 and channels > 1:
        pixels = np.repeat(pixels, 3, axis=0)
    if len(pixels) == 3 and channels == 4:
        pixels = np.concatenate([pixels, np.full_like(pixels[:1], 255)])
    return pixels


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image  # without a turn it would only copy
    except Exception:  # a damaged EXIF block does not spoil the pixels
        return image


def _simplify(image: Image.Image) -> Image.Image:
    """Any mode -> L, RGB or (where something is transparent) RGBA."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(image))
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        if with_alpha.getchannel("A").getextrema() != (255, 255):
            return with_alpha
        return with_alpha.convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """Integers of more than 8 bits count as 16; floats as [0, 1], else [0, 255], else [0, 65535]."""
    values: Any = np.asarray(image).astype(np.float64)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 65535):
        raise ValueError(f"values from {low:g} to {high:g}; fields belong into a .npy file")
    full = 65535.0
    if image.mode == "F":
        full = next(limit for limit in (1.0, 255.0, 65535.0) if high <= limit)
    return np.rint(values * (255 / full)).astype(np.uint8)


def _fit(image: Image.Image, shaping: Shaping) -> Image.Image:
    goal, method = (shaping.width, shaping.height), RESAMPLE[shaping.resample]
    width, height = image.size
    if shaping.fit == "stretch":
        return image.resize(goal, method)
    if shaping.fit == "crop":
        scale = min(width / goal[0], height / goal[1])
        half = (goal[0] * scale / 2, goal[1] * scale / 2)
        box = (
            max(width / 2 - half[0], 0), max(height / 2 - half[1], 0),
            min(width / 2 + half[0], width), min(height / 2 + half[1], height),
        )  # fmt: skip
        return image.resize(goal, method, box=box)
    scale = min(goal[0] / width, goal[1] / height)
    inner = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), method)
    level = BACKGROUNDS[shaping.background]
    colour: Any = {"L": level, "RGB": (level,) * 3, "RGBA": (level,) * 3 + (0,)}[inner.mode]
    padded = Image.new(inner.mode, goal, colour)
    padded.paste(inner, ((goal[0] - inner.width) // 2, (goal[1] - inner.height) // 2))
    return padded


def _needed(image: Image.Image) -> int:
    if image.mode == "L":
        return 1
    red, green, blue, *alpha = (np.asarray(band) for band in image.split())
    if alpha and alpha[0].min() < 255:
        return 4
    return 1 if np.array_equal(red, green) and np.array_equal(green, blue) else 3
