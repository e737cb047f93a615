"""Pictures of a judgement: samples beside their nearest training pictures, how near they are, and their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.pictures import to_array
from fromnoise.figures.sheet import place, sheet
from fromnoise.figures.style import FAINT, INK, PALETTE, new_figure, plain, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 6.5
"""Inches of a printed page."""


def nearest_figure(samples: Any, nearest: Any, copied: Sequence[bool]) -> Figure:
    """Samples (n, C, H, W) above the training pictures (n, C, H, W) that are nearest to them; copies are framed.

    >>> nearest_figure(np.zeros((3, 1, 8, 8)), np.zeros((3, 1, 8, 8)), [True, False, False]).axes[0].texts[0].get_text()
    'sample'
    """
    samples, nearest = to_array(samples), to_array(nearest)
    n, (height, width) = len(samples), samples.shape[2:]
    left, gap = 0.75, 0.06
    side = (WIDTH - left) / n - gap
    tall = side * height / width
    with style():
        figure, ax = sheet(WIDTH, 2 * tall + 3 * gap)
        for row, (name, pictures) in enumerate((("sample", samples), ("training", nearest))):
            bottom = gap + (1 - row) * (tall + gap)
            ax.text(left - 0.1, bottom + tall / 2, name, ha="right", va="center", fontsize=7, color=INK)
            for k, picture in enumerate(pictures):
                at = (left + k * (side + gap), bottom)
                place(ax, picture[None], at, side, gap=0)
                if copied[k] and row == 0:
                    _frame(ax, at, side, tall)
    return figure


def distances_figure(samples: Any, others: Any, limit: float, name: str, kind: str) -> Figure:
    """How near samples (n,) and others (m,) of a kind come to training data, and below what a sample is a copy.

    >>> distances_figure([1.0, 2.0], [1.5, 2.5, 3.0], 1.2, "distance", "held-out data").axes[0].get_xlabel()
    'distance'
    """
    samples, others = to_array(samples), to_array(others)
    with style():
        figure, axes = new_figure(WIDTH, 2.0)
        ax = axes[0, 0]
        both = np.concatenate([samples, others])
        edges = np.linspace(0, float(np.quantile(both, 0.999)) or 1.0, 60)
        for values, label, color in ((others, kind, FAINT), (samples, "samples", PALETTE[0])):
            weights, filled = np.full(len(values), 1 / len(values)), color == FAINT
            ax.hist(
                values, edges, weights=weights, histtype="stepfilled" if filled else "step", color=color, label=label
            )
        ax.axvline(limit, color=PALETTE[1], linestyle="--", linewidth=1, label="a copy by this, left of the line")
        ax.set_xlim(left=0)
        ax.set_xlabel(name)
        ax.set_ylabel("share")
        ax.legend()
    return figure


def counts_figure(names: Sequence[str], counts: Sequence[int], shares: Sequence[float], of: int) -> Figure:
    """How many samples a classifier finds in each class, and how many they would be by the shares of `of` data.

    >>> counts_figure(["0", "1"], [3, 5], [0.5, 0.5], 100).axes[0].get_ylabel()
    'samples'
    """
    total = sum(counts)
    with style():
        figure, axes = new_figure(WIDTH, 2.0)
        ax = axes[0, 0]
        places = np.arange(len(names))
        ax.bar(places, counts, color=PALETTE[0], width=0.7, label="samples")
        expected = total * np.asarray(shares)
        error = 1.96 * np.sqrt(expected * (1 - np.asarray(shares)) * (1 + total / of))  # shares are known by chance
        ax.errorbar(
            places, expected, error, fmt="_", color=INK, markersize=14, capsize=2, linewidth=0.8,
            label="as the data have them, with 95 % of chance",
        )  # fmt: skip
        ax.set_xticks(places, [plain(name, 12) for name in names], rotation=0 if len(names) < 15 else 60)
        ax.set_ylabel("samples")
        ax.set_ylim(0, 1.25 * max(*counts, *(expected + error)))
        ax.legend(ncols=2)
    return figure


def _frame(ax: Any, at: tuple[float, float], width: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle(at, width, height, fill=False, edgecolor=PALETTE[1], linewidth=1.6))
