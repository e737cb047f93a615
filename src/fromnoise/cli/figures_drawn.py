"""The figures of `fromnoise figures`, each with its caption: states are gathered, and handed to what draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from fromnoise import figures
from fromnoise.cli.figures_data import (
    DIGITS,
    RUNS,
    Source,
    chain_times,
    many_runs,
    runs_from_one,
    runs_from_picture,
    unet_blocks,
)
from fromnoise.figures.schedule import clock, forward_states, forward_times
from fromnoise.process import at, cosine, is_discrete, linear
from fromnoise.sampling import quadratic

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

SAMPLES, SURE = 500, 0.9
"""Of h4: how many, and from what confidence on the classifier is sure."""
MEAN, COVARIANCE = (-1.5, 0.0), ((1.0, 0.5), (0.5, 0.8))
RESTORED, SMALLER, SEEDS = 5, 2, (1, 2, 3, 4, 5)
"""Of k5 and k6: how many pictures, how much smaller a side is seen, and the seeds of what is drawn."""
CLOUD, FILMED = 3000, 1000
"""Points of the forward and the reverse process, and of its film."""


class Drawn(NamedTuple):
    """A figure with its caption, and what writes the film that belongs to it, if there is one."""

    figure: Figure
    caption: str
    film: Callable[[Path], None] | None = None


def h1(source: Source) -> Drawn:
    """Pictures of the training data."""
    n = min(64, len(source.data))
    caption = (
        f"{n} of the {len(source.data):,} training pictures of {source.name}, drawn at random (seed {source.seed})"
    )
    return Drawn(figures.training_figure(source.pictures(n)), _told("H Figure 1", caption))


def h2(source: Source) -> Drawn:
    """One picture as noise is added."""
    schedule = source.model.schedule
    x_0, times = source.pictures(1), forward_times(schedule, 8)
    states = [x[0] for x in forward_states(x_0, schedule, times, source.seed)]

    def film(path: Path) -> None:
        figures.forward_film(x_0, schedule, path, kind="images", seed=source.seed)

    caption = f"The forward process: one training picture as noise is added, from t = 0 to T. {_run(source)}"
    return Drawn(figures.noising_figure(states, times), _told("H Figure 2", caption), film)


def h3(source: Source) -> Drawn:
    """Backward runs from several Gaussians."""
    levels, states = many_runs(source, RUNS)
    chosen = _evenly(len(levels), 5)

    def film(path: Path) -> None:
        figures.film(states, path, kind="images", total=len(states))

    figure = figures.denoising_figure([states[k] for k in chosen], [float(levels[k].t) for k in chosen])
    caption = f"The backward process: {RUNS} runs from {RUNS} Gaussians. {_ancestral(source, len(states) - 1)}"
    return Drawn(figure, _told("H Figure 3", caption), film)


def h4(source: Source) -> Drawn:
    """Samples as the model draws them by itself, sorted by an independent classifier."""
    from fromnoise.evaluation import judge_digits

    model, told = source.model, source.classes(SAMPLES)
    x = model.sample(SAMPLES, seed=source.seed, label=told)
    judged = judge_digits(x)
    unsure = int((judged.confidence < SURE).sum())
    asked = "no class told"
    if told is not None:
        right = int((judged.digit == torch.tensor([int(name) for name in model.facts.classes])[told]).sum())
        asked = f"guidance {model.config.sample.weight:g}, each told a class drawn at random: {right} came out as told"
    caption = (
        f"{SAMPLES} samples in the classes that an independent classifier, trained on real digits, finds; within a "
        f"class the surest come first. Of {unsure} it is less than {SURE:.0%} sure (framed). "
        f"{_run(source)} Solver {model.config.sample.solver}, {model.steps()} steps, {asked}."
    )
    return Drawn(figures.sorted_figure(x, judged.digit, judged.confidence, DIGITS, SURE), _told("H Figure 4", caption))


def h5(source: Source) -> Drawn:
    """Backward runs from one Gaussian."""
    x_T, states = runs_from_one(source)
    figure = figures.fan_figure([("one $x_T$", x_T)], states[-1])
    caption = (
        f"{RUNS} backward runs (right) from one and the same Gaussian x_T (left). {_ancestral(source, len(states) - 1)}"
    )
    return Drawn(figure, _told("H Figure 5", caption))


def h6(source: Source, t: float | None = None) -> Drawn:
    """Backward runs from one noised picture, noised up to time t, T unless given."""
    x_0 = source.pictures(1)[0]
    x_t, states = runs_from_picture(source, x_0, t)
    begin = float(source.model.schedule.T) if t is None else t
    when, kept = clock(begin), float(at(source.model.schedule, begin).alpha)
    figure = figures.fan_figure([("original, t = 0", x_0), (f"noised, {when}", x_t)], states[-1])
    caption = (
        f"{RUNS} backward runs (right) from the noised version, {when}, of one training picture (left). "
        f"The noised one holds the original times {kept:.2g}. {_ancestral(source, len(states) - 1)}"
    )
    return Drawn(figure, _told("H Figure 6", caption))


def h7(seed: int) -> Drawn:
    """A field of the stochastic PDE."""
    from fromnoise.cli.pde import FIGURE_7, panel_title
    from fromnoise.pde import Problem, profiles

    problem = Problem(seed=seed)
    steps = [2**k for k in range(1, problem.steps.bit_length())]
    found = [(eta, profiles(dataclasses.replace(problem, eta=eta), steps)) for eta in FIGURE_7]
    panels = [(panel_title(problem.grid, eta, states), states) for eta, states in found]
    figure = figures.profiles_figure(problem.grid.points[0], panels, [step * problem.dt for step in steps])
    etas = ", ".join(f"{eta:,.0f}" for eta in FIGURE_7)
    caption = (
        f"Profiles of one field of the stochastic PDE at steps 2, 4, ... {problem.steps:,}, for the amplitudes {etas}. "
        f"Grid of {problem.grid.points[0].numel()} cells, time step {problem.dt:g}, R = {problem.R:g}, noise a cell, "
        f"explicit steps; above each panel how much of J is in the first mode at the end; seed {seed}."
    )
    return Drawn(figure, _told("H Figure 7", caption))


def k1(source: Source) -> Drawn:
    """From data to noise and back."""
    schedule = source.model.schedule
    times = forward_times(schedule, 6)
    states = [x[0] for x in forward_states(source.pictures(1), schedule, times, source.seed)]
    caption = f"The forward process makes noise of data, the reverse process data of noise. {_run(source)}"
    return Drawn(figures.process_figure(states, times), _told("K Figure 1", caption))


def k2(seed: int) -> Drawn:
    """A bivariate normal density."""
    (a, b), (_, c) = COVARIANCE
    caption = (
        f"A bivariate normal density with mean ({MEAN[0]:g}, {MEAN[1]:g}), variances {a:g} and {c:g} and "
        f"covariance {b:g}, and its marginals; the ellipses are at 1, 2 and 3 standard deviations. No run, "
        "no seed."
    )
    return Drawn(figures.normal_figure(MEAN, COVARIANCE), _told("K Figure 2", caption))


def k3(source: Source) -> Drawn:
    """The two Markov chains."""
    times = chain_times(source)
    states = list(forward_states(source.pictures(1), source.model.schedule, times, source.seed))
    shown = ", ".join(f"{t:g}" for t in reversed(times))
    caption = (
        "The Markov chains of the forward (dashed) and the reverse process; the states are those of one training "
        f"picture at the times {shown}. {_run(source)}"
    )
    return Drawn(figures.chain_figure([x[0] for x in reversed(states)]), _told("K Figure 3", caption))


def k4(source: Source) -> Drawn:
    """The network of the run."""
    blocks, inlet, outlet = unet_blocks(source)
    network = source.model.network
    numbers, patch = sum(weight.numel() for weight in network.parameters()), int(getattr(network, "patch", 1))
    folded = f" Pixels are folded {patch} x {patch} into channels at the door and unfolded at the end." * (patch > 1)
    beside = "the time and the class" if source.model.config.process.conditional else "the time"
    caption = (
        f"The U-Net of {source.name}, {numbers:,} parameters, with the channels (below each box) and pixels that one "
        f"forward pass finds. Every residual block is told {beside}.{folded} No seed."
    )
    return Drawn(figures.unet_figure(blocks, inlet, outlet), _told("K Figure 4", caption))


def k5(source: Source) -> Drawn:
    """Small pictures made large."""
    from torch.nn.functional import interpolate

    from fromnoise.sampling import Observation, shrunk
    from fromnoise.tasks import restored

    x_0 = source.various(RESTORED)
    small = shrunk(SMALLER)(x_0)
    seen = Observation(small, shrunk(SMALLER), 0.02)
    drawn = [restored(source.model, seen, len(small), seed=source.seed + s) for s in SEEDS[:3]]
    squares, smooth = (interpolate(small, scale_factor=SMALLER, mode=mode) for mode in ("nearest", "bicubic"))
    groups = [("seen", [squares]), ("bicubic", [smooth.clamp(-1, 1)]), ("drawn", drawn), ("original", [x_0])]
    caption = (
        f"Super-resolution: pictures whose sides are {SMALLER} times as small, bicubic interpolation, three draws of "
        f"what they may have been (ΠGDM, no class told, the next seeds), and the training pictures. {_run(source)}"
    )
    return Drawn(figures.restored_figure(groups), _told("K Figure 5", caption))


def k6(source: Source) -> Drawn:
    """Pictures with a hole, filled."""
    from fromnoise.sampling import Observation, kept
    from fromnoise.tasks import restored

    x_0 = source.various(RESTORED)
    known = torch.ones(x_0.shape[-2:], dtype=torch.bool)
    known[x_0.shape[-2] // 2 :] = False
    seen = Observation(kept(known)(x_0), kept(known))
    drawn = [restored(source.model, seen, len(x_0), mask=known, seed=source.seed + s) for s in SEEDS]
    groups = [("original", [x_0]), ("seen", [x_0.where(known, 0.0)]), ("filled", drawn)]
    caption = (
        f"Inpainting: training pictures, their lower halves removed, and {len(SEEDS)} fillings of each (ΠGDM, no class "
        f"told, the next seeds). {_run(source)}"
    )
    return Drawn(figures.restored_figure(groups), _told("K Figure 6", caption))


def k7(source: Source) -> Drawn:
    """A panel of synthetic pictures."""
    model = source.model
    x = model.sample(64, seed=source.seed)
    guided = (
        f", guidance {model.config.sample.weight:g}, the classes in turn" if model.config.process.conditional else ""
    )
    caption = (
        f"Synthetic pictures of the user's own data: 64 samples. {_run(source)} Solver {model.config.sample.solver}, "
        f"{model.steps()} steps{guided}."
    )
    return Drawn(figures.training_figure(x), _told("K Figure 7", caption))


def schedule(source: Source) -> Drawn:
    """The run's schedule beside linear and cosine."""
    own, name = source.model.schedule, str(source.model.config.schedule.get("name", "linear"))
    length = int(own.T) if is_discrete(own) else 1000
    others = {"linear": linear(length), "cosine": cosine(length)}
    others.pop(name, None)
    figure = figures.schedule_figure({f"{name} ({source.name})": own} | others)
    caption = (
        f"The schedule of {source.name}, {name} with T = {own.T:g}, beside {' and '.join(others)} with T = {length}"
    )
    return Drawn(figure, _told("K section III", f"{caption}. No seed."))


