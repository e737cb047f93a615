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


def backward_figure(x: Tensor, examples: Sequence[tuple[Tensor, Tensor, Tensor]], trial: Any, draws: int) -> Figure:
    """A learned ψ. Above, fields u(T) (cells,), where they came from u(0) (cells,), and draws of ψ (m, cells).

    Below, for each mode, how far the distribution of the ranks of the truth among the draws is from uniform, within
    which 99 % would lie at each place; the same for draws that are too wide on purpose; and by how much the energy
    scores of others are above the network's, with two standard errors. `trial` has `ranks` and `widened` (B, modes),
    `scores` and `worse`, {name: (mean, error)}.

    >>> import torch
    >>> from types import SimpleNamespace as Thing
    >>> ranks = torch.arange(100)[:, None]
    >>> one = Thing(ranks=ranks, widened=ranks, scores={"network": (1.0, 0.1)}, worse={"nearest": (0.2, 0.1)})
    >>> u = torch.zeros(5)
    >>> figure = backward_figure(torch.linspace(0, 1, 5), [(u, u, u[None])], one, 99)
    >>> figure.axes[0].get_xlabel()
    'x'
    """
    from matplotlib.lines import Line2D

    columns = max(3, len(examples))
    with style():
        figure, axes = new_figure(6.8, 4.4, rows=2, columns=columns)
        for ax, (u_T, u_0, drawn) in zip(axes[0], examples, strict=False):
            ax.plot(np.asarray(x), np.asarray(drawn).T, color=PALETTE[0], linewidth=0.6, alpha=0.55)
            ax.plot(np.asarray(x), np.asarray(u_0), color="black", linewidth=1.3)
            ax.plot(np.asarray(x), np.asarray(u_T), color=PALETTE[1], linewidth=1.3, linestyle="--")
            ax.set_xlabel("x")
            ax.set_xlim(0, 1)
        axes[0, 0].set_ylabel("u")
        for title, ax, found in (
            ("ranks of the truth", axes[1, 0], trial.ranks),
            ("too wide on purpose", axes[1, 1], trial.widened),
        ):
            _draw_ranks(ax, np.asarray(found), draws)
            ax.set_title(title)
        axes[1, 0].set_ylabel("share below, less uniform")
        most = max(abs(bound) for ax in axes[1, :2] for bound in ax.get_ylim())
        for ax in axes[1, :2]:
            ax.set_ylim(-most, most)
        _draw_scores(axes[1, 2], trial)
        for ax in [*axes[0, len(examples) :], *axes[1, 3:]]:
            ax.set_axis_off()
        lines = [
            Line2D([], [], color="black", linewidth=1.3, label="u(0), the truth"),
            Line2D([], [], color=PALETTE[1], linewidth=1.3, linestyle="--", label="u(T), which is given"),
            Line2D([], [], color=PALETTE[0], linewidth=0.8, label="draws of u(0) given u(T)"),
        ]
        figure.legend(handles=lines, loc="outside upper center", ncols=3)
        modes = axes[1, 0].get_legend_handles_labels()
        figure.legend(*modes, loc="outside lower left", ncols=len(modes[0]), fontsize="small", columnspacing=1)
    return figure


def _draw_ranks(ax: Any, ranks: np.ndarray, draws: int) -> None:
    """The distribution function of ranks (B, modes) less that of uniform ones, and where 99 % of these would lie."""
    at = (np.arange(draws + 1) + 1) / (draws + 1)
    band = 2.576 * np.sqrt(at * (1 - at) / len(ranks))
    ax.fill_between(at, -band, band, color="0.88", linewidth=0)
    for mode, column in enumerate(ranks.T):
        share = np.bincount(column, minlength=draws + 1).cumsum() / len(column)
        ax.plot(at, share - at, color=PALETTE[mode % len(PALETTE)], linewidth=0.9, label=f"mode {mode + 1}")
    ax.set_xlim(0, 1)
    ax.set_xlabel("rank / draws")


def _draw_scores(ax: Any, trial: Any) -> None:
    """By how much each is above the network's own energy score, pair by pair."""
    names = list(trial.worse)
    mean, error = np.array([trial.worse[name] for name in names]).T
    ax.axvline(0, color="0.6", linewidth=0.8)
    ax.errorbar(mean, range(len(names)), xerr=2 * error, fmt="o", color=PALETTE[0], markersize=4, capsize=3)
    for place, (middle, deviation) in enumerate(zip(mean, error, strict=True)):
        words = f"{middle:+.4f} ± {2 * deviation:.4f}"
        ax.annotate(words, (0.5, place - 0.18), xycoords=("axes fraction", "data"), ha="center", fontsize=7)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_title("energy score, lower is better")
    ax.set_xlabel(f"above the network's {trial.scores['network'][0]:.4f}")
