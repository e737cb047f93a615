"""Digits of 7 x 7 pixels made 28 x 28: trained for it (SR3), by guidance of the shipped model, and bicubic.

python benchmarks/upscaling.py [--steps 6000] [--n 1000] [--json FILE]

The first n test digits. PSNR and SSIM are those of one draw to the true digit, which a method that draws what may have
been need not give back; the Fréchet distance is on the digit classifier's features, "right" the share whose class it
finds. The run is kept under runs/, and a stopped training goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contenders as peers
import numpy as np
import torch
from digit_scores import scores
from machine import here
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation import judge_digits
from fromnoise.model import keep_memory
from fromnoise.model.store import write_file
from fromnoise.sampling import Observation, shrunk
from fromnoise.tasks import restored, upscaled

ROOT = Path(__file__).parents[1]
RUN = ROOT / "runs" / "upscaling"


def trained(steps: int) -> fn.Model:
    """The recipe `mnist` given digits a quarter as large, without classes."""
    changes = {"process.small": 4, "process.conditional": False, "sample.weight": 1.0, "train.sample_every": 0}
    *_, finished = fn.fit(fn.recipe("mnist").override(changes | {"train.steps": steps}), RUN)
    return finished.model


def judged(x: Tensor, truth: Tensor, labels: Tensor) -> dict[str, Any]:
    error = ((x - truth) / 2).square().flatten(1).mean(1)
    ssim = structural_similarity_index_measure(x, truth, data_range=2.0)
    found = {"psnr": float((-10 * error.log10()).mean()), "ssim": float(ssim)}
    return found | {"right": (judge_digits(x).digit == labels).double().mean().item(), **scores(x)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "upscaling.json"))
    args = parser.parse_args()
    keep_memory()
    data = load("mnist", split="test", fit="pad", size=28)
    truth, labels = data.batch(np.arange(args.n)), torch.as_tensor(data.batch_labels(np.arange(args.n)))
    small, model = shrunk(4)(truth), trained(args.steps)
    ways: dict[str, Callable[[], Tensor]] = {
        "bicubic": lambda: F.interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1),
        "ΠGDM, shipped model": lambda: restored(fn.load("mnist"), Observation(small, shrunk(4), 0.02), args.n, seed=1),
        "trained for it": lambda: upscaled(model, small, seed=1),
        "trained for it, the mean of 8": lambda: torch.stack(
            [upscaled(model, small, seed=seed) for seed in range(8)]
        ).mean(0),
    }
    rows = []
    for name, draw in ways.items():
        began = time.perf_counter()
        x = draw()
        rows.append({"way": name, "seconds_each": (time.perf_counter() - began) / args.n, **judged(x, truth, labels)})
        write_file(
            Path(args.json), (json.dumps({**here(), "steps": args.steps, "rows": rows}, indent=1) + "\n").encode()
        )
    headings = {"way": "way", "n": "n", "psnr": "PSNR", "ssim": "SSIM", "right": "right", "confident": "sure"}
    peers.table("From 7 x 7", rows, headings | {"frechet": "Fréchet", "floor": "floor", "seconds_each": "s each"})


if __name__ == "__main__":
    main()