def data(source: Source) -> Drawn:
    """The data of the points."""
    caption = f"The training data of {source.name}: at most 10,000 of {len(source.data):,} rows (seed {source.seed})"
    return Drawn(figures.data_figure(source.data, seed=source.seed), _told("K section V", caption))


def forward(source: Source) -> Drawn:
    """The forward process of the points."""
    x_0 = source.pictures(CLOUD)
    times = [float(level.t) for level in reversed(quadratic(source.model.schedule, min(4, source.steps())))]
    figure = figures.forward_figure(x_0, source.model.schedule, times, "points", source.seed, source.model.to_own)
    return Drawn(figure, _told("K section V", f"The forward process of {len(x_0):,} points. {_run(source)}"))


def reverse(source: Source) -> Drawn:
    """The reverse process of the points."""
    model = source.model
    levels, own = model.walk().levels, model.config.sample
    states: list[Tensor] = list(model.trajectory(CLOUD, seed=source.seed))
    times = torch.stack([level.t for level in levels])
    wanted = [model.schedule.T * (k / 5) ** 2 for k in range(6)]  # points take shape late
    chosen = sorted({int((times - t).abs().argmin()) for t in wanted})
    names = model.facts.columns
    figure = figures.clouds_figure(
        [model.to_own(states[k]) for k in chosen], [float(levels[k].t) for k in chosen], names
    )

    def film(path: Path) -> None:
        few = (x[:FILMED] for x in states)  # the more points, the larger the file
        figures.film(few, path, kind="points", to_own=model.to_own, total=len(states), columns=names)

    caption = f"The reverse process of {CLOUD:,} points. {_run(source)} Solver {own.solver}, {len(levels) - 1} steps."
    return Drawn(figure, _told("K section V", caption), film)


