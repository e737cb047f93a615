"""Noise schedules in figures (K, section III), and what the forward process does to data (K 1, H 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fromnoise.figures.style import FAINT, PALETTE, bare, new_figure, plain, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from fromnoise.process import Schedule


def schedule_figure(schedules: Mapping[str, Schedule]) -> Figure:
    """β_t, √ᾱ_t, σ_t and the log signal-to-noise ratio of schedules by name, against t; T is in the title.

    Schedules of different length share the axis t/T, and one in continuous time is drawn with its g², the
    noise that a unit of time adds, beside T β_t. The scale of β is logarithmic where it spans much.
    Raises ValueError without a schedule.

    >>> from fromnoise.process import linear
    >>> lines = schedule_figure({"linear": linear(100)}).axes[0].lines
    >>> len(lines[0].get_ydata())
    100
    """
    if not schedules:
        raise ValueError("there is no schedule to draw")
    lengths = {float(schedule.T) for schedule in schedules.values()}
    continuous = any(not hasattr(schedule, "beta") for schedule in schedules.values())
    shared = len(lengths) == 1
    with style():
        figure, axes = new_figure(6.6, 4.2, 2, 2, sharex=True)
        rates = []
        for k, (name, schedule) in enumerate(schedules.items()):
            t, beta, alpha, sigma, log_snr = _curves(schedule, per_time=continuous or not shared)
            rates.append(beta)
            look: dict[str, Any] = {
                "color": PALETTE[k % len(PALETTE)],
                "linestyle": ("-", (0, (5, 2)), (0, (1.5, 1.5)), "-.")[k % 4],  # told apart in print, and where equal
                "label": plain(name),
                "marker": "." if len(t) < 60 else "",
            }
            x = t if shared else t / schedule.T
            for ax, y in zip(axes.flat, (beta, alpha[1:], sigma[1:], log_snr), strict=True):
                ax.plot(x[1:], y, **look)
        _name_axes(axes, rates, continuous, lengths.pop() if shared else None)
        if len(schedules) > 1:
            axes[0, 0].legend(loc="best")
        figure.suptitle(_title(schedules))
    return figure


def forward_states(x_0: Tensor, schedule: Schedule, times: Sequence[float], seed: int = 0) -> Iterator[Tensor]:
    """One walk of the forward process: x at each of `times`, rising, every leap drawn by K 3–7, H 3.6.

    Each state has x_0's shape, (n, *shape); time 0 gives x_0 itself. Sample i depends on the seed and on i.
    Raises ValueError for times that do not rise or leave [0, T].

    >>> import torch
    >>> from fromnoise.process import linear
    >>> [x.shape for x in forward_states(torch.zeros(3, 2), linear(10), [0, 5, 10])]
    [torch.Size([3, 2]), torch.Size([3, 2]), torch.Size([3, 2])]
    """
    from fromnoise.process import CLEAN, diffuse
    from fromnoise.sampling import Streams
    from fromnoise.sampling.paths import path

    levels = path(schedule, times)
    if any(s.t <= t.t for t, s in pairwise(levels)):
        raise ValueError("the times of the forward process must rise")
    randn = Streams(seed, 0, len(x_0))
    x, level = x_0, CLEAN
    for s in levels:
        x = x if s.t == 0 else diffuse(x, level, s, randn)
        level = s
        yield x


def forward_times(schedule: Schedule, n: int = 6) -> list[float]:
    """n times from 0 to T, evenly; whole ones for a table, which may leave fewer.

    >>> from fromnoise.process import linear
    >>> forward_times(linear(1000), 5)
    [0.0, 250.0, 500.0, 750.0, 1000.0]
    """
    times = np.linspace(0, schedule.T, n)
    return np.unique(np.round(times)).tolist() if hasattr(schedule, "beta") else times.tolist()


def forward_figure(
    x_0: Tensor,
    schedule: Schedule,
    times: Sequence[float] | None = None,
    kind: str = "images",
    seed: int = 0,
    to_own: Callable[[Tensor], Tensor] | None = None,
) -> Figure:
    """Data (n, *shape), in [-1, 1], as noise is added over time (K Figure 1, H Figure 2).

    Images and fields give a row a sample (the first 4) and a column a time; points give a row of clouds.
    `times` rise within [0, T]; six even ones if left out. `to_own` turns states into the data's own units.
    Raises ValueError for another kind, or times that do not rise or leave [0, T].
    """
    if kind not in ("images", "points", "fields"):
        raise ValueError(f"kind is points, images or fields, not {kind!r}")
    times = forward_times(schedule) if times is None else times
    x_0 = x_0 if kind == "points" else x_0[:4]
    states = list(forward_states(x_0, schedule, times, seed))
    states = [to_own(x) if to_own else x for x in states]
    with style():
        return _cloud_row(states, times) if kind == "points" else _strip(states, times, kind)


def forward_film(
    x_0: Tensor,
    schedule: Schedule,
    path: str | Path,
    *,
    kind: str = "images",
    seed: int = 0,
    to_own: Callable[[Tensor], Tensor] | None = None,
    frames: int = 60,
    seconds: float = 4.0,
    hold: float = 1.0,
    columns: Sequence[str] = (),
) -> None:
    """The forward process as a film: data (n, *shape), in [-1, 1], dissolve into noise (H Figure 2).

    The arguments are those of `forward_figure` and of `film`. The suffix of `path` is .webp, .gif or .mp4.
    Raises UserError as `film` does.
    """
    from fromnoise.figures.film import MOST, check_suffix, draw, write_film
    from fromnoise.figures.pictures import to_array

    check_suffix(Path(path))
    times = forward_times(schedule, frames)
    states = forward_states(x_0[: MOST[kind]], schedule, times, seed)
    shown = [to_array(to_own(x) if to_own else x) for x in states]
    write_film(draw(shown, [clock(t) for t in times], kind, columns), path, seconds=seconds, hold=hold)


def _curves(schedule: Schedule, per_time: bool) -> tuple[np.ndarray, ...]:
    """t with its 0, β from t_1 on, α, σ, and log-SNR from t_1 on, where it is finite."""
    import torch

    from fromnoise.process import sde

    beta = getattr(schedule, "beta", None)
    n = int(schedule.T) if beta is not None else 500
    t = torch.linspace(0, schedule.T, n + 1, dtype=torch.float64)
    alpha, sigma = schedule(t)
    if beta is None:
        rate = sde(schedule, t[1:])[1]
        rate = torch.where(rate < 1e3, rate, torch.nan)  # the straight path's g² is infinite at its end
    else:
        rate = beta[1:] * (schedule.T if per_time else 1)
    log_snr = 2 * (alpha[1:].log() - sigma[1:].log())
    log_snr = torch.where(log_snr.isfinite(), log_snr, torch.nan)
    return tuple(v.numpy() for v in (t, rate, alpha, sigma, log_snr))


def _name_axes(axes: np.ndarray, rates: list[np.ndarray], continuous: bool, end: float | None) -> None:
    """Titles, labels and scales; `end` is T where all schedules have the same, else the axis is t/T."""
    shared, end = end is not None, end or 1.0
    rate = r"$T\,\beta_t$" if not shared else r"$\beta_t$"
    names = (
        r"$T\,\beta_t$, or $g^2(t)$" if continuous else rate,
        r"$\alpha_t$, signal" if continuous else r"$\sqrt{\bar\alpha_t}$, signal",
        r"$\sigma_t$, noise" if continuous else r"$\sqrt{1-\bar\alpha_t}$, noise",
        r"$\log(\alpha_t^2/\sigma_t^2)$, log SNR",
    )
    for ax, name in zip(axes.flat, names, strict=True):
        ax.set_title(name, loc="left")
        ax.set_xlim(0, end)
    for ax in (axes[0, 1], axes[1, 0]):
        ax.set_ylim(-0.02, 1.03)
    for ax in axes[1]:
        ax.set_xlabel("$t$" if shared else "$t/T$")
    if any(np.nanmax(y) > 20 * np.nanmedian(y) for y in rates):
        axes[0, 0].set_yscale("log")
    axes[1, 1].axhline(0, color=FAINT, linewidth=0.6, zorder=0)


def _title(schedules: Mapping[str, Schedule]) -> str:
    lengths = {f"{schedule.T:g}" for schedule in schedules.values()}
    if len(lengths) == 1:
        what = "Noise schedules" if len(schedules) > 1 else f"Noise schedule: {plain(next(iter(schedules)))}"
        return f"{what}, $T = {lengths.pop()}$"
    return "Noise schedules: " + ", ".join(f"{plain(name)} $T = {s.T:g}$" for name, s in schedules.items())


def clock(t: float) -> str:
    """A time in words, as figures and films say it.

    >>> clock(250.0), clock(0.125)
    ('t = 250', 't = 0.12')
    """
    return f"t = {t:g}" if t == round(t) else f"t = {t:.2f}"


def _cloud_row(states: list[Tensor], times: Sequence[float]) -> Figure:
    from fromnoise.figures.points import scatter
    from fromnoise.figures.raster import limits_of

    flat = states[0].shape[1] > 1
    figure, axes = new_figure(1.25 * len(states) + 0.3, 1.6 if flat else 1.5, 1, len(states), sharey=True)
    limits = limits_of([states[0], states[-1]]) if flat else None
    for ax, x, t in zip(axes[0], states, times, strict=True):
        scatter(x, ax, limits=limits)
        ax.set_title(clock(t))
        _quiet(ax, ax is axes[0, 0])
    return figure


def _quiet(ax: Axes, first: bool) -> None:
    ax.set_xlabel("")
    if not first:
        ax.set_ylabel("")
        ax.tick_params(labelleft=False)


def _strip(states: list[Tensor], times: Sequence[float], kind: str) -> Figure:
    from fromnoise.figures.fields import span
    from fromnoise.figures.pictures import grid, to_array

    rows, columns = len(states[0]), len(states)
    line = states[0].ndim == 3
    tall = 0.6 if line else min(2.0, states[0].shape[-2] / states[0].shape[-1])
    figure, axes = new_figure(1.05 * columns, 1.05 * tall * rows + 0.25, rows, columns)
    low, high = span(to_array(states[0]))
    for j, (x, t) in enumerate(zip(states, times, strict=True)):
        for i in range(rows):
            ax = axes[i, j]
            bare(ax)
            if kind == "images":
                ax.imshow(np.asarray(grid(x[i : i + 1], scale=1, gap=0)), cmap="gray", vmin=0, vmax=255)
            elif line:
                ax.plot(to_array(x[i]).T, linewidth=0.8)
            else:
                ax.imshow(to_array(x[i, 0]), vmin=low, vmax=high, cmap="viridis")
        axes[0, j].set_title(clock(t))
    return figure
