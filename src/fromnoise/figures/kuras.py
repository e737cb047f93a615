"""The pictures of K: the process (Figure 1), a normal density (2), the two Markov chains (3), a reverse process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.pictures import to_array
from fromnoise.figures.schedule import clock
from fromnoise.figures.sheet import arrow, place, sheet
from fromnoise.figures.style import GRAY, INK, PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORWARD, REVERSE = PALETTE[1], PALETTE[0]
"""The colours of what adds noise and of what takes it away."""

WIDTH, HEIGHT = 4.9, 3.95
MAIN, TOP, SIDE, BAR = (0.5, 0.45, 2.6, 2.6), (0.5, 3.15, 2.6, 0.7), (3.2, 0.45, 0.7, 2.6), (4.2, 0.7, 0.1, 2.1)
"""The normal density's axes in inches, (left, bottom, width, height): the marginals stand square to their axes."""


def process_figure(states: Sequence[Any], times: Sequence[float]) -> Figure:
    """K Figure 1: one picture from data to noise, states (C, H, W) at rising times, between the two processes.

    Raises ValueError where states and times do not go together.

    >>> figure = process_figure([np.zeros((1, 8, 8)), np.ones((1, 8, 8))], [0, 1000])
    >>> [text.get_text() for text in figure.axes[0].texts][:2]
    ['t = 0', 't = 1000']
    """
    if not states or len(states) != len(times):
        raise ValueError(f"there must be a state a time: {len(states)} states, {len(times)} times")
    margin, between, words = 0.08, 0.1, 0.2
    pictures = [to_array(x)[None] for x in states]
    side = min(1.1, (6.8 - 2 * margin + between) / len(states) - between)
    tall = side * pictures[0].shape[-2] / pictures[0].shape[-1]
    wide = len(states) * (side + between) - between
    below = margin + 0.3
    with style():
        figure, ax = sheet(wide + 2 * margin, below + tall + words + 0.28 + margin)
        for k, (picture, t) in enumerate(zip(pictures, times, strict=True)):
            left = margin + k * (side + between)
            place(ax, picture, (left, below), side, gap=0)
            ax.text(left + side / 2, below + tall + 0.04, clock(t), ha="center", va="bottom")
        ends, over, under = (margin, margin + wide), below + tall + words + 0.08, below - 0.1
        arrow(ax, [(ends[0], over), (ends[1], over)], FORWARD, linewidth=1.4, mutation_scale=10, linestyle=(0, (4, 2)))
        arrow(ax, [(ends[1], under), (ends[0], under)], REVERSE, linewidth=1.4, mutation_scale=10)
        forward, reverse = (
            r"forward:  $q(x_t\,|\,x_{t-1})$ adds noise",
            r"reverse:  $p_\theta(x_{t-1}\,|\,x_t)$, learned",
        )
        ax.text(margin + wide / 2, over + 0.07, forward, color=FORWARD, ha="center", va="bottom", fontsize=9)
        ax.text(margin + wide / 2, under - 0.07, reverse, color=REVERSE, ha="center", va="top", fontsize=9)
        for x, place_of, text in ((ends[0], "left", "data"), (ends[1], "right", "noise")):
            ax.text(x, over + 0.07, text, ha=place_of, va="bottom", fontsize=9)
    return figure


