"""Does the judge call memorised what is memorised, and clean what is clean?

python benchmarks/memorise.py [--parts hundred planted shipped] [--quick] [--json FILE]

`hundred` is the recipe `mnist` trained on ten digits of each class, judged on its way and at its end: it has nothing
else to draw. `planted` is trained on 2,000 digits and one that is there 200 times, for what is there often is what a
model gives away (Carlini et al. 2023, Somepalli et al. 2023). `shipped` is the model of the package beside the 60,000
digits that it was trained on. Held-out data are the test digits; samples are drawn and judged as `fromnoise judge` does
it. The runs lie under runs/memorise and go on where they were stopped; parts that the file has already, with the same
settings, are kept.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import here
from shipped import begun, seconds, trained

import fromnoise as fn
from fromnoise.cli.judge_data import drawn, training_data
from fromnoise.cli.progress import bar
from fromnoise.data import Dataset, load
from fromnoise.evaluation import Copies, Near, Training, copies
from fromnoise.model.store import write_file
from fromnoise.training import checkpoint

ROOT = Path(__file__).parents[1]
SEED = 0
STAGES = (16, 8, 4, 2, 1)
"""Parts of the training of `hundred` after which it is judged: 1/16 of it, ..., all."""
FULL: dict[str, dict[str, int]] = {
    "hundred": {"each": 10, "steps": 3000, "n": 500},
    "planted": {"others": 2000, "times": 200, "steps": 3000, "n": 1000},
    "shipped": {"n": 10_000},
}
QUICK: dict[str, dict[str, int]] = {
    "hundred": {"each": 2, "steps": 16, "n": 8},
    "planted": {"others": 100, "times": 10, "steps": 4, "n": 8},
    "shipped": {"n": 8},
}


def hundred(runs: Path, each: int, steps: int, n: int) -> dict[str, Any]:
    """Few digits, trained on until there is nothing that the network does not know of them."""
    labels = load("mnist", size=28).labels
    assert labels is not None
    order = np.random.default_rng(SEED).permutation(len(labels))
    rows = np.concatenate([order[labels[order] == digit][:each] for digit in range(10)])
    stages = [steps // part for part in STAGES]
    run, data = fitted(runs / f"hundred-{steps}", rows, steps, stages)
    began, index = time.perf_counter(), Training(data)
    fresh, by_step = held_out(index), {}
    for step in stages:
        model = fn.load(checkpoint.folder(run, step))
        by_step[step] = numbers(judged(model, n, index, fresh, runs / f"{run.name}-at-{step}"))
    said = ", ".join(f"{it['copies']} copies at step {step:,}" for step, it in by_step.items())
    return {"said": f"{said}; in the end {by_step[steps]['verdict']}", **spent(began, run), "by_step": by_step}


def planted(runs: Path, others: int, times: int, steps: int, n: int) -> dict[str, Any]:
    """Digits of which one is there often.

    Where it is there often, all that is near to a copy of it is near alike, and none is nearer than all others: `alone`
    judges the same samples beside data in which it is there once.
    """
    order = np.random.default_rng(SEED).permutation(60_000)[: others + 1]
    run, data = fitted(runs / f"planted-{steps}", np.append(order[:-1], [order[-1]] * times), steps)
    began, beside = time.perf_counter(), {}
    for name, like in (("as_trained", data), ("alone", data.take(slice(0, others + 1)))):
        index = Training(like)
        copied = judged(fn.load(run), n, index, held_out(index), runs / f"{run.name}-drawn", data)
        of_it = copied.near.nearest >= others
        told = {"copies_of_it": int((copied.copied & of_it).sum()), "nearest_to_it": int(of_it.sum())}
        beside[name] = numbers(copied) | told | {"copies_of_others": copied.count - told["copies_of_it"]}
    said = ", ".join(f"{told['copies_of_it']} copies of it {name.replace('_', ' ')}" for name, told in beside.items())
    said += f", {beside['alone']['copies_of_others']} of others; {beside['as_trained']['verdict']}"
    return {"said": said, **spent(began, run), "digit": order[-1].item(), "share": times / len(data), **beside}


def shipped(runs: Path, n: int) -> dict[str, Any]:
    """The digits that come with the package."""
    began, model = time.perf_counter(), fn.load("mnist")
    index = Training(training_data(model))
    found = numbers(judged(model, n, index, held_out(index), runs / "shipped"))
    return {"said": found["verdict"], **spent(began), **found}


def fitted(
    run: Path, rows: np.ndarray, steps: int, keep: Sequence[int] = (), more: Mapping[str, Any] = {}
) -> tuple[Path, Dataset]:
    """A run of the recipe on some of the training digits, which a file beside it holds, and these digits.

    The weights after the steps `keep` are kept; `more` changes other settings.
    """
    chosen, file = load("mnist", size=28).take(rows), io.BytesIO()
    np.savez(file, samples=chosen.rows[:, 0], label=chosen.labels)
    path = run.with_name(f"{run.name}.npz")
    write_file(path, file.getvalue())
    changes = {"data.name": str(path), "train.steps": steps, "train.sample_every": 0, "train.keep_steps": list(keep)}
    trained(str(run), {**changes, **more})
    return run, load(str(path))


def held_out(index: Training) -> Near:
    """How near the test digits come to the training digits."""
    data = load("mnist", split="test", size=28)
    return index.near(data.batch(range(len(data))))


def judged(model: fn.Model, n: int, index: Training, fresh: Near, out: Path, like: Dataset | None = None) -> Copies:
    """Which of n samples are copies; they are kept in `out`. `like` are the data whose classes are drawn, if others."""
    with bar(f"drawing {out.name}") as show:
        told = drawn(model, n, SEED, out, like or index.data, lambda done, total: show(done, total, ""))
    return copies(index.near(told.data.batch(range(n))), fresh)


def numbers(found: Copies) -> dict[str, Any]:
    """What is kept of it; `distances` are the medians of samples and of held-out digits."""
    return {
        "n": len(found.copied),
        "copies": found.count,
        "of_pictures": len(found.near.nearest[found.copied].unique()),
        "expected": found.expected.value,
        "interval": [found.expected.low, found.expected.high],
        "p": found.p,
        "ends": list(found.ends),
        "distances": [float(near.distance.median()) for near in (found.near, found.held_out)],
        "verdict": found.verdict,
    }


def spent(began: float, run: Path | None = None) -> dict[str, Any]:
    """The minutes since `began`, with those of a training by its log, and by which code that was trained."""
    judging = (time.perf_counter() - began) / 60
    if run is None:
        return {"minutes": judging}
    training = seconds(run) / 60
    told = {"training_minutes": training, "trained_at": json.loads(begun(run).read_text())["commit"]}
    return {"minutes": training + judging, **told}


PARTS: dict[str, Callable[..., dict[str, Any]]] = {"hundred": hundred, "planted": planted, "shipped": shipped}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="tiny: the numbers mean nothing and are not written")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    kept = None if args.quick else ROOT / "benchmarks" / "results" / "memorise.json"
    path, sizes = Path(args.json) if args.json else kept, QUICK if args.quick else FULL
    runs = ROOT / "runs" / "memorise" / ("quick" if args.quick else "")
    found: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}
    for part in args.parts:
        if found.get(part, {}).get("settings") != (settings := sizes[part] | {"seed": SEED}):
            found[part] = {**here(), "settings": settings, **PARTS[part](runs, **sizes[part])}
            if path:
                write_file(path, (json.dumps(found, indent=1) + "\n").encode())
        print(f"{part}: {found[part]['said']}", flush=True)


if __name__ == "__main__":
    main()
