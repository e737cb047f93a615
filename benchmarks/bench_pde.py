"""Steps of H's PDE a second: ours, many fields at once, beside a plain NumPy loop over fields; `make bench-pde`.

python benchmarks/bench_pde.py [--fields N] [--rounds N] [--json FILE]

Both take the explicit step with uniform noise at each of 100 cells, take the mean away and restore ∫|∇u|², in float64.
They take turns in one process; a round of each is a batch of steps, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from machine import here

from fromnoise.model import keep_memory
from fromnoise.pde import FORCINGS, Grid, Increments, evolve, random_fields

CELLS, ETA = 100, 300.0
DT = 0.15 / CELLS**2


def loop(fields: np.ndarray, steps: int) -> np.ndarray:
    """The plain way: one field after the other, a step at a time."""
    rng, dx, out = np.random.default_rng(0), 1 / CELLS, fields.copy()
    for u in out:
        energy = np.sum(np.diff(u) ** 2) / dx
        for _ in range(steps):
            slope = np.diff(u)
            laplacian = np.zeros_like(u)
            laplacian[:-1] += slope
            laplacian[1:] -= slope
            u += DT / dx**2 * laplacian + ETA * DT * rng.uniform(-1, 1, CELLS)
            u -= u.mean()
            u *= np.sqrt(energy / (np.sum(np.diff(u) ** 2) / dx))
    return out


def ours(fields: torch.Tensor, steps: int) -> torch.Tensor:
    """All fields together."""
    grid = Grid((CELLS,))
    noise = Increments(FORCINGS["literal"], grid, eta=ETA, dt=DT, n=len(fields))
    return next(islice(evolve(fields, grid, dt=DT, noise=noise), steps - 1, None))


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", default=str(Path(__file__).parent / "results" / "pde.json"))
    args = parser.parse_args()
    keep_memory()  # as the command does
    fields, steps, few = random_fields(Grid((CELLS,)), args.fields), 256, 20
    alone = fields[:few].numpy()
    plain, fast = [], []
    for _ in range(args.rounds + 1):
        plain.append(seconds(lambda: loop(alone, 500)) / (few * 500))
        fast.append(seconds(lambda: ours(fields, steps)) / (args.fields * steps))
    rates = {"numpy_loop": 1 / statistics.median(plain[1:]), "fromnoise": 1 / statistics.median(fast[1:])}
    ratios = sorted(a / b for a, b in zip(plain[1:], fast[1:], strict=True))
    found = {"field_steps_a_second": rates, "ratio": statistics.median(ratios), "ratios": [ratios[0], ratios[-1]]}
    found |= {"fields": args.fields, "cells": CELLS, "threads": torch.get_num_threads()}
    Path(args.json).write_text(json.dumps({**here(), **found}, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
