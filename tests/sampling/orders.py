"""The orders of all solvers, measured: the error on an exact law as the steps are halved.

    .venv/bin/python tests/sampling/orders.py

writes the table of docs/solvers.md.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fromnoise.process import VP, Flow, GaussianMixture, Schedule, linear
from fromnoise.sampling import DDIM, IPNDM, Heun, Midpoint, Multistep, Noise, RungeKutta, Solver, UniPC
from fromnoise.sampling.singlestep import level_at

LAW = GaussianMixture([0.3, 0.7], [[-1.0, 0.5], [0.8, -0.3]], [[[0.3, 0.1], [0.1, 0.2]], [[0.2, -0.05], [-0.05, 0.4]]])
SCHEDULES: dict[str, Schedule] = {"linear": linear(1000), "vp": VP(), "flow": Flow()}
STARTS = (-2.5, -1.0)
COUNTS = (64, 128, 256)

Make = Callable[[Schedule], Solver]
SOLVERS: dict[str, tuple[Make, float, float]] = {
    # name: the solver on a schedule, the least order and the most
    "DDIM": (lambda s: DDIM(), 0.7, 1.3),
    "Heun": (lambda s: Heun(), 1.7, 2.3),
    "DPM-Solver++ 2S": (Midpoint, 1.7, 2.3),
    "DPM-Solver++ 2M": (lambda s: Multistep(2, start=RungeKutta(s, 2)), 1.7, 2.3),
    "DPM-Solver++ 3M": (lambda s: Multistep(3, start=RungeKutta(s, 3)), 2.7, 3.3),
    "UniPC-2": (lambda s: UniPC(2, start=RungeKutta(s, 3)), 2.7, 3.3),
    "UniPC-3": (lambda s: UniPC(3, start=RungeKutta(s, 4)), 3.3, 4.3),
    "DEIS-3": (lambda s: Multistep(3, Noise(), start=RungeKutta(s, 3)), 2.7, 3.3),
    "DEIS-4": (lambda s: Multistep(4, Noise(), start=RungeKutta(s, 4)), 3.7, 4.3),
    "iPNDM-2, fixed coefficients": (lambda s: IPNDM(2), 1.7, 2.3),
    "iPNDM-4, fixed coefficients": (lambda s: IPNDM(4), 1.7, 2.3),
    "Runge-Kutta 4": (lambda s: RungeKutta(s, 4), 3.7, 4.5),
}
FIRST_ORDER_START: dict[str, Make] = {
    "DPM-Solver++ 3M": lambda s: Multistep(3),
    "DEIS-3": lambda s: Multistep(3, Noise()),
    "DEIS-4": lambda s: Multistep(4, Noise()),
}


def walked(solver: Solver, schedule: Schedule, start: float, steps: int) -> Tensor:
    """Sixteen points of the law at lam = start, carried to lam = 2.5 in equal steps of lam, in float64."""
    generator = torch.Generator().manual_seed(0)
    levels = [level_at(schedule, lam) for lam in torch.linspace(start, 2.5, steps + 1, dtype=torch.float64)]
    eps = torch.randn(16, 2, dtype=torch.float64, generator=generator)
    x, state = levels[0].alpha * LAW.sample(16, generator) + levels[0].sigma * eps, None
    for t, s in pairwise(levels):
        x, state = solver.step(LAW, x, t, s, state, torch.randn_like)
    return x


@functools.cache
def truth(schedule: str, start: float) -> Tensor:
    """The end of the ODE, by a solver of order four and very many steps."""
    return walked(RungeKutta(SCHEDULES[schedule], 4), SCHEDULES[schedule], start, 1024)


def slope(make: Make, schedule: str, start: float) -> float:
    """Minus the log-log slope of the error against the number of steps."""
    solver = make(SCHEDULES[schedule])
    true = truth(schedule, start)
    errors = [float((walked(solver, SCHEDULES[schedule], start, steps) - true).norm()) for steps in COUNTS]
    return float(-np.polyfit(np.log(COUNTS), np.log(errors), 1)[0])


def table() -> str:
    """The Markdown table of all orders."""
    columns = [(name, start) for name in SCHEDULES for start in STARTS]
    lines = ["| solver | " + " | ".join(f"{name}, {start:g}" for name, start in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    rows = {name: make for name, (make, _, _) in SOLVERS.items()}
    rows |= {f"{name}, its first steps of lower order": make for name, make in FIRST_ORDER_START.items()}
    for name, make in rows.items():
        found = [f"{slope(make, schedule, start):.2f}" for schedule, start in columns]
        lines.append(f"| {name} | " + " | ".join(found) + " |")
    return "\n".join(lines)


def main() -> None:
    """Put the table between the marks of the page."""
    page = Path(__file__).parents[2] / "docs" / "solvers.md"
    before, rest = page.read_text().split("<!-- orders -->\n", 1)
    _, after = rest.split("<!-- end of orders -->", 1)
    page.write_text(f"{before}<!-- orders -->\n\n{table()}\n\n<!-- end of orders -->{after}")


if __name__ == "__main__":
    sys.exit(main())