def normal_figure(mean: Sequence[float], covariance: Sequence[Sequence[float]]) -> Figure:
    """K Figure 2: the density of a bivariate normal, mean (2,) and covariance (2, 2), with its marginals.

    The lines are the ellipses at 1, 2 and 3 standard deviations. Raises ValueError unless the covariance is symmetric
    and positive definite.

    >>> figure = normal_figure((-1.5, 0.0), ((1.0, 0.0), (0.0, 1.0)))
    >>> round(float(figure.axes[0].lines[0].get_ydata().max()), 3)  # 1 / sqrt(2 pi)
    0.399
    """
    mu, sigma = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    definite = sigma.shape == (2, 2) and np.allclose(sigma, sigma.T) and bool((np.linalg.eigvalsh(sigma) > 0).all())
    if mu.shape != (2,) or not definite:
        raise ValueError(f"a bivariate normal has a mean (2,) and a positive definite (2, 2): {mean}, {covariance}")
    scales = np.sqrt(np.diag(sigma))
    reach = 3.4 * scales.max()
    x, y = (np.linspace(m - reach, m + reach, 201) for m in mu)
    offset = np.stack(np.meshgrid(x - mu[0], y - mu[1]), -1)
    distance = np.einsum("...i,ij,...j", offset, np.linalg.inv(sigma), offset)
    density = np.exp(-distance / 2) / (2 * np.pi * np.sqrt(np.linalg.det(sigma)))
    with style():
        figure, axes = new_figure(WIDTH, HEIGHT, 2, 2, sharex="col", sharey="row")
        figure.set_layout_engine("none")
        main, top, side = axes[1, 0], axes[0, 0], axes[1, 1]
        axes[0, 1].set_axis_off()
        for ax, place_of in ((main, MAIN), (top, TOP), (side, SIDE)):
            ax.set_position([inches / whole for inches, whole in zip(place_of, (WIDTH, HEIGHT) * 2, strict=True)])
        filled = main.contourf(x, y, density, levels=12, cmap="Blues")
        lines = main.contour(x, y, np.sqrt(distance), levels=[1, 2, 3], colors=INK, linewidths=0.7)
        main.clabel(lines, fmt=lambda k: rf"{k:.0f}$\sigma$", fontsize=7)
        main.plot(*mu, "+", color=INK, markersize=7)
        main.set_xlabel("$x_1$")
        main.set_ylabel("$x_2$")
        for ax, at, values in ((top, 0, x), (side, 1, y)):
            marginal = np.exp(-(((values - mu[at]) / scales[at]) ** 2) / 2) / (scales[at] * np.sqrt(2 * np.pi))
            ax.plot(*((values, marginal) if at == 0 else (marginal, values)), color=PALETTE[0])
            (ax.fill_between if at == 0 else ax.fill_betweenx)(values, marginal, color=PALETTE[0], alpha=0.2)
            (ax.set_ylim if at == 0 else ax.set_xlim)(0, 1.1 * marginal.max())
            ax.locator_params(axis="y" if at == 0 else "x", nbins=2)
        top.set_ylabel("$p(x_1)$")
        side.set_xlabel("$p(x_2)$")
        top.tick_params(labelbottom=False)
        side.tick_params(labelleft=False)
        bar = figure.add_axes([inches / whole for inches, whole in zip(BAR, (WIDTH, HEIGHT) * 2, strict=True)])
        figure.colorbar(filled, cax=bar, label="$p(x_1, x_2)$", format="%.2f")
    return figure


