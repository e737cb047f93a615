"""The pictures of H's introduction: Figures 1 to 6, from samples and states that the caller has drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.pictures import columns_for, to_array
from fromnoise.figures.schedule import clock
from fromnoise.figures.sheet import GAP, arrow, place, sheet
from fromnoise.figures.style import PALETTE, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, WORDS = 0.06, 0.2
"""Inches: around all, and of a line of words."""

ACROSS = 22
"""Pictures in a row of the sorted samples."""


def training_figure(images: Any) -> Figure:
    """H Figure 1: pictures of the training data, images (n, C, H, W) in [-1, 1], as near to a square as can be.

    Raises ValueError for another shape.

    >>> training_figure(np.zeros((64, 1, 8, 8))).axes[0].images[0].get_array().shape
    (78, 78)
    """
    images = _checked(images)
    columns = columns_for(len(images))
    height, width = _cells(images, math.ceil(len(images) / columns), columns)
    inches = 3.4
    with style():
        figure, ax = sheet(inches + 2 * MARGIN, inches * height / width + 2 * MARGIN)
        place(ax, images, (MARGIN, MARGIN), inches, columns)
    return figure


def noising_figure(states: Sequence[Any], times: Sequence[float]) -> Figure:
    """H Figure 2: one picture as noise is added, states (C, H, W) at rising times, in a row.

    Raises ValueError where states and times do not go together.

    >>> figure = noising_figure([np.zeros((1, 8, 8)), np.ones((1, 8, 8))], [0, 1000])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['t = 0', 't = 1000']
    """
    return _row([to_array(x)[None] for x in states], times, 1)


def denoising_figure(states: Sequence[Any], times: Sequence[float]) -> Figure:
    """H Figure 3: several pictures on their way back, states (n, C, H, W) at falling times, each a square grid.

    Raises ValueError where states and times do not go together.

    >>> figure = denoising_figure([np.zeros((9, 1, 8, 8)), np.ones((9, 1, 8, 8))], [1000, 0])
    >>> len(figure.axes[0].images)
    2
    """
    return _row([to_array(x) for x in states], times, GAP)


def sorted_figure(images: Any, labels: Any, confidence: Any, classes: Sequence[str], sure: float = 0.9) -> Figure:
    """H Figure 4: images (n, C, H, W) in bands, one a class, as a classifier sorted them.

    `labels` (n,) are indices into `classes`, `confidence` (n,) is the classifier's, and in each band the surest comes
    first. Samples below `sure` are framed, and counted beside the band. Raises ValueError for other shapes.

    >>> figure = sorted_figure(np.zeros((3, 1, 8, 8)), [0, 1, 1], [1.0, 0.5, 1.0], ["a", "b"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'n = 1', 'b', 'n = 2', '1 unsure', 'framed: confidence below 0.9, 1 of 3']
    """
    images, labels, confidence = _checked(images), to_array(labels), to_array(confidence)
    if labels.shape != (len(images),) or confidence.shape != labels.shape:
        raise ValueError(f"one label and one confidence a sample: {labels.shape}, {confidence.shape}, {len(images)}")
    bands = [np.flatnonzero(labels == k) for k in range(len(classes))]
    bands = [band[np.argsort(-confidence[band], kind="stable")] for band in bands]
    left, wide, between = 0.78, 5.9, 0.07
    tall = [max(1, math.ceil(len(band) / ACROSS)) for band in bands]
    unit = wide / _cells(images, 1, ACROSS)[1]  # inches a pixel of a picture
    heights = [max(unit * _cells(images, rows, 1)[0], 2 * WORDS - 0.04) for rows in tall]
    with style():
        figure, ax = sheet(left + wide + MARGIN, sum(heights) + between * (len(bands) - 1) + WORDS + 2 * MARGIN)
        top = ax.get_ylim()[1] - MARGIN
        for name, band, height in zip(classes, bands, heights, strict=True):
            unsure = confidence[band] < sure
            _label_band(ax, top, str(name), len(band), int(unsure.sum()))
            if len(band):
                _band(ax, images[band], unsure, (left, top), unit)
            top -= height + between
        ax.text(left, MARGIN, _framed(confidence, sure), color=PALETTE[1], fontsize=7, va="bottom")
    return figure


def fan_figure(origins: Sequence[tuple[str, Any]], results: Any) -> Figure:
    """H Figures 5 and 6: where several backward runs began, at left, and what they came to, (n, C, H, W), at right.

    `origins` are (words, picture (C, H, W)), one above the other; the runs begin from the last of them.
    Raises ValueError for another shape.

    >>> figure = fan_figure([("x_T", np.zeros((1, 8, 8)))], np.zeros((9, 1, 8, 8)))
    >>> len(figure.axes[0].images), len(figure.axes[0].patches)
    (2, 1)
    """
    results = _checked(results)
    columns = columns_for(len(results))
    height, width = _cells(results, math.ceil(len(results) / columns), columns)
    right, side, between = 2.7, 1.05, 0.62
    tall = right * height / width
    shape = results.shape[-2] / results.shape[-1]
    one = side * shape + WORDS
    with style():
        figure, ax = sheet(side + between + right + 2 * MARGIN, max(tall, one * len(origins)) + 2 * MARGIN)
        middle = ax.get_ylim()[1] / 2
        place(ax, results, (MARGIN + side + between, middle - tall / 2), right, columns)
        rooms = np.linspace(tall / 2 - one / 2, -tall / 2 + one / 2, len(origins)) if len(origins) > 1 else [0.0]
        for (words, picture), room in zip(origins, rooms, strict=True):
            bottom = middle + room - one / 2
            place(ax, to_array(picture)[None], (MARGIN, bottom), side, gap=0)
            ax.text(MARGIN + side / 2, bottom + side * shape + 0.04, words, ha="center", va="bottom")
        at = middle + rooms[-1] - one / 2 + side * shape / 2
        x = MARGIN + side + 0.08
        arrow(ax, [(x, at), (x + between - 0.16, at)], linewidth=1.2, mutation_scale=10)
    return figure


def _row(states: Sequence[np.ndarray], times: Sequence[float], gap: int) -> Figure:
    """Grids of one size side by side, each under its time."""
    if not states or len(states) != len(times):
        raise ValueError(f"there must be a state a time: {len(states)} states, {len(times)} times")
    states = [_checked(x) for x in states]
    columns = columns_for(len(states[0]))
    height, width = _cells(states[0], math.ceil(len(states[0]) / columns), columns, gap)
    between = 0.07
    wide = min(1.5, (6.8 - 2 * MARGIN + between) / len(states) - between)
    tall = wide * height / width
    with style():
        figure, ax = sheet(len(states) * (wide + between) - between + 2 * MARGIN, tall + WORDS + 2 * MARGIN)
        for k, (x, t) in enumerate(zip(states, times, strict=True)):
            left = MARGIN + k * (wide + between)
            place(ax, x, (left, MARGIN), wide, columns, gap)
            ax.text(left + wide / 2, MARGIN + tall + 0.04, clock(t), ha="center", va="bottom")
    return figure


def _checked(images: Any) -> np.ndarray:
    images = to_array(images)
    if images.ndim != 4 or not images.size:
        raise ValueError(f"images have the shape (n, C, H, W), none of them 0, not {images.shape}")
    return images


def _cells(images: np.ndarray, rows: int, columns: int, gap: int = GAP) -> tuple[int, int]:
    """Pixels of a grid of so many rows and columns, as `place` draws it."""
    return rows * (images.shape[-2] + gap) - gap, columns * (images.shape[-1] + gap) - gap


def _label_band(ax: Axes, top: float, name: str, n: int, unsure: int) -> None:
    ax.text(MARGIN, top - 0.02, name, fontsize=11, fontweight="bold", va="top")
    ax.text(0.7, top - 0.04, f"n = {n}", ha="right", va="top")
    if unsure:
        ax.text(0.7, top - WORDS, f"{unsure} unsure", color=PALETTE[1], fontsize=6.5, ha="right", va="top")


def _band(ax: Axes, images: np.ndarray, unsure: np.ndarray, corner: tuple[float, float], unit: float) -> None:
    """Pictures in rows below `corner`, those that are unsure in frames; `unit` inches a pixel."""
    from matplotlib.patches import Rectangle

    columns = min(ACROSS, len(images))
    height, width = _cells(images, math.ceil(len(images) / columns), columns)
    left, top = corner
    place(ax, images, (left, top - unit * height), unit * width, columns)
    high, wide = (unit * (side + GAP) for side in images.shape[-2:])
    for k in np.flatnonzero(unsure):
        at = left + (k % columns) * wide - unit * GAP / 2, top - (k // columns + 1) * high + unit * GAP / 2
        ax.add_patch(Rectangle(at, wide, high, fill=False, edgecolor=PALETTE[1], linewidth=1.3))


def _framed(confidence: np.ndarray, sure: float) -> str:
    return f"framed: confidence below {sure:g}, {int((confidence < sure).sum())} of {len(confidence)}"
