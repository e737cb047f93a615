"""Quality against network calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fromnoise.figures.style import PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000)


def tune_figure(reference: Any, tried: Sequence[Any], title: str) -> Figure:
    """The distance of every way against its calls, a line a solver (dashed: not even in time), and the chain's noise.

    `reference` and `tried` are those of `evaluation.tune`: steps, mean and limit; solver, path, calls and distance.

    >>> from types import SimpleNamespace as Thing
    >>> chain = Thing(steps=1000, mean=1.0, limit=lambda seeds: 1.1)
    >>> figure = tune_figure(chain, [Thing(solver="ddim", path="even", calls=5, distance=2.0)], "distance")
    >>> figure.axes[0].get_ylabel()
    'distance'
    """
    tried = [way for way in tried if math.isfinite(way.distance)]
    with style():
        figure, axes = new_figure(5.0, 3.2)
        ax = axes[0, 0]
        solvers = list(dict.fromkeys(way.solver for way in tried))
        for solver in solvers:
            for path in dict.fromkeys(way.path for way in tried):
                ways = sorted((w for w in tried if (w.solver, w.path) == (solver, path)), key=lambda way: way.calls)
                even = path == "even"
                ax.plot(
                    [w.calls for w in ways], [w.distance for w in ways], "-o" if even else "--", markersize=3,
                    color=PALETTE[solvers.index(solver) % len(PALETTE)], label=solver if even else None,
                    alpha=1.0 if even else 0.6,
                )  # fmt: skip
        low, high = 2 * reference.mean - reference.limit(1), reference.limit(1)
        ax.axhspan(max(low, 1e-9), high, color="0.85", zorder=0, label=f"chain of {reference.steps}")
        ax.set_xscale("log")
        ax.set_yscale("log")
        best = min((way.distance for way in tried), default=reference.mean)
        ax.set_ylim(min(best, reference.mean) / 1.5, 30 * max(best, reference.mean))
        calls = [way.calls for way in tried] or [1]
        ticks = [tick for tick in _TICKS if min(calls) <= tick <= max(calls)]
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_xlabel("network calls")
        ax.set_ylabel(title)
        ax.legend(loc="upper right", ncols=2, title="solid: even in t, dashed: even in $\\lambda$")
    return figure
