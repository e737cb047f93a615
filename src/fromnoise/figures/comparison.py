"""Numbers of several judgements beside each other: of the checkpoints of a run, and of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fromnoise.figures.judge import WIDTH
from fromnoise.figures.style import PALETTE, new_figure, plain, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3


class Panel(NamedTuple):
    """One number of several judgements: (value, low, high) of each, and of fresh data or None."""

    name: str
    values: Sequence[tuple[float, float, float]]
    floor: tuple[float, float, float] | None


def checkpoints_figure(steps: Sequence[int], panels: Sequence[Panel]) -> Figure:
    """Numbers of each checkpoint against its step, with their intervals, and dashed what fresh data reach.

    >>> figure = checkpoints_figure([10, 20], [Panel("recall", [(0.5, 0.4, 0.6), (0.7, 0.6, 0.8)], (0.8, 0.7, 0.9))])
    >>> figure.axes[0].get_title()
    'recall'
    """
    rows = -(-len(panels) // COLUMNS)
    with style():
        figure, axes = new_figure(WIDTH, 1.7 * rows, rows, COLUMNS, sharex=True)
        for ax, panel in zip(axes.flat, panels, strict=False):
            values, low, high = np.array(panel.values).T
            ax.fill_between(steps, low, high, color=PALETTE[0], alpha=0.2, linewidth=0)
            ax.plot(steps, values, color=PALETTE[0], marker="o", markersize=3)
            if panel.floor is not None:
                ax.axhline(panel.floor[0], color=PALETTE[1], linestyle="--", linewidth=0.9)
            ax.set_title(panel.name)
            top, bottom = float(np.nanmax([*high, 1e-9])), float(min(0.0, np.nanmin(low)))
            ax.set_ylim(bottom, top + 0.08 * (top - bottom))
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for ax in axes[-1]:
            ax.set_xlabel("step")
    return figure


def compared_figure(names: Sequence[str], panels: Sequence[Panel]) -> Figure:
    """Numbers of several runs beside each other, with their intervals, and dashed what fresh data reach.

    >>> figure = compared_figure(["a", "b"], [Panel("recall", [(0.5, 0.4, 0.6), (0.7, 0.6, 0.8)], (0.8, 0.7, 0.9))])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['a', 'b']
    """
    rows, places = -(-len(panels) // COLUMNS), np.arange(len(names))
    with style():
        tall = rows * (0.55 + 0.22 * len(names))
        figure, axes = new_figure(WIDTH, tall, rows, COLUMNS, sharey=True)
        for ax, panel in zip(axes.flat, panels, strict=False):
            values, low, high = np.array(panel.values).T
            ax.errorbar(
                values,
                places,
                xerr=np.maximum([values - low, high - values], 0),
                fmt="o",
                color=PALETTE[0],
                markersize=3,
                capsize=2,
            )
            if panel.floor is not None:
                ax.axvline(panel.floor[0], color=PALETTE[1], linestyle="--", linewidth=0.9)
            ax.set_title(panel.name)
            ax.set_yticks(places, [plain(name, 18) for name in names])
            ax.set_ylim(len(names) - 0.5, -0.5)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
    return figure
