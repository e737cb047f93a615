"""K's implementation choices on the Swiss roll: the number of steps T, what the network predicts, the variance of a
step, the schedule, and the weight of the loss, three seeds each.

python benchmarks/choices.py [--jobs 2] [--json FILE]

Network, optimiser and steps are those of the recipe `swissroll`; nothing else but these choices changes. A training
serves both fixed variances; the learned one is trained with the hybrid loss. Each draws 4,000 points by the ancestral
chain with all its T steps. What was trained is kept as a small file under runs/choices, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import here

import fromnoise as fn
from fromnoise.data import load
from fromnoise.data.points import distance_to_swissroll
from fromnoise.evaluation import beside_floor, sliced_wasserstein
from fromnoise.model.store import write_file

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "choices"
N, SEEDS = 4000, (0, 1, 2)
STEPS = {"linear-scaled": (40, 200, 1000), "cosine": (10, 40, 200, 1000)}  # of ten steps, one would have β = 2
TARGETS = ("eps", "mean", "x_0")
LOSSES = ("simple", "clean", "variational")


class Training(NamedTuple):
    """What distinguishes one trained network; `loss` hybrid learns its variance."""

    schedule: str
    T: int
    target: str
    loss: str
    seed: int

    @property
    def variances(self) -> tuple[str, ...]:
        """The choices of σ² with which it is sampled."""
        return {"hybrid": ("learned",), "simple": ("small", "large")}.get(self.loss, ("small",))


def trainings() -> Iterator[Training]:
    """All of them: the choices with the loss (17), and the other weights of the loss at two numbers of steps."""
    for seed in SEEDS:
        for schedule, counts in STEPS.items():
            for T in counts:
                for target in TARGETS:
                    yield from (Training(schedule, T, target, loss, seed) for loss in ("simple", "hybrid"))
        for T in (40, 1000):
            for target in TARGETS:
                yield from (Training("linear-scaled", T, target, loss, seed) for loss in LOSSES[1:])


def found(one: Training, folder: Path) -> list[dict[str, Any]]:
    """Train it and judge what it draws, a row for each variance."""
    config = fn.recipe("swissroll").override({
        "schedule.name": one.schedule, "schedule.T": one.T, "process.prediction": one.target,
        "process.loss": one.loss, "process.variance": one.variances[0], "train.seed": one.seed,
    })  # fmt: skip
    began = time.perf_counter()
    *_, finished = fn.fit(config, folder)
    seconds = time.perf_counter() - began
    model = finished.model
    rows = []
    for variance in one.variances:
        chosen = fn.Model(model.config.override({"process.variance": variance}), model.network)
        x = chosen.sample(N, seed=one.seed)
        row = {**one._asdict(), "variance": variance, "n": N, "seconds": seconds, "finite": bool(x.isfinite().all())}
        if row["finite"]:
            distances = [sliced_wasserstein(x, fresh(1000 + i), seed=i) for i in range(3)]
            row |= {"floors": statistics.mean(distances) / floor(), "floor": floor()}
            row["from_curve"] = float(distance_to_swissroll(x.numpy()).mean())
        rows.append(row)
    return rows


def fresh(seed: int) -> torch.Tensor:
    """N points of the noise-free roll."""
    return torch.tensor(load("swissroll", n=N, seed=seed).rows)


@functools.cache
def floor() -> float:
    """The distance of fresh points to fresh points."""
    return beside_floor(fresh, fresh, sets=1).floor


def file_of(one: Training) -> Path:
    return RUNS / ("-".join(str(part) for part in one) + ".json")


def work(share: int, jobs: int) -> None:
    """Do what is missing of every jobs-th training."""
    for one in list(trainings())[share::jobs]:
        if not file_of(one).exists():
            folder = RUNS / f"training-{share}"
            shutil.rmtree(folder, ignore_errors=True)
            rows = [{**here(), **row} for row in found(one, folder)]
            write_file(file_of(one), json.dumps(rows).encode())
            print(*one, *(f"{row['variance']} {row.get('floors', float('nan')):.2f}" for row in rows), flush=True)


def gathered() -> dict[str, Any]:
    """The rows of all trainings, and the mean and the standard deviation over the seeds."""
    rows = [row for one in trainings() for row in json.loads(file_of(one).read_text())]
    names = ("schedule", "T", "target", "loss", "variance")
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        cells.setdefault(tuple(row[name] for name in names), []).append(row)
    table = []
    for key, some in cells.items():
        sound = [row for row in some if row["finite"]]
        entry = dict(zip(names, key, strict=True)) | {"finite": len(sound), "seeds": len(some)}
        for what in ("floors", "from_curve") if sound else ():
            values = [row[what] for row in sound]
            entry |= {what: statistics.mean(values), f"{what}_sd": statistics.stdev(values) if len(values) > 1 else 0.0}
        table.append(entry)
    about = {name: sorted({str(row[name]) for row in rows}) for name in ("commit", "machine", "torch", "date")}
    minutes = sum(row["seconds"] for row in rows if row["variance"] != "large") / 60
    return {**about, "training_minutes": minutes, "n": N, "floor": rows[0]["floor"], "table": table, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--share", type=int, help="be this one of the processes")
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "choices.json"))
    args = parser.parse_args()
    if args.share is not None:
        work(args.share, args.jobs)
        return
    RUNS.mkdir(parents=True, exist_ok=True)
    one = [sys.executable, __file__, "--jobs", str(args.jobs), "--share"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    jobs = [subprocess.Popen([*one, str(share)], env=env) for share in range(args.jobs)]
    if any([job.wait() for job in jobs]):
        sys.exit("a process failed; the same command goes on")
    result = gathered()
    write_file(Path(args.json), (json.dumps(result, indent=1) + "\n").encode())
    for row in result["table"]:
        found = row["floors"] if row["finite"] == row["seeds"] else float("nan")
        print(*(row[name] for name in ("schedule", "T", "target", "loss", "variance")), f"{found:.2f}")


if __name__ == "__main__":
    main()
