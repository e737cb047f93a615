"""Quality against network calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fromnoise.figures.style import PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)


def tune_figure(reference: Any, tried: Sequence[Any], chosen: Any, names: Sequence[str]) -> Figure:
    """Distance and astray share of every way against its calls, a line a solver (dashed: not even in time).

    `reference`, `tried` and `chosen` are those of `evaluation.tune`, `names` what the two measures are called. The
    grey band is what lies within the noise of the chain, the ring is the way that was chosen.

    >>> from types import SimpleNamespace as Thing
    >>> chain = Thing(steps=1000, n=500, mean=(1.0, 0.01), limit=lambda seeds: (1.1, 0.02))
    >>> way = Thing(solver="ddim", path="even", calls=5, distance=2.0, astray=0.1)
    >>> figure = tune_figure(chain, [way], way, ("distance", "astray"))
    >>> figure.axes[0].get_ylabel()
    'distance'
    """
    tried = [way for way in tried if math.isfinite(way.distance)]
    solvers = list(dict.fromkeys(way.solver for way in tried))
    with style():
        figure, axes = new_figure(6.5, 3.2, columns=2)
        for k, ax in enumerate(axes[0]):
            of = (lambda way: way.distance, lambda way: 100 * way.astray)[k]
            for solver in solvers:
                _lines(ax, [way for way in tried if way.solver == solver], of, solvers.index(solver))
            scale = 100 if k else 1
            ax.axhspan(0, scale * reference.limit(1)[k], color="0.88", zorder=0, label="noise of the chain")
            if chosen is not None:
                ax.plot(chosen.calls, of(chosen), "o", markersize=9, mfc="none", mec="black", label="chosen")
            ax.set_xscale("log")
            calls = [way.calls for way in tried] or [1]
            ticks = [tick for tick in _TICKS if min(calls) <= tick <= max(calls)]
            ax.set_xticks(ticks, [str(tick) for tick in ticks])
            ax.set_xlabel("network calls")
            ax.set_ylabel(f"{names[1]} (%)" if k else names[0])
        axes[0, 0].set_yscale("log")
        axes[0, 1].set_yscale("symlog", linthresh=1.0)
        axes[0, 1].set_ylim(bottom=0)
        for ax in axes[0]:
            ax.minorticks_off()
        handles, labels = axes[0, 0].get_legend_handles_labels()
        title = f"{reference.n} samples; solid: even in $t$, dashed: even in $\\lambda$"
        figure.legend(handles, labels, loc="outside lower center", ncols=5, title=title)
    return figure


def _lines(ax: Any, ways: Sequence[Any], of: Callable[[Any], float], color: int) -> None:
    """A solver's line for each path."""
    for path in dict.fromkeys(way.path for way in ways):
        some, even = sorted((way for way in ways if way.path == path), key=lambda way: way.calls), path == "even"
        ax.plot(
            [way.calls for way in some], [of(way) for way in some], "-o" if even else "--o", markersize=2.5,
            color=PALETTE[color % len(PALETTE)], label=ways[0].solver if even else None, alpha=1.0 if even else 0.7,
        )  # fmt: skip
