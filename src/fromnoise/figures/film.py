"""Sampling as a film: from noise to data, in WebP, GIF or MP4."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.errors import UserError
from fromnoise.figures.fields import span
from fromnoise.figures.pictures import columns_for, enlargement, grid, to_array
from fromnoise.figures.raster import Canvas, limits_of, maps, staircase
from fromnoise.figures.style import MADE_BY

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

SUFFIXES = (".webp", ".gif", ".mp4")
MOST = {"images": 64, "points": 5000, "fields": 16}
"""Samples that a film shows, the first ones."""

FILM_SIDE = 560
"""Grids are enlarged while they stay within so many pixels."""


def film(
    states: Iterable[Tensor],
    path: str | Path,
    *,
    kind: str,
    to_own: Callable[[Tensor], Tensor] | None = None,
    total: int | None = None,
    frames: int = 60,
    seconds: float = 4.0,
    hold: float = 1.0,
    columns: Sequence[str] = (),
) -> None:
    """Film states x_T ... x_0, each (n, *shape), such as `Model.trajectory` yields: about `frames` of them.

    They are chosen evenly, the first and the last among them; `total` is their number, where known. Memory
    holds four times `frames` states at most, of the first 64 images, 16 fields or 5,000 points. `to_own` turns a
    state into the data's own units; images stay in [-1, 1]. The film plays for `seconds`, then its last
    frame stays for `hold` more; `columns` names the axes of points. The suffix of `path` is .webp, .gif or
    .mp4, and the file appears whole or not at all. Raises UserError for another suffix, an .mp4 without the
    video extra, or a file that cannot be written; ValueError for no states, another kind, or frames < 2.
    """
    path = Path(path)
    check_suffix(path)
    if kind not in MOST:
        raise ValueError(f"kind is points, images or fields, not {kind!r}")
    if frames < 2 or seconds <= 0 or hold < 0:
        raise ValueError(f"a film has frames >= 2, seconds > 0, hold >= 0: {frames}, {seconds}, {hold}")
    shown = ((to_own(x[: MOST[kind]]) if to_own else x[: MOST[kind]]) for x in states)
    chosen, last = pick((to_array(x) for x in shown), frames, total)
    labels = [f"step {number} of {last}" for number, _ in chosen]
    pictures = draw([state for _, state in chosen], labels, kind, columns)
    write_film(pictures, path, seconds=seconds, hold=hold)


def check_suffix(path: Path) -> None:
    """Raise UserError unless a film can be written as `path`: long work should ask before it begins.

    >>> check_suffix(Path("film.avi"))
    Traceback (most recent call last):
    fromnoise.errors.UserError: cannot write a film as film.avi; name a .webp, .gif or .mp4
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"cannot write a film as {path.name}; name a .webp, .gif or .mp4")
    if suffix == ".mp4":
        _ffmpeg()


def pick(
    states: Iterable[np.ndarray], frames: int, total: int | None = None
) -> tuple[list[tuple[int, np.ndarray]], int]:
    """About `frames` (number, state) spread evenly over `states`, first and last included, and the last number.

    With `total` known, exactly min(frames, total) of them; else the stride doubles whenever four times as
    many have gathered, so that no more are ever held. Raises ValueError where there are no states.

    >>> [number for number, _ in pick((np.zeros(1) for _ in range(101)), 5, total=101)[0]]
    [0, 25, 50, 75, 100]
    """
    wanted = None if total is None else set(np.linspace(0, total - 1, min(frames, total)).round().astype(int))
    kept: list[tuple[int, np.ndarray]] = []
    stride, number, state = 1, -1, None
    for number, state in enumerate(states):
        if number in wanted if wanted is not None else number % stride == 0:
            kept.append((number, np.array(state)))  # a copy: the state may be changed in place
        if len(kept) > 4 * frames:
            kept, stride = kept[::2], stride * 2
    if state is None:
        raise ValueError("a film needs at least one state")
    if kept[-1][0] != number:
        kept.append((number, np.array(state)))
    if len(kept) > frames:
        numbers = np.array([number for number, _ in kept])
        nearest = np.abs(numbers[:, None] - np.linspace(0, number, frames)).argmin(axis=0)
        kept = [kept[i] for i in np.unique(nearest)]
    return kept, number


def draw(
    states: Sequence[np.ndarray], labels: Sequence[str], kind: str, columns: Sequence[str] = ()
) -> Iterator[Image.Image]:
    """A frame for each state: a grid of images or maps, or labelled points or curves on fixed axes.

    What is fixed, limits and colours, comes from the first and the last state: noise and data in either
    order.
    """
    ends = states[0], states[-1]
    if kind == "images":
        yield from (grid(state, scale=_scale(ends[0])) for state in states)
    elif kind == "points" and ends[0].shape[1] > 1:
        canvas = Canvas(limits_of(ends), (*columns, "", "")[:2], equal=not columns)
        yield from (canvas.cloud(state[:, :2], label) for state, label in zip(states, labels, strict=True))
    elif kind == "points":
        yield from _histograms(states, labels, (*columns, "")[0])
    elif ends[0].ndim == 4:
        colours = min((span(state[:, 0]) for state in ends), key=lambda low_high: low_high[1] - low_high[0])
        yield from (maps(state, colours, _scale(ends[0])) for state in states)
    else:
        yield from _curves(states, labels)


