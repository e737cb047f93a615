"""What the shipped digits are good for beside drawing: classes, planted strokes, parts from few labels.

python benchmarks/uses.py [--parts classes strokes parts] [--json FILE]

`classes` are those of 1,000 test digits by the class under which each is denoised best. `strokes`: 200 test digits,
and a stroke of ten pixels planted into each of 200 others; the AUROC of their scores, the share of a stroke's pixels
among as many of largest difference, and that by chance. `parts`: of which digit a pixel of a stroke is, learned from 50
labelled digits, five times; the share of 300 test digits' pixels that are right, beside the same map of 9 x 9 pixels
around.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import here, measured
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation.estimate import share
from fromnoise.model import keep_memory
from fromnoise.model.store import write_file
from fromnoise.tasks import class_errors, find_anomalies, segmenter
from fromnoise.tasks.anomalies import auroc

ROOT = Path(__file__).parents[1]


def digits(split: str, index: Any) -> tuple[Tensor, Tensor]:
    data = load("mnist", split=split, fit="pad", size=28)
    return data.batch(index), torch.as_tensor(data.batch_labels(index)).long()


def classes(model: fn.Model) -> dict[str, Any]:
    x, labels = digits("test", np.arange(1000))
    right = share(int((class_errors(model, x).argmin(1) == labels).sum()), len(x))
    return {"n": len(x), "right": right.value, "interval": [right.low, right.high]}


def strokes(model: fn.Model, n: int = 200) -> dict[str, Any]:
    x, _ = digits("test", np.arange(2 * n))
    rng, masks = np.random.default_rng(0), []
    for _ in range(n):
        image, angle, centre = Image.new("L", (28, 28)), rng.uniform(0, np.pi), rng.uniform(6, 22, 2)
        half = 5 * np.array([np.cos(angle), np.sin(angle)])
        ImageDraw.Draw(image).line([*(centre - half), *(centre + half)], fill=255, width=2)
        masks.append(np.asarray(image) > 0)
    planted = torch.from_numpy(np.stack(masks)) & (x[n:, 0] < 0)  # not where the digit is white itself
    x[n:][planted[:, None]] = 1.0
    found = find_anomalies(model, x)
    shares = []
    for differs, mask in zip(found.maps[n:], planted, strict=True):
        if mask.any():
            shares.append(mask.flatten()[differs.flatten().topk(int(mask.sum())).indices].double().mean().item())
    area = auroc(found.scores[:n], found.scores[n:])
    return {"n": n, "auroc": area, "overlap": statistics.mean(shares), "by_chance": planted.double().mean().item()}


def parts(model: fn.Model, labelled: int = 50, seeds: int = 5) -> dict[str, Any]:
    new, which = digits("test", np.arange(300))
    stroke, ours, pixels = new[:, 0] > 0, [], []
    truth = 1 + which[:, None, None].expand(-1, 28, 28)
    for seed in range(seeds):
        x, labels = digits("train", np.random.default_rng(seed).choice(60_000, labelled, replace=False))
        masks = torch.where(x[:, 0] > 0, 1 + labels[:, None, None], 0)
        for found, learn in ((ours, segmenter_of(model)), (pixels, by_pixels)):
            found.append(float((learn(x, masks, seed)(new) == truth)[stroke].double().mean()))
    return {
        "labelled": labelled, "n": len(new), "denoiser": ours, "pixels": pixels,
        "gain": statistics.mean(ours) - statistics.mean(pixels),
        "gain_sd": statistics.stdev(a - b for a, b in zip(ours, pixels, strict=True)),
    }  # fmt: skip


Learn = Callable[[Tensor, Tensor, int], Callable[[Tensor], Tensor]]


def segmenter_of(model: fn.Model) -> Learn:
    return lambda x, masks, seed: segmenter(model, x, masks, seed=seed)


def by_pixels(x: Tensor, masks: Tensor, seed: int, side: int = 9) -> Callable[[Tensor], Tensor]:
    """The same head on the pixels around each."""

    def around(x: Tensor) -> Tensor:
        return F.unfold(F.pad(x, (side // 2,) * 4, value=-1.0), side).reshape(len(x), -1, 28, 28).movedim(1, -1)

    pixels, head = around(x).flatten(0, 2), nn.Linear(side**2, 11)
    optimizer = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=1e-2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(200):
        some = torch.randint(len(pixels), (4096,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(head(pixels[some]), masks.flatten()[some]).backward()
        optimizer.step()
    return lambda new: head(around(new)).argmax(-1)


PARTS: dict[str, Callable[[fn.Model], dict[str, Any]]] = {"classes": classes, "strokes": strokes, "parts": parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "uses.json"))
    args = parser.parse_args()
    keep_memory()
    path, model = Path(args.json), fn.load("mnist")
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in args.parts:
        found[name] = measured(PARTS[name], model)
        print(name, {key: value for key, value in found[name].items() if key not in here()}, flush=True)
        write_file(path, (json.dumps(found, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
