"""A sheet measured in inches, for figures that are put together from pictures, arrows and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.pictures import grid
from fromnoise.figures.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]
"""(inches from the left, inches from the bottom)"""

GAP = 2
"""Pixels between the pictures of a grid."""


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of `width` x `height` inches whose only axes are measured in inches, from the bottom left.

    Call it within `style()`.

    >>> from fromnoise.figures import style
    >>> with style():
    ...     figure, ax = sheet(3.0, 2.0)
    >>> [float(inches) for inches in (*ax.get_xlim(), *ax.get_ylim())]
    [0.0, 3.0, 0.0, 2.0]
    """
    figure, axes = new_figure(width, height)
    figure.set_layout_engine("none")
    ax = axes[0, 0]
    ax.set_position((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_xlim(0, width)
    ax.set_ylim(0, height)
    return figure, ax


def place(ax: Axes, images: Any, at: Point, width: float, columns: int | None = None, gap: int = GAP) -> float:
    """Put a grid of images (n, C, H, W), in [-1, 1], on a sheet, its bottom left corner `at`; gives its height.

    `gap` pixels lie between two pictures, none around all. Numbers outside [-1, 1] are shown as the nearest end.
    Raises ValueError and UserError as `grid` does.

    >>> from fromnoise.figures import style
    >>> with style():
    ...     place(sheet(3.0, 2.0)[1], np.zeros((2, 1, 8, 8)), (0.5, 0.5), width=1.0, gap=0)
    0.5
    """
    pixels = np.asarray(grid(images, columns, scale=1, gap=gap))
    pixels = pixels[gap : len(pixels) - gap, gap : pixels.shape[1] - gap]
    height = width * pixels.shape[0] / pixels.shape[1]
    limits = ax.get_xlim(), ax.get_ylim()
    extent = (at[0], at[0] + width, at[1], at[1] + height)
    # The house style takes the nearest pixel, which makes strokes uneven where pictures are hardly enlarged.
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", interpolation="antialiased")
    ax.set_xlim(*limits[0])
    ax.set_ylim(*limits[1])
    return height


def arrow(ax: Axes, points: Sequence[Point], color: str = INK, **look: Any) -> None:
    """A line through two or more points with a head at the last; `look` is that of matplotlib's FancyArrowPatch.

    >>> from fromnoise.figures import style
    >>> with style():
    ...     figure, ax = sheet(3.0, 2.0)
    ...     arrow(ax, [(0.5, 1.0), (2.5, 1.0)])
    >>> len(ax.patches)
    1
    """
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    plain: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 7, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    look = {**plain, "color": color, **look}
    if len(points) == 2:
        ax.add_patch(FancyArrowPatch(points[0], points[1], **look))
    else:
        ax.add_patch(FancyArrowPatch(path=Path(points), fill=False, joinstyle="miter", **look))
