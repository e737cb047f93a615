"""Fields on a grid, (C, H, W), as maps; on a line, (C, L), as curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.pictures import to_array
from fromnoise.figures.style import PALETTE, bare, new_figure, plain, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS, MOST_ROWS, MOST_CURVES, MOST_CHANNELS = 16, 6, 12, 6


def draw_fields(fields: Any, columns: Sequence[str] = ()) -> Figure:
    """Fields (n, C, H, W) as maps with a shared colour bar a channel, or (n, C, L) as curves.

    With one channel the first 16 fields fill a square; with more, each of the first 6 is a row and each
    channel a column (6 at most). Of curves the first 12 are drawn. `columns` names the channels.
    Raises ValueError for another shape.

    >>> len(draw_fields(np.zeros((3, 2, 4, 4))).axes)  # six maps and two colour bars
    8
    """
    fields = to_array(fields)
    if fields.ndim not in (3, 4) or not fields.size:
        raise ValueError(f"fields have the shape (n, C, H, W) or (n, C, L), not {fields.shape}")
    names = list(columns) or ([f"channel {k + 1}" for k in range(fields.shape[1])] if fields.shape[1] > 1 else [""])
    with style():
        return _curves(fields, names) if fields.ndim == 3 else _maps(fields, names)


def span(values: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest finite number, 0 and 1 if there is none.

    >>> span(np.array([3.0, np.nan, -1.0]))
    (-1.0, 3.0)
    """
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def _maps(fields: np.ndarray, names: list[str]) -> Figure:
    channels = min(fields.shape[1], MOST_CHANNELS)
    if channels == 1:
        shown = fields[:MOST_MAPS, :1]
        columns = math.ceil(math.sqrt(len(shown)))
    else:
        shown, columns = fields[:MOST_ROWS, :channels], channels
    panels = shown.reshape(-1, *shown.shape[2:])
    rows = math.ceil(len(panels) / columns)
    tall = min(3.0, max(0.4, panels.shape[1] / panels.shape[2]))
    figure, axes = new_figure(1.35 * columns + 0.6, 1.35 * tall * rows + 0.3, rows, columns)
    for i, ax in enumerate(axes.flat):
        bare(ax)
        if i >= len(panels):
            ax.set_visible(False)
            continue
        low, high = span(shown[:, i % channels])
        drawn = ax.imshow(panels[i], vmin=low, vmax=high, cmap="viridis")
        if channels > 1 and i < columns:
            ax.set_title(plain(names[i]))
        if i == 0 and channels == 1:
            figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=30, label=plain(names[0]))
        elif channels > 1 and i >= len(panels) - columns:
            figure.colorbar(drawn, ax=axes[:, i % channels], location="bottom", aspect=12, shrink=0.9)
    return figure


def _curves(fields: np.ndarray, names: list[str]) -> Figure:
    shown = fields[:MOST_CURVES, :MOST_CHANNELS]
    channels = shown.shape[1]
    figure, axes = new_figure(4.6, 1.5 * channels + 0.6, channels, 1, sharex=True)
    for k, ax in enumerate(axes[:, 0]):
        for i, curve in enumerate(shown[:, k]):
            ax.plot(curve, color=PALETTE[i % len(PALETTE)], linewidth=0.9, alpha=0.85)
        ax.set_ylabel(plain(names[k]))
        ax.margins(x=0)
    axes[-1, 0].set_xlabel("position")
    return figure
