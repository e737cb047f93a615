"""log.jsonl: one line of numbers for each logged step of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from fromnoise.model.store import cannot_write, write_file


def append(run: Path, **numbers: float) -> None:
    """Add one line, null for what is not finite. Raises UserError where it cannot be written."""
    try:
        # JSON has no word for numbers that are not finite.
        row = {key: value if math.isfinite(value) else None for key, value in numbers.items()}
        with open(run / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise cannot_write(run / "log.jsonl", error) from None


def read(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; one that was cut off by a crash is left out."""
    path = run / "log.jsonl"
    rows = []
    for line in path.read_text("utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows


def rewind(run: Path, step: int) -> None:
    """Drop the lines after `step`: training goes on from there and writes them again."""
    rows = read(run)
    if (run / "log.jsonl").is_file():
        kept = "".join(json.dumps(row) + "\n" for row in rows if row["step"] <= step)
        write_file(run / "log.jsonl", kept.encode())
