"""The handwritten digits that both papers train on, shipped with the package (see mnist/LICENSE.md)."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from fromnoise.data.checks import choice, whole
from fromnoise.data.dataset import Dataset
from fromnoise.errors import UserError

FOLDER = Path(__file__).with_suffix("")  # mnist/ beside this file
SIDE = 28
COUNTS = {"train": 60_000, "test": 10_000}
PREFIXES = {"train": "train", "test": "t10k"}


def mnist(*, split: str = "train", fit: str = "pad", size: int = 32) -> Dataset:
    """The MNIST digits: uint8 rows (N, 1, size, size), white on black, with the labels 0 to 9.

    split   "train" (60,000) or "test" (10,000)
    fit     "pad" adds black pixels on all sides and changes no pixel; "resize" interpolates
            bicubically from 28 to `size` (H section 5: 28 -> 32)
    size    28 to 64 pixels for "pad" (28 gives the original), 8 to 64 for "resize"
    Raises UserError for any other value.

    >>> digits = mnist(split="test")
    >>> len(digits), digits.shape, digits.classes[int(digits.labels[0])]
    (10000, (1, 32, 32), '7')
    """
    choice("split", split, PREFIXES)
    choice("fit", fit, ("pad", "resize"))
    size = whole("size", size, SIDE if fit == "pad" else 8, 64)
    count, prefix = COUNTS[split], PREFIXES[split]
    images = read_idx(FOLDER / f"{prefix}-images-idx3-ubyte.gz", (count, SIDE, SIDE))
    labels = read_idx(FOLDER / f"{prefix}-labels-idx1-ubyte.gz", (count,))
    rows = (_pad if fit == "pad" else _resize)(images, size)[:, None]
    names = tuple(str(digit) for digit in range(10))
    return Dataset("images", (1, size, size), rows, labels=labels.astype(np.int64), classes=names)


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A gzipped IDX file of unsigned bytes that must have exactly this shape.

    The header is two zero bytes, the type 0x08, the number of axes, then each length as a big-endian
    32-bit integer. Raises UserError where the file is missing, damaged or of another shape.

    >>> read_idx(FOLDER / "t10k-labels-idx1-ubyte.gz", (10_000,))[:3]
    array([7, 2, 1], dtype=uint8)
    """
    expected = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    length = int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            header, body = file.read(len(expected)), file.read(length + 1)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}; install fromnoise again") from None
    except Exception as error:  # zlib.error is no OSError
        raise UserError(f"{path} is damaged: {error}; install fromnoise again") from None
    if header != expected or len(body) != length:
        raise UserError(f"{path} is not an IDX file of shape {shape}; install fromnoise again")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _pad(images: np.ndarray, size: int) -> np.ndarray:
    before = (size - SIDE) // 2
    margin = (before, size - SIDE - before)
    return np.pad(images, ((0, 0), margin, margin))


def _resize(images: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    rows = np.empty((len(images), size, size), np.uint8)
    for row, image in zip(rows, images, strict=True):
        row[:] = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
    return rows
