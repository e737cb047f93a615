"""Many images -> one .npy, decoded in parallel, written in order; broken ones are named and left out."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from fromnoise.data.checks import choice, whole
from fromnoise.data.decode import BACKGROUNDS, FITS, RESAMPLE, Shaping, open_image, to_array, widen
from fromnoise.data.progress import tracked
from fromnoise.errors import UserError

A = TypeVar("A")
B = TypeVar("B")
Picture = tuple[str, Callable[[], Path | IO[bytes]]]  # its name, and what opens it
CHANNELS = {"auto": 0, 1: 1, 3: 3, 4: 4}


@dataclass(frozen=True)
class Packed:
    """What became of the pictures: the positions of those kept, and (name, reason) of those left out.

    >>> Packed([0], []).broken
    []
    """

    kept: list[int]
    broken: list[tuple[str, str]]


def shaping(size: object, channels: object, fit: str, resample: str, background: str) -> Shaping:
    """The options of a loader of images, checked. `size` is one side or [height, width], 1 to 4096 each.

    Raises UserError for a value out of range.

    >>> shaping([16, 24], "auto", "crop", "lanczos", "white").width
    24
    """
    sides = size if isinstance(size, list | tuple) else [size, size]
    if len(sides) != 2:
        raise UserError(f"size = {size!r} must be one side or [height, width]")
    height, width = (whole("size", side, 1, 4096) for side in sides)
    return Shaping(
        height,
        width,
        CHANNELS[choice("channels", channels, CHANNELS)],
        choice("fit", fit, FITS),
        choice("resample", resample, RESAMPLE),
        choice("background", background, BACKGROUNDS),
    )


def threads(workers: object) -> int:
    """The number of threads that `workers` asks for, 1 to 256; None is one for each processor.

    Threads suffice: decoding and resizing run outside Python's lock.

    >>> threads(3)
    3
    """
    return (os.cpu_count() or 2) if workers is None else whole("workers", workers, 1, 256)


def pack(
    pictures: Iterable[Picture], total: int, how: Shaping, workers: int, out: IO[bytes], scratch: IO[bytes]
) -> Packed:
    """Write the .npy (N, C, H, W) uint8 of all pictures that can be read to `out`.

    With `how.channels` = 0, C is the most that any picture needs. `scratch` holds the decoded pixels until
    that is known, so that memory stays small. Raises UserError where no picture can be read, and OSError
    where a file cannot be written.

    >>> from io import BytesIO
    >>> pictures = [("a", lambda: BytesIO(b"P5 1 1 255 \\x07")), ("b", lambda: BytesIO(b"text"))]
    >>> out = BytesIO()
    >>> pack(pictures, 2, Shaping(1, 1), 1, out, BytesIO()).kept, out.getvalue()[-1:]
    ([0], b'\\x07')
    """
    kept: list[int] = []
    channels: list[int] = []
    broken: list[tuple[str, str]] = []
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # what Pillow only warns of is either harmless or refused in decode
        results = in_order(pool, lambda picture: _decode(picture, how), pictures, ahead=16 * workers)
        for at, (name, result) in enumerate(tracked(results, total, "reading images")):
            if isinstance(result, str):
                broken.append((name, result))
                continue
            scratch.write(result.tobytes())
            kept.append(at)
            channels.append(len(result))
    if not kept:
        name, reason = broken[0] if broken else ("nothing", "it is empty")
        raise UserError(f"none of the {len(broken)} images can be read; {name}: {reason}")
    _write(out, scratch, channels, how)
    return Packed(kept, broken)


def in_order(pool: ThreadPoolExecutor, function: Callable[[A], B], items: Iterable[A], ahead: int) -> Iterator[B]:
    """`map` over a pool that keeps the order and holds at most `ahead` results in memory.

    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(in_order(pool, str.upper, "abc", ahead=2))
    ['A', 'B', 'C']
    """
    waiting: deque[Future[B]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decode(picture: Picture, how: Shaping) -> tuple[str, np.ndarray | str]:
    name, opener = picture
    try:
        return name, to_array(open_image(opener(), max(how.height, how.width)), how)
    except Exception as error:  # a hostile file can make a decoder raise anything
        return name, " ".join(str(error).split())[:200] or type(error).__name__


def _write(out: IO[bytes], scratch: IO[bytes], channels: list[int], how: Shaping) -> None:
    most = max(channels)
    shape = (len(channels), most, how.height, how.width)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    scratch.seek(0)
    for count in channels:
        data = scratch.read(count * how.height * how.width)
        pixels = np.frombuffer(data, np.uint8).reshape(count, how.height, how.width)
        out.write(widen(pixels, most).tobytes())
