"""A data set at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fromnoise.figures.style import GRAY, PALETTE, bare, new_figure, plain, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fromnoise.data import Dataset

MOST_POINTS, MOST_COLUMNS, MOST_CLASSES = 10_000, 12, 30


def data_figure(dataset: Dataset, n: int = 64, seed: int = 0) -> Figure:
    """What the data look like: n pictures (or fields), a cloud of points, or a histogram a column of a table.

    Pictures are drawn at random, in the order of the data; of points and tables at most 10,000 rows are
    shown, whatever n is. With labels there is a bar a class as well. Numbers are in the data's own units.
    Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if dataset.kind == "fields":
        from fromnoise.figures.fields import draw_fields

        return draw_fields(dataset.units.to_own(dataset.batch(choose(dataset, n, seed))), dataset.columns)
    with style():
        if dataset.kind == "points" and dataset.shape[0] > 2:
            return _table(dataset, seed)
        counted = 0 if dataset.labels is None else 1
        figure, axes = new_figure(
            5.2 if counted else 3.5, 3.4, 1, 1 + counted, gridspec_kw={"width_ratios": [2.2, 1.0][: 1 + counted]}
        )
        ax = axes[0, 0]
        if dataset.kind == "images":
            _images(ax, dataset, n, seed)
        else:
            _points(ax, dataset, seed)
        if dataset.labels is not None:
            _counts(axes[0, 1], dataset, dataset.labels)
        figure.suptitle(_facts(dataset))
    return figure


def choose(dataset: Dataset, n: int, seed: int = 0) -> np.ndarray:
    """n different rows at random, rising; all of them where there are no more.

    >>> from fromnoise.data import load
    >>> choose(load("moons", n=3), 10)
    array([0, 1, 2])
    """
    if n >= len(dataset):
        return np.arange(len(dataset))
    return np.sort(np.random.default_rng(seed).choice(len(dataset), n, replace=False))


def _facts(dataset: Dataset) -> str:
    if dataset.kind == "points":
        return f"{len(dataset):,} points, {dataset.shape[0]}-dimensional"
    colour = {1: "gray", 3: "RGB", 4: "RGBA"}.get(dataset.shape[0], f"{dataset.shape[0]} channels")
    return f"{len(dataset):,} images, {dataset.shape[1]} × {dataset.shape[2]} pixels, {colour}"


def _images(ax: Axes, dataset: Dataset, n: int, seed: int) -> None:
    from fromnoise.figures.pictures import grid

    bare(ax)
    picture = grid(dataset.batch(choose(dataset, n, seed)))
    ax.imshow(np.asarray(picture), cmap="gray", vmin=0, vmax=255)


def _points(ax: Axes, dataset: Dataset, seed: int) -> None:
    from fromnoise.figures.points import scatter

    rows = choose(dataset, MOST_POINTS, seed)
    labels = None if dataset.labels is None else dataset.labels[rows]
    points = dataset.units.to_own(dataset.batch(rows))
    scatter(points, ax, columns=dataset.columns, labels=labels, classes=dataset.classes)
    legend = ax.get_legend()
    if legend:
        legend.remove()  # the bars beside carry the same names and colours


def _counts(ax: Axes, dataset: Dataset, labels: np.ndarray) -> None:
    counts = np.bincount(labels, minlength=len(dataset.classes))[:MOST_CLASSES]
    names = [plain(name, 16) for name in dataset.classes[:MOST_CLASSES]]
    coloured = dataset.kind == "points" and len(dataset.classes) <= len(PALETTE)
    colours = PALETTE[: len(counts)] if coloured else PALETTE[0]
    bars = ax.barh(range(len(counts)), counts, color=colours, height=0.7)
    ax.bar_label(bars, [f"{count:,}" for count in counts], fontsize=6, padding=2, color=GRAY)
    ax.set_yticks(range(len(counts)), names)
    ax.set_ylim(max(len(counts), 6) - 0.5, -0.5)  # few classes do not become fat bars
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.25)
    more = len(dataset.classes) - len(counts)
    ax.set_title("samples per class" + (f" ({more} more classes)" if more else ""))


def _amount(value: float) -> str:
    """Three digits, without an exponent where it can be done."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"


def _table(dataset: Dataset, seed: int) -> Figure:
    from fromnoise.figures.points import histogram

    values = np.asarray(dataset.units.to_own(dataset.batch(choose(dataset, MOST_POINTS, seed))))
    d = min(dataset.shape[0], MOST_COLUMNS)
    names = list(dataset.columns) or [f"column {k + 1}" for k in range(d)]
    across = min(d, 4)
    down = -(-d // across)
    figure, axes = new_figure(1.75 * across, 1.5 * down + 0.4, down, across)
    for k, ax in enumerate(axes.flat):
        if k >= d:
            ax.set_visible(False)
            continue
        histogram(ax, values[:, k])
        mean, deviation = values[:, k].mean(), values[:, k].std()
        ax.set_title(plain(names[k]))
        ax.set_xlabel(f"{_amount(mean)} ± {_amount(deviation)}", color=GRAY)
        ax.locator_params(axis="x", nbins=4)
        ax.ticklabel_format(axis="x", scilimits=(-3, 5), useMathText=True)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    more = dataset.shape[0] - d
    figure.suptitle(
        f"{len(dataset):,} rows, {dataset.shape[0]} columns" + (f" (the first {d})" if more else "")
        + ": mean ± standard deviation"
    )  # fmt: skip
    return figure
