"""Training curves from a run's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.errors import UserError
from fromnoise.figures.style import PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def loss_figure(rows: Sequence[Mapping[str, Any]], floor: float | None = None) -> Figure:
    """The loss against the step, raw and smoothed, with learning rate and gradient norm where logged.

    `rows` are those of `training.log.read`: "step" and "loss", perhaps "lr" and "grad_norm"; what is not a
    finite number is left out. The scale is logarithmic where every loss is positive. `floor` is the loss of
    the exact denoiser, drawn as a line, where it is known. Raises UserError where nothing was logged.

    >>> figure = loss_figure([{"step": 10, "loss": 1.0}, {"step": 20, "loss": 0.5}])
    >>> figure.axes[0].lines[0].get_ydata()
    array([1. , 0.5])
    """
    step, loss = series(rows, "loss")
    if not len(step):
        raise UserError("this run has no logged loss yet: train for more steps, or lower train.log_every")
    extras = [
        (name, key) for name, key in (("learning rate", "lr"), ("gradient norm", "grad_norm"))
        if len(series(rows, key)[0])
    ]  # fmt: skip
    with style():
        ratios = [3.0] + [1.0] * len(extras)
        figure, axes = new_figure(
            5.0, 2.6 + 0.9 * len(extras), len(ratios), 1, sharex=True, gridspec_kw={"height_ratios": ratios}
        )
        ax = axes[0, 0]
        ax.plot(step, loss, color=PALETTE[0], alpha=0.35, linewidth=0.7, label="logged")
        if len(step) > 20:
            ax.plot(step, smooth(loss), color=PALETTE[0], label="smoothed")
        if floor is not None:
            ax.axhline(floor, color=PALETTE[1], linewidth=0.9, linestyle="--", label="exact denoiser")
        if (loss > 0).all():
            _log_scale(ax)
        ax.set_ylabel("loss")
        ax.legend(loc="upper right")
        for below, (name, key) in zip(axes[1:, 0], extras, strict=True):
            below.plot(*series(rows, key), color=PALETTE[6], linewidth=0.8)
            below.set_ylabel(name)
        axes[-1, 0].set_xlabel("step")
        axes[-1, 0].margins(x=0.01)
        figure.align_ylabels()
    return figure


def _log_scale(ax: Axes) -> None:
    """A logarithmic scale that says 0.02 and 0.05, not 2 × 10⁻²."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def series(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps and the finite numbers logged under `key`, both (n,).

    >>> series([{"step": 1, "lr": 0.1}, {"step": 2, "lr": float("nan")}, {"step": 3}], "lr")
    (array([1.]), array([0.1]))
    """
    pairs = [(row["step"], row[key]) for row in rows if _number(row.get("step")) and _number(row.get(key))]
    steps, values = np.array(pairs, np.float64).reshape(-1, 2).T
    return steps, values


def smooth(values: np.ndarray, half: int | None = None) -> np.ndarray:
    """The average over `half` entries (a thirtieth of all) before and after each, taken twice.

    At the beginning, where a loss falls steeply, the window shrinks on both sides alike, so that the curve
    begins where the losses do; at the end it loses only what lies beyond.

    >>> smooth(np.array([1.0, 2.0, 3.0, 4.0]), half=1)
    array([1.        , 2.        , 2.83333333, 3.25      ])
    """
    n = len(values)
    half = max(1, n // 30) if half is None else half
    at = np.arange(n)
    low, high = np.maximum(at - half, 0), np.minimum(np.minimum(at + half, 2 * at), n - 1) + 1
    for _ in range(2):
        total = np.concatenate([[0.0], np.cumsum(values)])
        values = (total[high] - total[low]) / (high - low)
    return values


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))
