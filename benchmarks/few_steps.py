"""Few network calls beside the full chain, on the digits that come with the package.

python benchmarks/few_steps.py [--parts chain paths table best time] [--json FILE]

All without guidance, so that a step is a call. `chain` is the ancestral chain of all 1,000 steps: three seeds of 2,000
digits and one of 10,000. `paths` are all solvers on all paths at ten calls (n = 500), `table` all solvers at 3 to 20
calls, even in time (n = 2,000). `best` is what the table says is best at ten calls, with the chain's seeds and numbers.
`time` is seconds a digit. What was drawn is kept in blocks under runs/, so a stopped run goes on, and parts may run at
the same time in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from digit_scores import scores
from machine import here

import fromnoise as fn
from fromnoise.model.store import write_file
from fromnoise.sampling import PATHS, SOLVERS

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "few-steps"
BLOCK, SEEDS, N, MANY = 500, (1, 2, 3), 2000, 10_000
CALLS = (3, 4, 5, 6, 8, 10, 15, 20)
Way = tuple[str, str, int]
"""Solver, path, steps."""


def drawn(model: fn.Model, way: Way, seed: int, n: int) -> torch.Tensor:
    """n digits, in blocks of which those on disk are not drawn again; kept as bytes, as pictures are."""
    solver, path, steps = way
    folder = RUNS / f"{solver}-{path}-{steps}-seed-{seed}"
    parts = []
    for first in range(0, n, BLOCK):
        file = folder / f"{first}.npy"
        if not file.exists():
            x = model.sample(BLOCK, seed=seed, first=first, solver=solver, path=path, steps=steps, weight=1.0)
            folder.mkdir(parents=True, exist_ok=True)
            write_file(file, _npy(((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()))
        parts.append(torch.from_numpy(np.load(file, allow_pickle=False)).float() / 127.5 - 1)
    return torch.cat(parts)


def _npy(array: np.ndarray) -> bytes:
    from io import BytesIO

    out = BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def judged(model: fn.Model, way: Way, seed: int, n: int) -> dict[str, Any]:
    """The scores of a way with a seed."""
    found = {"solver": way[0], "path": way[1], "steps": way[2], "seed": seed, "n": n}
    found |= {"calls": model.calls(1.0, solver=way[0], path=way[1], steps=way[2])}
    return found | scores(drawn(model, way, seed, n))


def ways(paths: Iterable[str], calls: Iterable[int]) -> list[Way]:
    """All solvers on some paths, with as many steps as each number of calls allows."""
    found = []
    for name, choice in SOLVERS.items():
        if choice.calls is None or name == "em":
            continue
        for path in paths:
            steps = {(most - 1) // choice.calls + 1 for most in calls}
            found += [(name, path, count) for count in sorted(steps) if count > 1]
    return found


def best_of_ten(rows: list[dict[str, Any]]) -> Way:
    """The least distance among all with ten calls or fewer."""
    least = min((row for row in rows if row["calls"] <= 10), key=lambda row: row["frechet"])
    return least["solver"], least["path"], least["steps"]


def timed(model: fn.Model, best: Way, n: int = 256, rounds: int = 5) -> dict[str, float]:
    """Seconds a digit: ten calls, and one call of the chain times 500, in turn; medians."""
    found: dict[str, list[float]] = {"best": [], "chain": []}
    for _ in range(rounds):
        for name, way, scale in (("best", best, 1.0), ("chain", ("ddpm", "even", 20), 500 / 20)):
            began = time.perf_counter()
            model.sample(n, solver=way[0], path=way[1], steps=way[2], weight=1.0)
            found[name].append((time.perf_counter() - began) / n * scale)
    seconds = {name: statistics.median(values) for name, values in found.items()}
    return {"seconds_best": seconds["best"], "seconds_chain_500": seconds["chain"], "n": n} | {
        "factor": seconds["chain"] / seconds["best"]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["chain", "paths", "table", "best", "time"])
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "few-steps.json"))
    args = parser.parse_args()
    path, model = Path(args.json), fn.load("mnist")
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for part in args.parts:
        if part == "chain":
            chain = ("ddpm", "even", 1000)
            rows = [judged(model, chain, seed, N) for seed in SEEDS] + [judged(model, chain, SEEDS[0], MANY)]
        elif part in ("paths", "table"):
            rows, n = [], 500 if part == "paths" else N
            for way in ways(PATHS, [10]) if part == "paths" else ways(["even"], CALLS):
                rows.append(judged(model, way, SEEDS[0], n))
                print(json.dumps(rows[-1]), flush=True)
        else:
            best = best_of_ten(found["table"]["rows"])
            if part == "best":
                rows = [judged(model, best, seed, N) for seed in SEEDS] + [judged(model, best, SEEDS[0], MANY)]
            else:
                rows = [timed(model, best)]
        found[part] = {**here(), "rows": rows}
        write_file(path, (json.dumps(found, indent=1) + "\n").encode())
        print(part, json.dumps(rows[-1]), flush=True)


if __name__ == "__main__":
    main()
