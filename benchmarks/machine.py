"""Where and of what a figure was measured, for the JSON beside it."""

from __future__ import annotations

import datetime
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from fromnoise.cli import doctor
from fromnoise.model.precision import instructions

MEASURED = ("src", "benchmarks", ":(exclude)benchmarks/results")
"""What a figure depends on; other figures are not among it."""


def here() -> dict[str, Any]:
    """The commit, whether anything was changed since, the processor, the threads, torch and the day."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no", "--", *MEASURED)),
        "machine": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }


def kind(device: str) -> str:
    """What figures are kept apart by: cuda, or cpu with and without AMX, which decides everything."""
    found = device.split(":")[0]
    return "amx" if found == "cpu" and "amx_tile" in instructions() else found


def measured(work: Callable[..., Mapping[str, Any] | list[Any]], *given: Any) -> dict[str, Any]:
    """What some work found, or its rows, with `here` and its minutes; of work that goes on, those since it did."""
    began = time.monotonic()
    found = work(*given)
    minutes = round((time.monotonic() - began) / 60, 1)
    return {**here(), "minutes": minutes, **(found if isinstance(found, Mapping) else {"rows": found})}


def processor() -> str:
    """The GPU if there is one, and the processor, with what of its instructions decides the speed here."""
    special = " ".join(instructions())
    name = f"{doctor.processor()} ({special})" if special else doctor.processor()
    return f"{torch.cuda.get_device_name()}, {name}" if torch.cuda.is_available() else name


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return done.stdout.strip()
