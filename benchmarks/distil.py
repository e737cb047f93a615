"""The digits that come with the package, distilled into four steps and those into one, beside their teacher.

python benchmarks/distil.py [--json FILE] [--set section.key=value ...]

The runs are those of `fromnoise distil mnist --steps 4` and `fromnoise distil runs/distil/4 --steps 1`; they lie under
runs/distil and go on where they were stopped. Each is judged by 10,000 digits of one seed, as is the teacher; rows that
the file has already are kept.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from digit_scores import scores
from machine import here

import fromnoise as fn
from fromnoise.model.options import parse_value
from fromnoise.model.store import write_file
from fromnoise.training import distilled

ROOT = Path(__file__).parents[1]
SEED, N = 1, 10_000


def judged(model: fn.Model) -> dict[str, Any]:
    """The scores of a model's samples, as it samples unless told otherwise, and the seconds that drawing them took."""
    began = time.perf_counter()
    x = model.sample(N, seed=SEED)
    seconds = time.perf_counter() - began
    return {"calls": model.calls(), "seconds": seconds} | scores(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "distil.json"))
    parser.add_argument("--set", nargs="*", default=[])
    args = parser.parse_args()
    changes = {key: parse_value(value) for key, value in (one.split("=", 1) for one in args.set)}
    path, teacher = Path(args.json), "mnist"
    rows: dict[str, Any] = json.loads(path.read_text())["rows"] if path.exists() else {}
    for steps in (4, 1):
        run = ROOT / "runs" / "distil" / str(steps)
        if str(steps) in rows:
            teacher = str(run)
            continue
        began, first = time.perf_counter(), 0
        for event in fn.fit(distilled(teacher, steps).override({"train.checkpoint_every": 200, **changes}), run):
            first = event.step if isinstance(event, fn.training.Started) else first
        minutes = (time.perf_counter() - began) / 60
        model = fn.load(run)
        told = {"minutes": minutes, "from_step": first, "steps": model.config.train.steps, "changes": changes}
        rows[str(steps)] = judged(model) | told
        _write(path, rows)
        teacher = str(run)
    rows["teacher"] = rows.get("teacher") or judged(fn.load("mnist"))
    for steps in ("4", "1"):
        rows[steps]["of_teacher"] = rows[steps]["frechet"] / rows["teacher"]["frechet"]
    _write(path, rows)


def _write(path: Path, rows: dict[str, Any]) -> None:
    print(json.dumps(rows), flush=True)
    write_file(path, (json.dumps({**here(), "rows": rows}, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
