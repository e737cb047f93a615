"""Small pictures made large: by a model trained for it (SR3), by guidance of one that was not, and bicubic; cascades.

python benchmarks/upscaling.py [--parts digits flowers flowers-32 cascade] [--flowers FOLDER] [--steps 2000]
                               [--json FILE]

`digits`: 1,000 test digits of 8 x 8 pixels made 32 x 32; by guidance of the shipped model. `flowers`: 200 photographs
that were held out, of 32 x 32 made 64 x 64; by guidance of a model of 64 x 64 trained as long; `flowers-32` the same
from 16 x 16 to 32 x 32. `cascade`: flowers of 16 x 16 drawn, made 32 x 32, and these 64 x 64, beside the model that
draws 64 x 64 at once. PSNR and SSIM are those of one draw to the true picture, which a method that draws what may have
been need not give back. The Fréchet distance is on the digit classifier's features, or on the responses of fixed
filters; its floor that of as many training pictures. The runs are kept under runs/, and a stopped training goes on; the
pictures are docs/pictures/upscaled-*.png and cascade.png.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import contenders as peers
import numpy as np
import torch
from digit_scores import scores
from machine import here, measured
from shipped import begun, seconds
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation import frechet, judge_digits
from fromnoise.evaluation.features import FEATURES
from fromnoise.figures import save
from fromnoise.figures.pictures import grid
from fromnoise.model import keep_memory
from fromnoise.model.store import write_file
from fromnoise.sampling import Observation, shrunk
from fromnoise.tasks import cascaded, restored, upscaled

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "upscaling"
SMALL = {"process__small": 2}
Ways = Mapping[str, Callable[[], Tensor]]


def trained(name: str, steps: int, changes: dict[str, Any]) -> fn.Model:
    """The recipe `mnist`, without classes, on other data."""
    run, own = RUNS / f"{name}-{steps}", {"process.conditional": False, "sample.weight": 1.0, "train.sample_every": 0}
    if not begun(run).exists():
        write_file(begun(run), json.dumps(here()).encode())
    *_, finished = fn.fit(fn.recipe("mnist").override(own | changes | {"train.steps": steps}), run)
    return finished.model


def training_minutes(*names: str) -> dict[str, float]:
    """Of the runs of a part; those of `measured` hold what is done beside."""
    return {name: round(seconds(RUNS / name) / 60, 1) for name in names}


def compared(
    ways: Ways, truth: Tensor, more: Callable[[Tensor], Mapping[str, Any]], picture: str
) -> list[dict[str, Any]]:
    """A row for each way, and a picture of the first eight: a row of each way, the truth last."""
    rows, shown = [], []
    for name, draw in ways.items():
        began = time.perf_counter()
        x = draw().cpu()
        taken = (time.perf_counter() - began) / len(truth)
        error = ((x - truth) / 2).square().flatten(1).mean(1)
        ssim = structural_similarity_index_measure(x, truth, data_range=2.0)
        told = {"way": name, "psnr": float((-10 * error.log10()).mean()), "ssim": float(ssim), "seconds_each": taken}
        rows.append({**told, **more(x)})
        print(rows[-1], flush=True)
        shown.append(x[:8])
    save(grid(torch.cat([*shown, truth[:8]]), columns=8), ROOT / "docs" / "pictures" / picture)
    return rows


def digits(steps: int, flowers: Path, n: int = 1000) -> dict[str, Any]:
    data = load("mnist", split="test", fit="pad", size=32)
    truth, labels = data.batch(np.arange(n)), torch.as_tensor(data.batch_labels(np.arange(n)))
    small, model = shrunk(4)(truth), trained("digits", steps, {"data.size": 32, "process.small": 4})

    def seen(x: Tensor) -> Tensor:
        return shrunk(4)(F.pad(x, (2, 2, 2, 2), value=-1.0))  # the shipped model's are 28 x 28

    def guided() -> Tensor:
        return F.pad(restored(fn.load("mnist"), Observation(small, seen, 0.02), n, seed=1), (2, 2, 2, 2), value=-1.0)

    ways: Ways = {
        "bicubic": lambda: F.interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1),
        "ΠGDM": guided,
        "trained for it": lambda: upscaled(model, small, seed=1),
        "trained, mean of 8": lambda: torch.stack([upscaled(model, small, seed=k) for k in range(8)]).mean(0),
    }

    def judged(x: Tensor) -> dict[str, Any]:
        return {"right": (judge_digits(x).digit == labels).double().mean().item(), **scores(x)}

    rows = compared(ways, truth, judged, "upscaled-digits.png")
    return {"training_minutes": training_minutes(f"digits-{steps}"), "rows": rows}


def halves(flowers: Path, size: int) -> tuple[Path, Tensor, Tensor]:
    """The file of nine in ten photographs at this size, 200 of them, and 200 that are held out."""
    path, data = RUNS / f"flowers-{size}.npz", load(str(flowers), size=size)
    held = np.arange(len(data)) % 10 == 9
    if not path.exists():
        file = io.BytesIO()
        np.savez(file, samples=data.rows[~held], labels=np.asarray(data.labels)[~held])
        write_file(path, file.getvalue())
    used, fresh = (np.random.default_rng(0).permutation(np.flatnonzero(part))[:200] for part in (~held, held))
    return path, data.batch(used), data.batch(fresh)


def settings(path: Path, **more: Any) -> dict[str, Any]:
    """Photographs are mirrored, and there are more colours in them than in digits."""
    told = {"data.name": str(path), "train.flip": True, "train.batch": 32, "network.width": 48}
    return told | {key.replace("__", "."): value for key, value in more.items()}


def flowers(steps: int, folder: Path, size: int = 64) -> dict[str, Any]:
    path, used, truth = halves(folder, size)
    small = shrunk(2)(truth)
    names = f"flowers-{size // 2}-to-{size}", f"flowers-{size}"
    large, plain = (trained(name, steps, settings(path, **more)) for name, more in zip(names, (SMALL, {}), strict=True))
    ways: Ways = {
        "bicubic": lambda: F.interpolate(small, scale_factor=2, mode="bicubic").clamp(-1, 1),
        "ΠGDM": lambda: restored(plain, Observation(small, shrunk(2), 0.02), len(truth), steps=50, seed=1),
        "trained for it": lambda: upscaled(large, small, seed=1),
        "trained, mean of 4": lambda: torch.stack([upscaled(large, small, seed=k) for k in range(4)]).mean(0),
    }
    rows = compared(ways, truth, lambda x: distance(x, used, truth), f"upscaled-flowers-{size}.png")
    return {"training_minutes": training_minutes(*(f"{name}-{steps}" for name in names)), "rows": rows}


def distance(x: Tensor, used: Tensor, truth: Tensor) -> dict[str, float]:
    features = FEATURES["convolutions"]().of
    real = features(truth)
    return {"n": len(x), "frechet": frechet(features(x.cpu()), real), "floor": frechet(features(used), real)}


def cascade(steps: int, folder: Path) -> dict[str, Any]:
    paths = {size: halves(folder, size)[0] for size in (16, 32, 64)}
    _, used, truth = halves(folder, 64)
    stages = [
        trained("flowers-16", steps, settings(paths[16], network__patch=1)),
        trained("flowers-16-to-32", steps, settings(paths[32], process__small=2)),
        trained("flowers-32-to-64", steps, settings(paths[64], process__small=2)),
    ]
    plain, n, rows = trained("flowers-64", steps, settings(paths[64])), len(truth), []
    began = time.perf_counter()
    drawn = cascaded(stages, n, seed=1)
    seconds_each = (time.perf_counter() - began) / n
    rows.append({"way": "16, 32, 64", "seconds_each": seconds_each, **distance(drawn[-1], used, truth)})
    began = time.perf_counter()
    at_once = plain.sample(n, seed=1)
    seconds_each = (time.perf_counter() - began) / n
    rows.append({"way": "64 at once", "seconds_each": seconds_each, **distance(at_once, used, truth)})
    large = [F.interpolate(x[:8].cpu(), size=64, mode="nearest") for x in drawn]
    save(grid(torch.cat([*large, at_once[:8].cpu()]), columns=8), ROOT / "docs" / "pictures" / "cascade.png")
    names = ("flowers-16", "flowers-16-to-32", "flowers-32-to-64", "flowers-64")
    return {"training_minutes": training_minutes(*(f"{name}-{steps}" for name in names)), "rows": rows}


PARTS: Mapping[str, Callable[[int, Path], dict[str, Any]]] = {
    "digits": digits,
    "flowers": flowers,
    "flowers-32": partial(flowers, size=32),
    "cascade": cascade,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--flowers", type=Path, default=Path("flowers"), help="the folder of photographs, by class")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "upscaling.json"))
    args = parser.parse_args()
    keep_memory()
    path = Path(args.json)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for part in args.parts:
        found[part] = {"steps": args.steps, **measured(PARTS[part], args.steps, args.flowers)}
        write_file(path, (json.dumps(found, indent=1) + "\n").encode())
        headings = {"way": "way", "n": "n", "psnr": "PSNR", "ssim": "SSIM", "right": "right", "frechet": "Fréchet"}
        headings = {k: v for k, v in headings.items() if k in found[part]["rows"][0]}
        peers.table(part, found[part]["rows"], headings | {"floor": "floor", "seconds_each": "s each"})


if __name__ == "__main__":
    main()
