"""The page of the demo: pictures, films, loss curves and numbers of the two models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.model import Model

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.figures.page import Block

STAGES = 6
STEPS = 125
"""Network calls a sample: fewer than the models could take, so that the page comes soon."""


def write_page(
    out: Path, roll: Model, digits: Model, trained: dict[str, float], done: Callable[[int], None]
) -> dict[str, Any]:
    """Sample both models and write out/index.html; `trained` are seconds by name. Gives the numbers."""
    from fromnoise import figures
    from fromnoise.figures import Text

    walked, points = _walk(out, "swissroll", roll, 10_000)
    done(1)
    numbers = {"swissroll": _judge_roll(points) | _effort(roll, trained["swissroll"])}
    done(2)
    roll_blocks = _roll_blocks(out, roll, points, walked, numbers["swissroll"])
    done(3)
    walked, pictures = _walk(out, "mnist", digits, 64)
    numbers["mnist"] = _effort(digits, trained["mnist"])
    done(4)
    digit_blocks = _digit_blocks(out, digits, pictures, walked, numbers["mnist"])
    done(5)
    opening = Text(
        "Two denoising diffusion models, trained on this machine just now. Each has learned to tell how much of a "
        "noisy sample is noise; a new sample begins as nothing but noise, which is taken away step by step."
    )
    figures.page("From noise to data", [opening, *roll_blocks, *digit_blocks, *_next_steps(out)], out / "index.html")
    done(STAGES)
    return numbers


def _judge_roll(points: Tensor) -> dict[str, float]:
    import torch

    from fromnoise import data
    from fromnoise.data.points import distance_to_swissroll
    from fromnoise.evaluation import beside_floor

    def truth(seed: int) -> Tensor:
        return torch.tensor(data.load("swissroll", n=len(points), seed=seed).rows)

    measured = beside_floor(lambda _: points, truth, sets=1, pairs=4)
    return {
        "sliced_wasserstein": measured.distance,
        "floor": measured.floor,
        "mean_distance_to_curve": float(distance_to_swissroll(points.numpy()).mean()),
    }


def _effort(model: Model, seconds: float) -> dict[str, float]:
    train, facts = model.config.train, model.facts
    seen = train.steps * train.batch
    return {"training_seconds": seconds, "steps": train.steps, "samples_seen": seen, "passes": seen / facts.n}


def _roll_blocks(out: Path, model: Model, points: Tensor, walked: bytes, found: dict[str, float]) -> list[Block]:
    from fromnoise.figures import Film, Heading, Picture, Table, draw_samples, loss_figure

    rows = (
        ("training", f"{found['training_seconds']:.0f} s, {found['steps']:,} steps"),
        ("sliced Wasserstein-2 distance to fresh data", f"{found['sliced_wasserstein']:.4f}"),
        ("the same between two sets of real data: the floor", f"{found['floor']:.4f}"),
        ("mean distance of a point to the curve", f"{found['mean_distance_to_curve']:.4f}"),
    )
    return [
        Heading("The Swiss roll"),
        Picture(draw_samples(points, "points"), f"10,000 new points, seed 0, {STEPS} steps each."),
        Film(walked, "The reverse process, from Gaussian noise to the roll."),
        Table(rows, ("What", "Result")),
        Picture(loss_figure(_log(out / "swissroll")), "The loss while training."),
    ]


def _digit_blocks(out: Path, model: Model, pictures: Tensor, walked: bytes, found: dict[str, float]) -> list[Block]:
    import numpy as np

    from fromnoise import data
    from fromnoise.figures import Film, Heading, Picture, Text, draw_samples, forward_figure, loss_figure

    options = {key: value for key, value in model.config.data.items() if key != "name"}
    x_0 = data.load("mnist", **options).batch(np.arange(4))
    return [
        Heading("Handwritten digits"),
        Picture(draw_samples(pictures, "images"), f"64 new digits, seed 0, none left out, {STEPS} steps each."),
        Text(
            f"This is what {found['training_seconds']:.0f} seconds of training give: {found['steps']:,} steps, "
            f"{found['passes']:.1f} passes through the 60,000 digits. The network is told which digit to draw. After "
            "half a pass most of them can be read; after three passes more than nine in ten are clear: "
            "fromnoise train mnist --out runs/digits takes about ten minutes."
        ),
        Film(walked, "The reverse process, from Gaussian noise to digits."),
        Picture(
            forward_figure(x_0, model.schedule, kind="images"),
            "The forward process: four training images, noised over time.",
        ),
        Picture(loss_figure(_log(out / "mnist")), "The loss while training."),
    ]


def _next_steps(out: Path) -> list[Block]:
    from fromnoise.figures import Code, Heading

    lines = (
        f"fromnoise sample {out}/mnist -n 100 --seed 1 --out more.png",
        f"fromnoise sample {out}/mnist -n 16 --out digits.webp",
        "fromnoise train PATH/TO/YOUR/IMAGES --out runs/mine",
    )
    return [Heading("Go on"), Code("\n".join(lines))]


def _walk(out: Path, name: str, model: Model, n: int) -> tuple[bytes, Tensor]:
    """One walk from noise to data, kept as a film and as the samples at its end."""
    from fromnoise.figures import film

    path, steps = out / f"{name}.webp", min(STEPS, int(model.schedule.T))
    last: list[Tensor] = []

    def states() -> Iterator[Tensor]:
        for x in model.trajectory(n, steps=steps):
            last[:] = [x]
            yield x

    film(states(), path, kind=model.facts.kind, to_own=model.to_own, total=steps + 1, frames=40)
    return path.read_bytes(), model.to_own(last[0])


def _log(run: Path) -> list[dict[str, Any]]:
    from fromnoise.training import log

    return log.read(run)
