"""H's unpredictability (Figures 5 and 6) as a number, and interpolation with depth, on the digits of the package.

python benchmarks/unpredictability.py [--parts noise picture between] [--json FILE]

`noise`    runs from one x_T: how often two of them come to one class, on three schedules
`picture`  runs from one training image noised to a depth t: from one x_t, and with fresh noise each, by the chain
           (eta = 1) and by DDIM (eta = 0)
`between`  from the mixture of two test images at a depth t, with one noise for both and with one each (Ho et al. 2020)

No class is told and nothing guides, as in H; the classifier of the package says what came. Rows are kept in the JSON as
they come, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import here
from torch import Tensor

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation import judge_digits, same_class
from fromnoise.model.precision import chosen
from fromnoise.model.store import write_file
from fromnoise.process import CLEAN, Denoiser, Level, Schedule, at, cosine, diffuse, linear, translated
from fromnoise.sampling import DDIM, Streams, path, trajectory

ROOT = Path(__file__).parents[1]
GROUPS, RUNS, PAIRS, STEPS = 100, 10, 200, 50
SCHEDULES = {"cosine, T = 1000": cosine(1000), "linear, T = 1000": linear(1000), "linear, T = 500": linear(500)}
DEPTHS = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
BETWEEN, SHARES = (0.2, 0.4, 0.6, 0.8, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)
SURE = 0.9


def even(schedule: Schedule, begin: float) -> list[Level]:
    """The levels from time `begin` to 0, whole times, fifty for all of T."""
    steps = round(STEPS * begin / schedule.T)
    return path(schedule, torch.linspace(begin, 0, steps + 1, dtype=torch.float64).round().tolist())


def back(
    denoise: Denoiser, x: Tensor, levels: Sequence[Level], eta: float, randn: Callable[[Tensor], Tensor]
) -> Tensor:
    """The ends of runs from x (n, *shape) at the first of the levels."""
    with torch.no_grad():
        for state in trajectory(denoise, DDIM(eta), levels, x, randn=randn):
            x = state
    return x.clamp(-1, 1)


def agreement(x: Tensor, own: Tensor | None = None) -> dict[str, Any]:
    """What runs (groups · runs, C, H, W) came to, a group's after one another; `own` (groups,) are their images'."""
    judged = judge_digits(x)
    digits = judged.digit.reshape(-1, RUNS)
    found = same_class(digits)
    row = {"share": found.share, "error": found.error, "chance": found.chance}
    row["sure"] = float((judged.confidence > SURE).double().mean())
    if own is not None:
        row["as_the_image"] = float((digits == own[:, None]).double().mean())
    return row


def from_noise(denoise: Denoiser, schedule: Schedule) -> dict[str, Any]:
    """Runs from one x_T each."""
    levels = even(schedule, schedule.T)
    shape = (1, 28, 28)
    x_T = Streams(1, 0, GROUPS)(torch.zeros(GROUPS, *shape)).repeat_interleave(RUNS, 0)
    row = agreement(back(denoise, x_T, levels, 1.0, Streams(2, 0, len(x_T))))
    return {"signal": float(levels[0].alpha), **row}


def from_picture(denoise: Denoiser, schedule: Schedule, depth: float, noises: str, eta: float) -> dict[str, Any]:
    """Runs from training images at a depth, a tenth of each class; `noises` "one" a group, or "each" run its own."""
    pictures, own = chosen_images("train", GROUPS)
    levels = even(schedule, depth * schedule.T)
    n = GROUPS * RUNS
    x_0 = pictures.repeat_interleave(RUNS, 0)
    eps = Streams(3, 0, n)(x_0)
    eps = eps if noises == "each" else eps[::RUNS].repeat_interleave(RUNS, 0)
    x = diffuse_with(x_0, levels[0], eps)
    return {"signal": float(levels[0].alpha), **agreement(back(denoise, x, levels, eta, Streams(4, 0, n)), own)}


def chosen_images(split: str, n: int) -> tuple[Tensor, Tensor]:
    """The first n / 10 images of each class, in turn, and their classes."""
    data = load("mnist", split=split, size=28)
    labels = np.asarray(data.labels)
    rows = np.stack([np.flatnonzero(labels == k)[: n // 10] for k in range(10)], 1).ravel()
    return data.batch(rows), torch.from_numpy(labels[rows].astype(np.int64))


def between(denoise: Denoiser, schedule: Schedule, depth: float, noises: str) -> dict[str, Any]:
    """Mixtures of two test images of different classes at a depth; `noises` "one" for both, or "each" its own.

    The chain's own noise is the same for all shares of a pair, and another time at a half.
    """
    pictures, own = chosen_images("test", 2 * PAIRS)
    i = torch.arange(PAIRS)
    j = PAIRS + i // 10 * 10 + (i % 10 + 1 + i // 10 % 9) % 10  # of another class, each in turn
    a, b, kinds = pictures[i], pictures[j], (own[i], own[j])
    level, levels = at(schedule, depth * schedule.T), even(schedule, depth * schedule.T)
    first, second = Streams(5, 0, PAIRS)(a), Streams(6, 0, PAIRS)(a)
    x_a, x_b = diffuse_with(a, level, first), diffuse_with(b, level, first if noises == "one" else second)

    def ends(share: float, seed: int) -> Tensor:
        return back(denoise, (1 - share) * x_a + share * x_b, levels, 1.0, Streams(seed, 0, PAIRS))

    line = [ends(share, 7) for share in SHARES]
    judged = [judge_digits(x) for x in line]
    digits = [each.digit for each in judged]
    middle, again = line[len(line) // 2], ends(0.5, 8)
    half = digits[len(digits) // 2]
    known = (half == kinds[0]) | (half == kinds[1])
    return {
        "signal": float(level.alpha),
        "ends_kept": float(torch.cat([digits[0] == kinds[0], digits[-1] == kinds[1]]).double().mean()),
        "sure": float((judged[len(judged) // 2].confidence > SURE).double().mean()),
        "of_the_two": float(known.double().mean()),
        "changes": float(torch.stack([p != q for p, q in pairwise(digits)]).double().sum(0).mean()),
        "from_the_blend": rms(middle - (a + b) / 2),
        "from_one_another": rms(middle - again),
    }


def diffuse_with(x_0: Tensor, level: Level, eps: Tensor) -> Tensor:
    """x_t of x_0 with this noise (K 8)."""
    return diffuse(x_0, CLEAN, level, lambda _: eps)


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def tasks() -> dict[str, dict[str, Callable[[Denoiser], dict[str, Any]]]]:
    """The rows of each part, by name."""
    own = SCHEDULES["cosine, T = 1000"]
    noise = {name: lambda denoise, s=s: from_noise(denoise, s) for name, s in SCHEDULES.items()}
    ways = (("one", 1.0), ("each", 1.0), ("each", 0.0))
    picture = {
        f"{depth:g}, noise: {noises}, eta = {eta:g}": lambda denoise, a=(depth, noises, eta): from_picture(
            denoise, own, *a
        )
        for depth in DEPTHS
        for noises, eta in ways
    }
    blends = {
        f"{depth:g}, noise: {noises}": lambda denoise, a=(depth, noises): between(denoise, own, *a)
        for depth in BETWEEN
        for noises in ("one", "each")
    }
    return {"noise": noise, "picture": picture, "between": blends}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=tasks(), default=list(tasks()))
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "unpredictability.json"))
    args = parser.parse_args()
    path_ = Path(args.json)
    found: dict[str, Any] = json.loads(path_.read_text()) if path_.exists() else {}
    model = fn.load("mnist", device="cpu")
    precision = chosen("auto", "images", model.device)
    denoise = translated(model.guided(None, 1.0, precision), model.schedule)
    for part in args.parts:
        rows = found.setdefault(part, {**here(), "rows": {}})["rows"]
        for name, task in tasks()[part].items():
            if name not in rows:
                rows[name] = task(denoise)
                write_file(path_, (json.dumps(found, indent=1) + "\n").encode())
            print(part, name, json.dumps(rows[name]), flush=True)


if __name__ == "__main__":
    main()