DRAWN: dict[str, Callable[[Source], Drawn]] = {
    "h1": h1, "h2": h2, "h3": h3, "h4": h4, "h5": h5, "h6": h6, "k1": k1, "k3": k3, "k4": k4,
    "k5": k5, "k6": k6, "k7": k7,
    "schedule": schedule, "data": data, "forward": forward, "reverse": reverse,
}  # fmt: skip
DRAWN_ALONE: dict[str, Callable[[int], Drawn]] = {"h7": h7, "k2": k2}
"""Of figures without a run; the number is the seed."""


def _told(place: str, caption: str) -> str:
    """A caption that begins with the figure's place in the papers and ends with a full stop."""
    return f"{place}. {caption.rstrip('.')}."


def _run(source: Source) -> str:
    name, T = source.model.config.schedule.get("name", "linear"), source.model.schedule.T
    return f"Run {source.name}, schedule {name}, T = {T:g}, seed {source.seed}."


def _ancestral(source: Source, steps: int) -> str:
    return f"{_run(source)} Ancestral solver (ddpm), {steps} steps, no class told."


def _evenly(n: int, most: int) -> list[int]:
    """At most so many different numbers from 0 to n − 1, evenly, both ends among them."""
    return sorted({round(k * (n - 1) / (most - 1)) for k in range(most)})
