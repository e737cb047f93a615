"""Train a Swiss-roll recipe from scratch and judge it: seconds, sliced Wasserstein-2 in floors, distance to the curve.

python benchmarks/swissroll.py [RECIPE] [--json FILE] [--save FOLDER]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import torch

import fromnoise as fn
from fromnoise.data import load as load_data
from fromnoise.data.points import distance_to_swissroll
from fromnoise.evaluation import beside_floor

N = 10_000


def fresh(seed: int) -> torch.Tensor:
    """N points of the noise-free roll."""
    return torch.tensor(load_data("swissroll", n=N, seed=seed).rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="swissroll")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--save", metavar="FOLDER", help="keep the trained model there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        *_, finished = fn.fit(args.recipe, Path(folder) / "run")
        seconds = time.perf_counter() - began
    model = finished.model
    began = time.perf_counter()
    samples = [model.sample(N, seed=seed) for seed in range(10)]
    sampling = (time.perf_counter() - began) / 10
    measured = beside_floor(lambda i: samples[i], fresh)
    distance = sum(float(distance_to_swissroll(x.numpy()).mean()) for x in samples) / len(samples)
    found = {
        "recipe": args.recipe,
        "commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip(),
        "machine": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads",
        "minutes": seconds / 60,
        "training_seconds": seconds,
        "sampling_seconds_per_10000": sampling,
        "sliced_wasserstein": measured.distance,
        "standard_error": measured.error,
        "floor": measured.floor,
        "floors": measured.floors,
        "mean_distance_to_curve": distance,
    }
    for name, value in found.items():
        print(f"{name:28} {value:.4g}" if isinstance(value, float) else f"{name:28} {value}")
    if args.json:
        Path(args.json).parent.mkdir(parents=True, exist_ok=True)
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
    if args.save:
        model.save(args.save)


if __name__ == "__main__":
    main()
