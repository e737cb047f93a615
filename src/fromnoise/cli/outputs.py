"""What commands write: arrays, tables and numbers, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.model import Facts

ARRAYS = (".npz", ".npy", ".csv")
FILMS = (".webp", ".gif", ".mp4")


def write_array(path: Path, samples: Tensor, labels: Tensor | None, facts: Facts) -> None:
    """Samples by suffix: .npz (`samples` float32, `labels` where there are any), .npy or .csv (one row each)."""
    import numpy as np

    from fromnoise.model.store import write_file

    array, buffer = samples.cpu().numpy().astype("float32"), io.BytesIO()
    if path.suffix == ".npy":
        np.save(buffer, array, allow_pickle=False)
    elif path.suffix == ".npz":
        named = {"samples": array} | ({} if labels is None else {"labels": labels.cpu().numpy()})
        np.savez(buffer, **named, allow_pickle=False)
    else:
        if array.ndim != 2:
            raise UserError("a .csv holds points and tables; write images and fields as .npz, .npy or .png")
        names = list(facts.columns) or [f"x{i}" for i in range(array.shape[1])]
        rows = array if labels is None else np.column_stack([array, labels.cpu().numpy()])
        header = ",".join(names if labels is None else [*names, "label"])
        np.savetxt(buffer, rows, delimiter=",", header=header, comments="", fmt="%.9g")
    write_file(path, buffer.getvalue())


def write_numbers(path: str | None, numbers: Mapping[str, Any]) -> None:
    """The numbers of a command as JSON, where --json asks for them."""
    if path:
        from fromnoise.model.store import write_file

        write_file(Path(path), (json.dumps(numbers, indent=1) + "\n").encode())


def check_writable(path: Path) -> None:
    """Find out before the work, not after it, that a file cannot be written. Raises UserError."""
    folder = path.parent
    if path.is_dir() and path.suffix:
        raise UserError(f"{path} is a folder; give a file name")
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"cannot write {path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write {path}: {folder} cannot be written to")


def note(text: str) -> None:
    """A line for the person, kept apart from what a program might read."""
    print(text, file=sys.stderr)
