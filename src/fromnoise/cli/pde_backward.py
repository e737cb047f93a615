"""fromnoise pde --learn-backward: H's set of pairs, a diffusion model of u(0) given u(T), and whether it is right."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fromnoise.cli.outputs import note, write_numbers
from fromnoise.cli.progress import bar

if TYPE_CHECKING:
    from fromnoise.pde import Problem
    from fromnoise.pde.trial import Trial

DRAWS, FRESH, ALPHA = 99, 1000, 0.01
"""Draws for each of so many fresh pairs, and the level of all tests of ranks together."""


def learn_backward(problem: Problem, out: Path, n: int, args: argparse.Namespace) -> None:
    """Learn ψ in the folder `out` and judge it there."""
    from fromnoise.figures import backward_figure, save
    from fromnoise.model.options import parse_value
    from fromnoise.pde import Backward, learn, pairs
    from fromnoise.pde.trial import trial
    from fromnoise.training import Started, Stepped

    psi: Backward | None = None
    started: Started | None = None
    with bar("pairs, then training", args.quiet) as update:
        settings = {key: parse_value(value) for key, value in args.changes.items()}
        made = learn(problem, out, n, settings=settings, progress=lambda done, total: update(done, total, "pairs"))
        for event in made:
            if isinstance(event, Started):
                started = event
            elif isinstance(event, Stepped) and started is not None:
                update(event.step, started.steps, f"training, loss {event.loss:.4g}  {event.rate:.3g} steps/s")
            elif isinstance(event, Backward):
                psi = event
    assert psi is not None
    stages = ("fresh pairs", "draws", "the others", "forward again")
    with bar("judging", args.quiet) as update:
        found = trial(psi, DRAWS, FRESH, progress=lambda what: update(stages.index(what), len(stages), what))
    _report(found, out / "backward.json")
    u_0, u_T = pairs(problem, 3, first=10**8)
    draws = psi.draw(u_T, 20)
    examples = [(u_T[i], u_0[i], draws[:, i]) for i in range(3)]
    save(backward_figure(problem.grid.points[0], examples, found, DRAWS), out / "backward.png")
    note(f"wrote {out / 'backward.png'} and {out / 'backward.json'}; {out / 'run'} draws what regression leaves")


def _report(found: Trial, path: Path) -> None:
    print(f"{'':19} energy score      worse than the network by (low scores are good)")
    names = {"network": "network", "regression": "linear regression", "nearest": f"{found.neighbours} nearest pairs"}
    for name, words in names.items():
        mean, error = found.scores[name]
        line = f"{words:19} {mean:.4f} +- {error:.4f}"
        print(line if name == "network" else f"{line}  {found.worse[name][0]:.4f} +- {found.worse[name][1]:.4f}")
    needed = ALPHA / len(found.p)
    p, wide = (" ".join(f"{value:.2g}" for value in values) for values in (found.p, found.widened_p))
    print(f"ranks of modes 1 to {len(found.p)}: p = {p}; uniform: {'yes' if min(found.p) > needed else 'no'}")
    if min(found.p) <= needed:
        print("so the draws are not yet those of the law: more pairs (-n) or more steps (--train.steps) may help")
    print(f"draws a fifth too wide: p = {wide}; uniform: {'yes' if min(found.widened_p) > needed else 'no'}")
    print(f"run forward again, u(T) is {found.again.floors:.2f} floors from fresh u(T)")
    write_numbers(
        str(path),
        {
            "draws": DRAWS, "pairs": FRESH, "p": found.p.tolist(), "widened_p": found.widened_p.tolist(),
            "scores": found.scores, "worse": found.worse, "neighbours": found.neighbours,
            "again": found.again._asdict() | {"floors": found.again.floors},
        },
    )  # fmt: skip
