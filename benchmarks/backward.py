"""The learned backward map beside the exact posterior of the linear equation, and its trial on the full one.

python benchmarks/backward.py [--parts linear raw full] [--json FILE]

`linear` is `fromnoise.pde.learn` where the posterior is known: Gaussian fields and noise, nothing conserved. `raw` is a
network that is given the modes of u(T) and draws those of u(0) themselves, without the help of regression, on the same
pairs. `full` is `fromnoise pde --eta 10000 --learn-backward`. The runs lie under runs/backward and go on where they
were stopped; rows that the file has already are kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import here
from torch import Tensor

import fromnoise as fn
from fromnoise.evaluation import covered
from fromnoise.model.store import write_file
from fromnoise.pde import FORCINGS, Backward, Gaussian, Grid, Problem, learn, pairs, posterior, prior
from fromnoise.pde.psi import MODES, SETTINGS, modes

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "backward"
FEW, MANY, FRESH, DRAWS = 500, 1000, 2000, 199
"""Pairs and draws for means and covariances, and for intervals."""


def linear() -> Problem:
    """White noise so strong that a third of mode 1's variance is left; 16 modes, for all of them are to be drawn."""
    grid = Grid((32,))
    variances = prior(grid)
    variances[MODES + 1 :] = 0
    return Problem(grid, 4.2, FORCINGS["white"], steps=136, R=None, law=Gaussian(variances), conserve=None)


def beside_exact(problem: Problem, draw: Callable[[Tensor, int], Tensor]) -> dict[str, Any]:
    """What draws (n, B, modes) of u_T (B, cells) leave to the exact posterior."""
    exact = posterior(problem)
    gain, var, known = (part[1 : MODES + 1] for part in exact)
    _, u_T = pairs(problem, FEW, first=6 * 10**8)
    draws, c_T = draw(u_T, MANY), modes(problem.grid, u_T, MODES)
    error = ((draws.mean(0) - gain * c_T) / known.sqrt()).square().mean(0).sqrt()
    left = (draws - draws.mean(0)).reshape(-1, MODES)
    covariance = left.T @ left / (len(left) * (1 - 1 / MANY))
    u_0, u_T = pairs(problem, FRESH, first=7 * 10**8)
    share = covered(draw(u_T, DRAWS), modes(problem.grid, u_0, MODES))
    return {
        "posterior_var_of_prior": (var / known)[:3].tolist(),
        "mean_rms_of_prior_sd": error[:3].tolist(),
        "largest": float(error.max()),
        "by_chance": ((var / known / MANY).sqrt())[:3].tolist(),
        "covariance_frobenius": float((covariance - var.diag()).norm() / var.diag().norm()),
        "covered_90": share[:5].tolist(),
    }


def by_learn() -> dict[str, Any]:
    """The library's own map."""
    problem, psi = linear(), None
    for event in learn(problem, RUNS / "linear"):
        psi = event if isinstance(event, Backward) else psi
    assert psi is not None
    return beside_exact(problem, lambda u_T, n: _seen(problem, psi.draw(u_T, n)))


def by_raw() -> dict[str, Any]:
    """The modes themselves, given modes."""
    problem, out = linear(), RUNS / "linear"
    if not (out / "pairs.npz").exists():
        by_learn()
    config = fn.recipe(str(out / "pairs.npz"), key="c_0", given="c_T").override(SETTINGS)
    for _ in fn.fit(config, RUNS / "raw"):
        pass
    model = fn.load(RUNS / "raw")

    def draw(u_T: Tensor, n: int) -> Tensor:
        given = modes(problem.grid, u_T, MODES).float()
        return model.sample(n * len(u_T), given=given).cpu().double().reshape(n, len(u_T), MODES)

    return beside_exact(problem, draw)


def _seen(problem: Problem, u: Tensor) -> Tensor:
    return modes(problem.grid, u.flatten(0, 1), MODES).unflatten(0, u.shape[:2])


def full() -> dict[str, Any]:
    """The command as a person types it."""
    line = [sys.executable, "-m", "fromnoise", "pde", "--eta", "10000", "--learn-backward", "--out", str(RUNS / "full")]
    subprocess.run([*line, "--quiet"], check=True)
    return json.loads((RUNS / "full" / "backward.json").read_text())


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"linear": by_learn, "raw": by_raw, "full": full}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "backward.json"))
    args = parser.parse_args()
    path = Path(args.json)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for part in args.parts:
        if part not in found:
            began = time.perf_counter()
            row = PARTS[part]()
            found[part] = {
                **here(),
                "minutes": (time.perf_counter() - began) / 60,
                "threads": torch.get_num_threads(),
                **row,
            }
            write_file(path, (json.dumps(found, indent=1) + "\n").encode())
        print(part, json.dumps(found[part]), flush=True)


if __name__ == "__main__":
    main()