def chain_figure(states: Sequence[Any]) -> Figure:
    """K Figure 3: the two Markov chains, states (C, H, W) of one picture at T, t, t - 1 and 0.

    Raises ValueError for another number of states.

    >>> figure = chain_figure([np.zeros((1, 8, 8))] * 4)
    >>> [text.get_text() for text in figure.axes[0].texts if "x_{t-1}$" in text.get_text()]
    ['$x_{t-1}$']
    """
    if len(states) != 4:
        raise ValueError(f"the chain shows the states at T, t, t - 1 and 0: four, not {len(states)}")
    side, between, wide = 0.86, 0.62, 1.1  # `wide` is the room between t and t - 1, where the kernels are named
    pictures = [to_array(x)[None] for x in states]
    tall = side * pictures[0].shape[-2] / pictures[0].shape[-1]
    gaps = (between + 0.25, wide, between + 0.25)
    lefts = np.cumsum([0.1, *(side + gap for gap in gaps)])
    bottom, names = 0.54, ("x_T", "x_t", "x_{t-1}", "x_0")
    middle = bottom + tall / 2
    with style():
        figure, ax = sheet(lefts[-1] + side + 0.1, bottom + tall + 0.28)
        for picture, left, name in zip(pictures, lefts, names, strict=True):
            _node(ax, picture, (float(left), bottom), side, tall)
            ax.text(left + side / 2, bottom + tall + 0.07, f"${name}$", ha="center", va="bottom", fontsize=10)
        for k in range(3):
            begin, end = lefts[k] + side + 0.06, lefts[k + 1] - 0.06
            if k == 1:
                arrow(ax, [(begin, middle), (end, middle)], REVERSE, linewidth=1.5, mutation_scale=11)
                reverse = r"$p_\theta(x_{t-1}|x_t)$"
                ax.text((begin + end) / 2, middle + 0.08, reverse, color=REVERSE, ha="center", va="bottom", fontsize=9)
            else:
                half = (begin + end) / 2
                arrow(ax, [(begin, middle), (half - 0.17, middle)], REVERSE, linewidth=1.5, mutation_scale=9)
                ax.text(half, middle, r"$\cdots$", ha="center", va="center", fontsize=12)
                arrow(ax, [(half + 0.17, middle), (end, middle)], REVERSE, linewidth=1.5, mutation_scale=9)
        begin, end = (lefts[2] + side / 2, bottom - 0.05), (lefts[1] + side / 2, bottom - 0.05)
        bend = "arc3,rad=-0.2"
        look = {"linestyle": (0, (4, 2)), "linewidth": 1.4, "mutation_scale": 11}
        arrow(ax, [begin, end], FORWARD, connectionstyle=bend, **look)
        x = (begin[0] + end[0]) / 2
        ax.text(x, 0.07, "$q(x_t|x_{t-1})$", color=FORWARD, ha="center", va="bottom", fontsize=9)
    return figure


def clouds_figure(states: Sequence[Any], times: Sequence[float], columns: Sequence[str] = ()) -> Figure:
    """A reverse process of points (K, section V): states (n, d), in their own units, at falling times, side by side.

    Of more than two columns the first two are drawn; `columns` names them. Raises ValueError where states and times
    do not go together.

    >>> figure = clouds_figure([np.zeros((5, 2)), np.ones((5, 2))], [1000, 0])
    >>> [ax.get_title() for ax in figure.axes]
    ['t = 1000', 't = 0']
    """
    from fromnoise.figures.points import scatter
    from fromnoise.figures.raster import limits_of

    if not states or len(states) != len(times):
        raise ValueError(f"there must be a state a time: {len(states)} states, {len(times)} times")
    clouds = [to_array(x) for x in states]
    flat = clouds[0].shape[1] > 1
    limits = limits_of([clouds[0], clouds[-1]]) if flat else None
    with style():
        figure, axes = new_figure(min(6.8, 1.12 * len(clouds) + 0.3), 1.55, 1, len(clouds), sharey=True)
        for k, (ax, x, t) in enumerate(zip(axes[0], clouds, times, strict=True)):
            scatter(x[:, :2], ax, limits=limits, columns=columns[:2])
            ax.set_title(clock(t))
            ax.set_xlabel("")
            if flat:
                ax.set_aspect("equal" if not columns else "auto", adjustable="box")
                ax.locator_params(nbins=3)
            if k:
                ax.set_ylabel("")
                ax.tick_params(labelleft=False)
    return figure


def _node(ax: Axes, picture: np.ndarray, at: tuple[float, float], side: float, tall: float) -> None:
    """A picture within a frame of round corners."""
    from matplotlib.patches import FancyBboxPatch

    place(ax, picture, at, side, gap=0)
    look: Any = {
        "boxstyle": "round,pad=0.03,rounding_size=0.06",
        "facecolor": "none",
        "edgecolor": GRAY,
        "linewidth": 1.2,
    }
    ax.add_patch(FancyBboxPatch(at, side, tall, **look))