def write_film(pictures: Iterable[Image.Image], path: str | Path, *, seconds: float = 4.0, hold: float = 1.0) -> None:
    """Write pictures of one size as a film that plays for `seconds`, then `hold` more on the last one.

    The suffix is .webp (every pixel kept), .gif (256 colours; equal neighbours become one longer frame) or
    .mp4 (H.264). Raises UserError as `film` does, ValueError for no pictures.
    """
    from fromnoise.model.store import write_file

    path = Path(path)
    check_suffix(path)
    write_file(path, encode_film(pictures, path.suffix.lower(), seconds=seconds, hold=hold))


def encode_film(
    pictures: Iterable[Image.Image], suffix: str = ".webp", *, seconds: float = 4.0, hold: float = 1.0
) -> bytes:
    """The bytes of such a film.

    >>> encode_film([grid(np.zeros((1, 1, 8, 8))), grid(np.ones((1, 1, 8, 8)))], ".gif")[:4]
    b'GIF8'
    """
    frames = [picture.convert("RGB") if picture.mode != "L" else picture for picture in pictures]
    if not frames:
        raise ValueError("a film needs at least one picture")
    if suffix == ".mp4":
        return _mp4(frames, seconds, hold)
    duration = max(20, round(1000 * seconds / len(frames)))  # browsers slow down what is faster
    durations = [duration] * (len(frames) - 1) + [duration + round(1000 * hold)]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": durations, "loop": 0}
    out = io.BytesIO()
    if suffix == ".gif":
        frames[0].save(out, "GIF", comment=MADE_BY.encode(), optimize=False, **options)
    else:
        frames[0].save(out, "WEBP", lossless=True, quality=40, method=1, **options)
    return out.getvalue()


def _histograms(states: Sequence[np.ndarray], labels: Sequence[str], name: str) -> Iterator[Image.Image]:
    ends, _ = limits_of([np.repeat(state, 2, axis=1) for state in (states[0], states[-1])])
    outlines = [staircase(state[:, 0], ends) for state in states]
    top = max(float(outline[:, 1].max()) for outline in outlines) * 1.05 or 1.0
    canvas = Canvas((ends, (0.0, top)), (name, "density"), (3.6, 2.6), equal=False)
    yield from (canvas.lines([outline], label) for outline, label in zip(outlines, labels, strict=True))


def _curves(states: Sequence[np.ndarray], labels: Sequence[str]) -> Iterator[Image.Image]:
    """The first channel of the first eight fields (n, C, L)."""
    low, high = span(np.concatenate([states[0][:8, 0], states[-1][:8, 0]]))
    margin = 0.05 * (high - low) or 1.0
    place = np.arange(states[0].shape[2])
    limits = ((0.0, max(len(place) - 1.0, 1.0)), (low - margin, high + margin))
    canvas = Canvas(limits, ("position", ""), (4.6, 2.6), equal=False)
    for state, label in zip(states, labels, strict=True):
        yield canvas.lines([np.stack([place, curve], 1) for curve in state[:8, 0]], label)


def _scale(images: np.ndarray) -> int:
    n, _, height, width = images.shape
    columns = columns_for(n)
    return enlargement(height, width, math.ceil(n / columns), columns, FILM_SIDE)


def _mp4(frames: Sequence[Image.Image], seconds: float, hold: float) -> bytes:
    """H.264, which every player knows; it wants even sizes, so a white row or column may be added."""
    ffmpeg = _ffmpeg()
    width, height = (side + side % 2 for side in frames[0].size)
    rate = len(frames) / seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        try:
            stream = ffmpeg.write_frames(
                str(path), (width, height), fps=rate, codec="libx264", quality=8, macro_block_size=2,
                ffmpeg_log_level="error", output_params=["-metadata", f"comment={MADE_BY}"],
            )  # fmt: skip
            stream.send(None)
            for frame in [*frames, *[frames[-1]] * round(hold * rate)]:
                stream.send(_even(frame, width, height))
            stream.close()
            content = path.read_bytes()
        except OSError as error:
            why = (str(error).strip().splitlines() or ["unknown reason"])[-1]
            raise UserError(f"ffmpeg could not make the film ({why}); name a .webp or .gif") from None
    if b"moov" not in content:  # the index, which comes last: nobody says when ffmpeg fails
        raise UserError("ffmpeg could not finish the film, perhaps for want of room; name a .webp or .gif")
    return content


def _even(picture: Image.Image, width: int, height: int) -> bytes:
    from PIL import Image

    even = Image.new("RGB", (width, height), "white")
    even.paste(picture)
    return even.tobytes()


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise UserError("MP4 needs the video extra: pip install 'fromnoise[video]', or name a .webp or .gif") from None
    return imageio_ffmpeg
