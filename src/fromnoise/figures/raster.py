"""Many frames fast: the axes are drawn once by matplotlib, what moves is put on them as pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.pictures import grid, to_array
from fromnoise.figures.style import GRAY, PALETTE, new_figure, plain, style

if TYPE_CHECKING:
    from PIL import Image

Limits = tuple[tuple[float, float], tuple[float, float]]
FRAME_DPI = 150


def limits_of(clouds: Iterable[Any], share: float = 0.995) -> Limits:
    """Limits of the first two columns that hold all but the outermost half percent of each cloud (n, d).

    The two spans are equally long, so that axes of equal scale are square.

    >>> (left, right), (bottom, top) = limits_of([np.array([[0.0, 0.0], [2.0, 1.0]])], share=1)
    >>> round(left, 2), round(right, 2), round(bottom, 2), round(top, 2)
    (-0.08, 2.08, -0.58, 1.58)
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for cloud in clouds:
        points = to_array(cloud)[:, :2]
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            low = np.minimum(low, np.quantile(points, 1 - share, axis=0))
            high = np.maximum(high, np.quantile(points, share, axis=0))
    low, high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 1.0)
    half = max(float((high - low).max()) * 0.54, 1e-6)
    left, bottom = (low + high) / 2 - half
    right, top = (low + high) / 2 + half
    return (float(left), float(right)), (float(bottom), float(top))


class Canvas:
    """Axes drawn once, on which points and lines are put as pixels.

    `limits` are ((left, right), (bottom, top)) in data units, `names` those of the axes; `inches` is the
    size of the whole. `equal` gives both axes the same scale.
    """

    def __init__(
        self, limits: Limits, names: Sequence[str] = ("", ""), inches: Sequence[float] = (3.2, 3.2), equal: bool = True
    ):
        with style():
            figure, axes = new_figure(inches[0], inches[1])
            figure.set_dpi(FRAME_DPI)
            ax = axes[0, 0]
            ax.set_xlim(*limits[0])
            ax.set_ylim(*limits[1])
            ax.set_xlabel(plain(names[0]))
            ax.set_ylabel(plain(names[1]))
            ax.set_title(" ")  # room for the label of a frame
            if equal:
                ax.set_aspect("equal")
            figure.canvas.draw()
            self.ground = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
            self._matrix = ax.transData.get_affine().get_matrix()
            box = ax.get_window_extent()
        self.left, self.top = box.x0, len(self.ground) - box.y1
        self._right, self._bottom = box.x1, len(self.ground) - box.y0

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 2) in data units lie, (n, 2): pixels from the left and from the top."""
        at = points @ self._matrix[:2, :2].T + self._matrix[:2, 2]
        return np.stack([at[:, 0], len(self.ground) - at[:, 1]], 1)

    def cloud(self, points: np.ndarray, label: str = "") -> Image.Image:
        """The axes with points (n, 2) on them; where they crowd, the colour is fuller."""
        from scipy.ndimage import convolve

        height, width = self.ground.shape[:2]
        size = float(np.clip(220 / np.sqrt(max(len(points), 1)), 2.2, 9.0))  # pixels across
        strength = float(np.clip(60 / max(len(points), 1) ** 0.6, 0.25, 0.9))
        heaps = _splat(self.pixels(points), width, height)
        half = int(size / 2 + 1)
        y, x = np.mgrid[-half : half + 1, -half : half + 1]
        disc = np.clip(size / 2 + 0.5 - np.hypot(x, y), 0, 1)
        heaps = self._within(convolve(heaps, disc.astype(np.float32), mode="constant"))
        cover = 1 - np.exp(heaps * np.log1p(-strength))
        ink = np.array(_rgb(PALETTE[0]), np.float32)
        picture = self.ground + cover[..., None] * (ink - self.ground)
        return self._labelled(picture.round().astype(np.uint8), label)

    def lines(self, curves: Sequence[np.ndarray], label: str = "") -> Image.Image:
        """The axes with curves on them, each (n, 2), in the colours of the palette."""
        from PIL import Image, ImageDraw

        fine = Image.fromarray(self.ground).resize((self.ground.shape[1] * 2, self.ground.shape[0] * 2))
        draw = ImageDraw.Draw(fine)
        for k, curve in enumerate(curves):
            at = [(float(x), float(y)) for x, y in self.pixels(np.nan_to_num(curve)) * 2]
            draw.line(at, fill=PALETTE[k % len(PALETTE)], width=4, joint="curve")
        return self._labelled(np.asarray(fine.reduce(2)), label)

    def _within(self, heaps: np.ndarray) -> np.ndarray:
        """Nothing outside the axes."""
        rows, columns = np.arange(heaps.shape[0])[:, None], np.arange(heaps.shape[1])
        inside = (rows >= self.top) & (rows < self._bottom) & (columns >= self.left) & (columns < self._right)
        return np.where(inside, heaps, 0)

    def _labelled(self, pixels: np.ndarray, label: str) -> Image.Image:
        from PIL import Image, ImageDraw

        picture = Image.fromarray(pixels)
        if label:
            place = (self.left, self.top - 6)
            ImageDraw.Draw(picture).text(place, label, fill=GRAY, font=_font(16), anchor="ls")
        return picture


def maps(fields: np.ndarray, limits: tuple[float, float], scale: int) -> Image.Image:
    """The first channel of fields (n, C, H, W) as a grid of maps in viridis, `limits` being its ends."""
    import matplotlib

    low, high = limits
    heights = np.nan_to_num((fields[:, 0] - low) / max(high - low, 1e-12)).clip(0, 1)
    colours = matplotlib.colormaps["viridis"](heights, bytes=True)[..., :3]
    return grid(np.ascontiguousarray(colours.transpose(0, 3, 1, 2)), scale=scale)


def staircase(values: np.ndarray, limits: tuple[float, float], bins: int = 80) -> np.ndarray:
    """The outline of a histogram of numbers (n,) as a curve (2 bins + 2, 2): position and density."""
    heights, edges = np.histogram(values, bins, limits)
    density = heights / max(len(values), 1) / (edges[1] - edges[0])
    x = np.repeat(edges, 2)
    return np.stack([x, np.concatenate([[0.0], np.repeat(density, 2), [0.0]])], 1)


def _splat(at: np.ndarray, width: int, height: int) -> np.ndarray:
    """How many of the points (n, 2) fall on each pixel, shared among the four nearest: (height, width)."""
    at = at[(np.abs(at) < 1e6).all(axis=1)] - 0.5  # neither far away nor NaN: those are on no pixel
    corner = np.floor(at).astype(np.int64)
    part = at - corner
    heaps = np.zeros(width * height, np.float32)
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = corner[:, 0] + dx, corner[:, 1] + dy
            weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            heaps += np.bincount((y * width + x)[inside], weight[inside], width * height).astype(np.float32)
    return heaps.reshape(height, width)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _font(size: int) -> Any:
    from matplotlib.font_manager import findfont
    from PIL import ImageFont

    return ImageFont.truetype(findfont("DejaVu Sans"), size)
