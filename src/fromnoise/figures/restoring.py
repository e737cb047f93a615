"""Pictures restored: what was seen beside what it may have been (K Figures 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fromnoise.figures.pictures import to_array
from fromnoise.figures.sheet import place, sheet
from fromnoise.figures.style import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN, BETWEEN, WORDS = 0.08, 0.14, 0.22
"""Inches around all, between two groups, and for the words above."""


def restored_figure(groups: Sequence[tuple[str, Sequence[Any]]]) -> Figure:
    """Groups of columns side by side, each under its words; a row is a picture and what became of it.

    groups  (words, columns), a column being images (n, C, H, W) in [-1, 1], all with the same n and shape

    Raises ValueError for columns that do not go together.

    >>> import numpy as np
    >>> rows = np.zeros((3, 1, 8, 8))
    >>> figure = restored_figure([("seen", [rows]), ("drawn", [rows, rows])])
    >>> [text.get_text() for text in figure.axes[0].texts], len(figure.axes[0].images)
    (['seen', 'drawn'], 3)
    """
    columns = [to_array(column) for _, group in groups for column in group]
    if not columns or any(column.ndim != 4 or column.shape != columns[0].shape for column in columns):
        raise ValueError(f"all columns hold images of one shape: {[column.shape for column in columns]}")
    n, _, height, width = columns[0].shape
    wide = min(0.95, (6.8 - 2 * MARGIN - BETWEEN * (len(groups) - 1)) / len(columns))
    gap = max(1, round(width / 14))  # pixels between rows
    side = wide * (1 - gap / width)
    tall = side * (n * (height + gap) - gap) / width
    across = wide * len(columns) + BETWEEN * (len(groups) - 1)
    with style():
        figure, ax = sheet(across + 2 * MARGIN, tall + WORDS + 2 * MARGIN)
        left = MARGIN
        for words, group in groups:
            middle = left + wide * len(group) / 2
            ax.text(middle, MARGIN + tall + 0.05, words, ha="center", va="bottom")
            for column in group:
                place(ax, column, (left, MARGIN), side, 1, gap)
                left += wide
            left += BETWEEN
    return figure
