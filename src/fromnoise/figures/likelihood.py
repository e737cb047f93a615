"""The terms of the variational bound over the times of the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fromnoise.figures.style import PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


def bound_figure(
    times: Tensor, terms: Tensor, errors: Tensor, home: float, prior: float, dimensions: int, T: int
) -> Figure:
    """L_{t−1} over t with twice its standard error, L_0 and, at t = T + 1, L_T; all in nats a dimension (K 11).

    `times`, `terms` and `errors` are (k,), the last two and `home` (L_0) and `prior` (L_T) in nats a sample; terms that
    were drawn at one time are averaged. Both scales are logarithmic; L_0 of points, minus the log of a density, may be
    negative and is then only told.

    >>> import torch
    >>> figure = bound_figure(torch.tensor([2.0, 3.0]), torch.ones(2), torch.zeros(2), -1.0, 0.1, 2, 3)
    >>> figure.axes[0].get_xlabel()
    't'
    """
    every, mean, error = (np.asarray(v, np.float64) for v in (times, terms / dimensions, errors / dimensions))
    t, which = np.unique(every, return_inverse=True)
    count = np.bincount(which)
    mean = np.bincount(which, mean) / count
    error = np.sqrt(np.bincount(which, error**2)) / count
    with style():
        figure, axes = new_figure(5.0, 3.0)
        ax = axes[0, 0]
        ax.loglog(t, mean, color=PALETTE[0], label="$L_{t-1}$")
        low = np.maximum(mean - 2 * error, mean * 1e-3)
        ax.fill_between(
            t, low, mean + 2 * error, color=PALETTE[0], alpha=0.25, linewidth=0, label="two standard errors"
        )
        ends = ((1.0, home, "o", "$L_0$"), (T + 1.0, prior, "s", "$L_T$"))
        for (place, value, marker, name), color in zip(ends, PALETTE[1:3], strict=True):
            shown = ([place], [value / dimensions]) if value > 0 else ([], [])
            how = {"marker": marker, "color": color} if value > 0 else {}
            ax.plot(*shown, linestyle="none", label=f"{name} = {value / dimensions:.2g}", **how)
        ax.set_xlabel("t")
        ax.set_ylabel("nats a dimension")
        ax.legend(loc="lower left")
    return figure
