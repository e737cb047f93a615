"""H section 6 in pictures: profiles of a field over time, and how noise takes the first mode's share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.style import PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


def profiles_figure(x: Tensor, panels: Sequence[tuple[str, Tensor]], times: Sequence[float]) -> Figure:
    """H Figure 7: for each panel (title, u (k, n)) the profiles at k times, from light to dark, over x (n,).

    >>> import torch
    >>> u = torch.stack([torch.zeros(5), torch.ones(5)])
    >>> figure = profiles_figure(torch.linspace(0, 1, 5), [("a", u), ("b", -u)], [0.0, 0.1])
    >>> [ax.get_title() for ax in figure.axes[:2]]
    ['a', 'b']
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    first = min(t for t in times if t > 0)
    norm, colours = LogNorm(first, max(times)), colormaps["viridis_r"]
    with style():
        figure, axes = new_figure(6.5, 0.4 + 2.1 * rows, rows, columns, sharex=True, sharey=True)
        for ax, (title, states) in zip(axes.flat, panels, strict=False):
            for t, u in zip(times, np.asarray(states), strict=True):
                ax.plot(np.asarray(x), u, color=colours(norm(max(t, first))), linewidth=0.9)
            ax.set_title(title)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for ax in axes[:, 0]:
            ax.set_ylabel("u(x, t)")
        for ax in axes[-1]:
            ax.set_xlabel("x")
        axes[0, 0].set_xlim(0, 1)
        figure.colorbar(ScalarMappable(norm, colours), ax=axes, label="t", shrink=0.8, aspect=30)
    return figure


def shares_figure(readings: Sequence[Any]) -> Figure:
    """How noise takes the first mode's share of ∫|∇u|², for several readings of the noise.

    Left, the share against η / η_c: theory as lines, simulations as points with two standard errors. Right, η_c on
    finer grids, relative to the coarsest: noise whose line is level has a limit. Each reading has `name`, `critical`
    (η_c), `eta` and `theory` of its line, `measured` as (η, share, error) triples, and `limits` as (cells, η_c) pairs.

    >>> from types import SimpleNamespace as Thing
    >>> one = Thing(name="white", critical=0.2, eta=[0.0, 0.2], theory=[1.0, 0.0], measured=[(0.1, 0.75, 0.01)],
    ...             limits=[(50, 0.3), (100, 0.2)])
    >>> figure = shares_figure([one])
    >>> figure.axes[1].get_xlabel()
    'cells of the grid'
    """
    with style():
        figure, axes = new_figure(6.5, 3.4, columns=2)
        left, right = axes[0]
        for reading, color, line, marker in zip(readings, PALETTE, ("-", "--", ":", "-."), "os^D", strict=False):
            scaled = np.asarray(reading.eta) / reading.critical
            label = f"{reading.name}, $\\eta_c$ = {reading.critical:.3g}"
            left.plot(scaled, reading.theory, line, color=color, label=label)
            if reading.measured:
                eta, share, error = np.asarray(reading.measured).T
                how = {"markersize": 4.5, "markerfacecolor": "none", "linewidth": 0.8, "capsize": 2}
                left.errorbar(eta / reading.critical, share, 2 * error, fmt=marker, color=color, **how)
            cells, limit = np.asarray(reading.limits).T
            right.loglog(cells, limit / limit[0], line + marker, color=color, markersize=3.5)
        left.set_xlabel("$\\eta\\,/\\,\\eta_c$")
        left.set_ylabel("first mode's share of $\\int|\\nabla u|^2$")
        left.set_ylim(-0.02, 1.02)
        left.set_xlim(left=0)
        ticks = [int(n) for n, _ in readings[0].limits]
        right.set_xticks(ticks, [str(n) for n in ticks])
        right.minorticks_off()
        right.set_xlabel("cells of the grid")
        right.set_ylabel("$\\eta_c$, relative")
        title = "lines: theory, points: simulation"
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2, title=title)
    return figure
