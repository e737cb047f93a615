"""A folder of photographs: pictures a second, first and second epoch, with ours and with diffusers' example pipeline.

python benchmarks/bench_folder.py [--folder PATH] [--n 4317] [--size 64] [--rounds 1] [--quick] [--json FILE]

Without --folder, seeded pictures of the sizes of flower photographs are made and not timed; all files are read once
before, so that nobody waits for the disk. A first epoch begins with nothing but the folder: caches are empty. The peer
is the data path of diffusers' example for unconditional images (datasets' "imagefolder", one transform for each
picture, a DataLoader), with torchvision's transforms replaced by the same steps in Pillow and PyTorch.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import contenders as peers
import numpy as np
import torch
from machine import here
from PIL import Image, ImageOps
from torch import Tensor

from fromnoise.data import load
from fromnoise.training.draws import batch_index

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing here needs a network

BATCH = 64
SIDES = ((320, 240), (320, 213), (240, 240), (240, 320), (500, 333), (333, 500), (500, 375), (320, 232))
FLOWERS = ("daisy", "dandelion", "rose", "sunflower", "tulip")
HEADINGS = {
    "library": "library", "setting": "setting", "first_seconds": "s, first epoch", "first_per_second": "images/s",
    "second_seconds": "s, second", "second_per_second": "images/s", "reopened_seconds": "s, next start",
}  # fmt: skip


def grow(folder: Path, n: int) -> None:
    """n seeded JPEGs in five subfolders: smooth colours under fine grain, as large on disk as photographs."""
    rng = np.random.default_rng(0)
    grain = rng.integers(-24, 25, (512, 512, 3), np.int16)
    for number in range(n):
        width, height = SIDES[rng.integers(len(SIDES))]
        coarse = Image.fromarray(rng.integers(0, 256, (8, 10, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        pixels = (smooth + grain[:height, :width]).clip(0, 255).astype(np.uint8)
        path = folder / FLOWERS[number % len(FLOWERS)] / f"{number:05d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=88)


def with_ours(folder: Path, size: int, cache: Path) -> dict[str, Callable[[], Iterable[Tensor]]]:
    """What makes the batches of an epoch, from nothing and from what the first left behind."""
    os.environ["FROMNOISE_CACHE"] = str(cache)
    held: dict[str, Any] = {}

    def opened() -> Iterable[Tensor]:
        held["data"] = load(str(folder), size=size)
        return epoch(0)

    def epoch(number: int) -> Iterable[Tensor]:
        n = len(held["data"])
        whole = -(-n // BATCH)
        for step in range(number * whole, (number + 1) * whole):
            batch = held["data"].batch(batch_index(0, step, BATCH, n)[: n - step % whole * BATCH])
            yield torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(-1), batch)  # mirrored, as theirs

    return {"first": opened, "second": partial(epoch, 1), "reopened": opened}


def with_diffusers(folder: Path, size: int, cache: Path, workers: int) -> dict[str, Callable[[], Iterable[Tensor]]]:
    """The same of the example's pipeline."""
    import datasets
    from torch.utils.data import DataLoader

    datasets.disable_progress_bars()
    held: dict[str, Any] = {}

    def transform(examples: dict[str, Any]) -> dict[str, Any]:
        return {"input": [_augmented(image.convert("RGB"), size) for image in examples["image"]]}

    def opened() -> Iterable[Tensor]:
        data = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(cache), split="train")
        data.set_transform(transform)
        held["loader"] = DataLoader(data, BATCH, shuffle=True, num_workers=workers)
        return epoch()

    def epoch() -> Iterable[Tensor]:
        return (batch["input"] for batch in held["loader"])

    return {"first": opened, "second": epoch, "reopened": opened}


def _augmented(image: Image.Image, size: int) -> Tensor:
    """Resize the shorter side, crop the middle, mirror half of them, and scale to [-1, 1]: (3, size, size)."""
    scale = size / min(image.size)
    sides = [max(size, int(side * scale)) for side in image.size]
    image = image.resize((sides[0], sides[1]), Image.Resampling.BILINEAR)
    left, top = round((sides[0] - size) / 2), round((sides[1] - size) / 2)
    image = image.crop((left, top, left + size, top + size))
    if random.random() < 0.5:
        image = ImageOps.mirror(image)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return pixels.to(torch.float32).div(255).sub(0.5).div(0.5)


def timed(batches: Callable[[], Iterable[Tensor]], n: int, size: int) -> float:
    """Seconds until the last batch is there. Raises where not all pictures came, in the shape and range asked for."""
    began = time.perf_counter()
    count, low, high = 0, 1.0, -1.0
    for batch in batches():
        count += len(batch)
        low, high = min(low, batch[0].min().item()), max(high, batch[0].max().item())
    seconds = time.perf_counter() - began
    if count != n or tuple(batch.shape[1:]) != (3, size, size) or not -1 <= low < -0.5 < 0.5 < high <= 1:
        raise RuntimeError(
            f"{count} pictures of {tuple(batch.shape[1:])} in [{low}, {high}], not {n} of {size} in [-1, 1]"
        )
    return seconds


def raced(folder: Path, n: int, size: int, rounds: int, workers: Sequence[int]) -> list[dict[str, Any]]:
    """Seconds of all pipelines in turn; caches are made anew in each round."""
    pipelines = {("fromnoise", "default"): with_ours}
    pipelines |= {
        ("diffusers' example", f"{count} workers"): partial(with_diffusers, workers=count) for count in workers
    }
    taken: dict[tuple[str, str], dict[str, list[float]]] = {name: {} for name in pipelines}
    for _ in range(rounds):
        for name, pipeline in pipelines.items():
            with tempfile.TemporaryDirectory() as cache:
                for phase, batches in pipeline(folder, size, Path(cache)).items():
                    taken[name].setdefault(phase, []).append(timed(batches, n, size))
    rows = []
    for (library, setting), phases in taken.items():
        row: dict[str, Any] = {"library": library, "setting": setting, "rounds": rounds, "images": n}
        for phase, seconds in phases.items():
            row[f"{phase}_seconds"] = statistics.median(seconds)
            row[f"{phase}_per_second"] = n / row[f"{phase}_seconds"]
        rows.append(row)
    return rows


def main() -> None:
    parser = peers.arguments(__doc__)
    parser.add_argument("--folder", help="photographs of your own, in place of made ones")
    parser.add_argument("--n", type=int, default=4317, help="how many are made")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures that come out")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(args.folder or made)
        if not args.folder:
            grow(folder, 24 if args.quick else args.n)
            time.sleep(2.5)  # a file's stamp says little while it is younger than the clock's resolution
        files = [path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
        size = sum(len(path.read_bytes()) for path in files)
        rows = raced(folder, len(files), args.size, args.rounds, (0,) if args.quick else (0, 2))
    about = f"{len(files):,} pictures of {size / len(files) / 1000:.0f} kB, to {args.size}x{args.size}"
    peers.table(f"Folder: {about}", rows, HEADINGS)
    keys = ("first_per_second", "second_per_second", "reopened_per_second")
    ratios = peers.ratios(rows, "fromnoise", *keys)
    headings = dict(zip(keys, ("first epoch x", "second x", "next start x"), strict=True))
    peers.table("Folder: ours over theirs", ratios, {"peer": "against"} | headings)
    found = {"images": len(files), "bytes": size, "made": not args.folder, "contenders": rows, "ratios": ratios}
    peers.write({**here(), "folder": found}, args.json)


if __name__ == "__main__":
    main()
