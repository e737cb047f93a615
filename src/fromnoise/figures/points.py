"""Clouds of points as figures, and `draw_samples`, which draws samples of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.pictures import to_array
from fromnoise.figures.style import FAINT, GRAY, PALETTE, new_figure, plain, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

MOST_DRAWN = 50_000
MOST_PAIRED = 4
"""Columns of a table that are plotted against each other; the others are left out."""

Limits = tuple[tuple[float, float], tuple[float, float]]


def scatter(
    points: Any,
    ax: Axes | None = None,
    reference: Any = None,
    limits: Limits | None = None,
    *,
    columns: Sequence[str] = (),
    labels: Any = None,
    classes: Sequence[str] = (),
) -> Figure:
    """Points (n, d), in their own units, as a cloud; the more there are, the smaller and fainter each.

    One column gives a histogram, two a cloud, more a pair plot of the first four (of the first two where
    `ax` is given). `reference`, points (m, d), lies behind in gray. `limits` are ((left, right), (bottom,
    top)) and may be left out, `columns` the names of the axes, `labels` (n,) indices into `classes`. At most
    50,000 points of each are drawn, evenly chosen. Draws on `ax`, or on a new figure, and returns the
    figure. Raises ValueError for another shape.

    >>> len(scatter(np.zeros((5, 2))).axes), len(scatter(np.zeros((5, 3))).axes)
    (1, 9)
    """
    points, labels = _thin(points, labels)
    behind = None if reference is None else _thin(reference)[0]
    if behind is not None and behind.shape[1] != points.shape[1]:
        raise ValueError(f"points {points.shape} and reference {behind.shape} must have the same columns")
    groups = _groups(points, labels, classes)
    names = _names(columns, points.shape[1])
    with style():
        if ax is None and points.shape[1] > 2:
            return _pairs(groups, behind, names)
        if ax is None:
            ax = new_figure(3.2, 2.4 if points.shape[1] == 1 else 3.2)[1][0, 0]
        if points.shape[1] == 1:
            _histogram(ax, groups, behind, 0, limits)
            ax.set_xlabel(names[0])
            ax.set_ylabel("density")
        else:
            _cloud(ax, groups, behind, (0, 1))
            _frame(ax, limits, equal=not columns)
            ax.set_xlabel(names[0])
            ax.set_ylabel(names[1])
        _legend(ax, groups)
    figure = ax.figure
    while not hasattr(figure, "savefig"):  # a figure within a figure
        figure = figure.figure
    return figure  # type: ignore[return-value]


def draw_samples(
    samples: Any,
    kind: str,
    columns: Sequence[str] = (),
    labels: Any = None,
    classes: Sequence[str] = (),
) -> Image.Image | Figure:
    """Samples (n, *shape), in their own units, as a person wants to see them; `save` writes either result.

    Images are a grid (where the labels run through the classes in turn, one column a class), points a cloud,
    fields (C, H, W) maps with a shared colour bar, and fields (C, L) curves. `columns` names the columns of a
    table, or the channels of a field. Raises ValueError for another kind or shape.

    >>> draw_samples(np.zeros((4, 1, 8, 8)), "images").size
    (518, 518)
    """
    from fromnoise.figures.fields import draw_fields
    from fromnoise.figures.pictures import grid

    if kind == "images":
        return grid(samples, _cycle(labels, classes))
    if kind == "points":
        return scatter(samples, columns=columns, labels=labels, classes=classes)
    if kind == "fields":
        return draw_fields(samples, columns)
    raise ValueError(f"kind is points, images or fields, not {kind!r}")


def histogram(ax: Axes, values: Any, colour: str = PALETTE[0], limits: tuple[float, float] | None = None) -> None:
    """The density of numbers (n,), as a filled staircase.

    The number of bins follows Freedman and Diaconis, between 10 and 100; `limits` are where they begin and
    end, the extremes if left out.
    """
    values = to_array(values).astype(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = limits or (values.min(), values.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    quartiles = np.quantile(values, [0.25, 0.75])
    width = 2 * (quartiles[1] - quartiles[0]) / len(values) ** (1 / 3)
    bins = int(np.clip((high - low) / width, 10, 100)) if width > 0 else 30
    heights, edges = np.histogram(values, bins, (low, high), density=True)
    ax.stairs(heights, edges, fill=True, color=colour, alpha=0.35)
    ax.stairs(heights, edges, color=colour, linewidth=0.8)


def tidy(points: Any) -> np.ndarray:
    """Points as (n, d) numbers; a row of numbers is one column. Raises ValueError for another shape."""
    points = to_array(points)
    if points.ndim == 1:
        points = points[:, None]
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"points have the shape (n, d), not {points.shape}")
    return points


def _thin(points: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray | None]:
    """At most MOST_DRAWN rows, evenly chosen, without those that are not finite."""
    points = tidy(points)
    labels = None if labels is None else to_array(labels)
    if labels is not None and labels.shape != (len(points),):
        raise ValueError(f"labels are (n,), one a point: {labels.shape} for {len(points)} points")
    chosen = np.flatnonzero(np.isfinite(points).all(axis=1))
    if len(chosen) > MOST_DRAWN:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_DRAWN).astype(int)]
    return points[chosen], None if labels is None else labels[chosen]


Group = tuple[str, str, np.ndarray]
"""Name, colour and points of those that share a colour."""


def _groups(points: np.ndarray, labels: np.ndarray | None, classes: Sequence[str]) -> list[Group]:
    """One group a class, as far as the colours go; without labels, or with too many classes, one for all."""
    if labels is None or not 1 < len(classes) <= len(PALETTE):
        return [("", PALETTE[0], points)]
    return [(name, PALETTE[k], points[labels == k]) for k, name in enumerate(classes)]


def _names(columns: Sequence[str], d: int) -> list[str]:
    if columns:
        return [plain(name) for name in columns]
    return [""] * d if d <= 2 else [f"$x_{{{k + 1}}}$" for k in range(d)]


def _look(n: int, inches: float) -> dict[str, Any]:
    """Markers whose total ink stays about the same, as n grows, in axes of that many inches."""
    size = float(np.clip(37 * inches / np.sqrt(max(n, 1)), 1.1, 3.6))  # in points
    alpha = float(np.clip(70 / max(n, 1) ** 0.6, 0.15, 0.85))
    return {
        "markersize": size, "alpha": alpha, "markeredgewidth": 0, "marker": "o", "linestyle": "",
        "rasterized": n > 2000,  # a vector file of a hundred thousand dots opens nowhere
    }  # fmt: skip


def _cloud(ax: Axes, groups: list[Group], behind: np.ndarray | None, at: tuple[int, int]) -> None:
    i, j = at
    inches = ax.get_window_extent().width / ax.figure.dpi
    if behind is not None:
        wide = {**_look(len(behind), inches), "markersize": 5.0, "alpha": 1.0}  # to be seen around the points
        ax.plot(behind[:, i], behind[:, j], color=FAINT, **wide)
    look = _look(sum(len(points) for _, _, points in groups), inches)
    for _, colour, points in groups:
        ax.plot(points[:, i], points[:, j], color=colour, **look)


def _histogram(ax: Axes, groups: list[Group], behind: np.ndarray | None, at: int, limits: Limits | None = None) -> None:
    everything = np.concatenate(
        [points[:, at] for _, _, points in groups] + ([] if behind is None else [behind[:, at]])
    )
    span = limits[0] if limits else ((everything.min(), everything.max()) if len(everything) else (0.0, 1.0))
    if behind is not None:
        histogram(ax, behind[:, at], GRAY, span)
    for _, colour, points in groups:
        histogram(ax, points[:, at], colour, span)
    if limits:
        ax.set_xlim(*limits[0])
        ax.set_ylim(*limits[1])


def _frame(ax: Axes, limits: Limits | None, equal: bool) -> None:
    if limits:
        ax.set_xlim(*limits[0])
        ax.set_ylim(*limits[1])
    if equal:
        ax.locator_params(nbins=5)
        ax.set_aspect("equal", adjustable="box" if limits else "datalim")


def _pairs(groups: list[Group], behind: np.ndarray | None, names: list[str]) -> Figure:
    d = min(groups[0][2].shape[1], MOST_PAIRED)
    figure, axes = new_figure(1.7 * d, 1.7 * d, d, d, sharex="col")
    for i in range(d):
        for j in range(d):
            ax = axes[i, j]
            if i == j:
                _histogram(ax, groups, behind, i)
                ax.set_yticks([])
            else:
                _cloud(ax, groups, behind, (j, i))
            if i == d - 1:
                ax.set_xlabel(names[j])
            if j == 0:
                ax.set_ylabel(names[i])
            elif i != j:
                ax.tick_params(labelleft=False)
    for i in range(d):  # rows share their scale, but for the histograms on the diagonal
        row = [axes[i, j] for j in range(d) if j != i]
        for ax in row:
            ax.set_ylim(axes[i, i].get_xlim())
    _legend(axes[0, d - 1], groups)
    left_out = groups[0][2].shape[1] - d
    if left_out:
        figure.suptitle(f"the first {d} columns ({left_out} more)")
    return figure


def _legend(ax: Axes, groups: list[Group]) -> None:
    if len(groups) == 1:
        return
    from matplotlib.lines import Line2D

    # the blank: matplotlib leaves out what begins with an underscore
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=4, linestyle="", label=f" {plain(name)}")
        for name, colour, _ in groups
    ]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.1)


def _cycle(labels: Any, classes: Sequence[str]) -> int | None:
    """The number of classes where the labels run through them in turn: each is a column of its own."""
    if labels is None or not 1 < len(classes) <= 20:
        return None
    labels = to_array(labels)
    turns = len(labels) > len(classes) and np.array_equal(labels, np.arange(len(labels)) % len(classes))
    return len(classes) if turns else None
