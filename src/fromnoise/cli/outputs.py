"""What commands write: arrays, tables and numbers, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.data import Dataset
    from fromnoise.model import Facts

ARRAYS = (".npz", ".npy", ".csv")
FILMS = (".webp", ".gif", ".mp4")


def write_array(
    path: Path, samples: Tensor, labels: Tensor | None, facts: Facts, given: Mapping[str, Any], made_by: str
) -> None:
    """Samples by suffix: .npz (`samples` float32, `labels` where there are any, `made_by`), .npy or, of points, .csv.

    `given` are columns by name that stand before the samples in a .csv: what each was drawn given. `made_by` says
    where they come from.
    """
    import numpy as np

    from fromnoise.model.store import write_file

    array, buffer = samples.cpu().numpy().astype("float32"), io.BytesIO()
    suffix = path.suffix.lower()
    if suffix == ".npy":
        np.save(buffer, array, allow_pickle=False)
    elif suffix == ".npz":
        named: dict[str, Any] = {"samples": array} | ({} if labels is None else {"labels": labels.cpu().numpy()})
        np.savez(buffer, **named, made_by=np.array(made_by))
    else:
        buffer.write(_csv(array, labels, facts, given).encode())
    write_file(path, buffer.getvalue())


def _csv(array: Any, labels: Tensor | None, facts: Facts, given: Mapping[str, Any]) -> str:
    """A header and a row a sample, (N, d); nine digits are all that float32 has, and the class is its name."""
    import csv

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(facts.columns) or [f"x{i}" for i in range(array.shape[1])]
    classes = [] if labels is None else [[facts.classes[label]] for label in labels.tolist()]
    before = [
        [repr(value) if value % 1 else f"{value:.0f}" for value in row] for row in zip(*given.values(), strict=True)
    ]
    writer.writerow([*given, *names, *(["label"] if classes else [])])
    for i, row in enumerate(array.tolist()):
        told = before[i] if before else []
        writer.writerow([*told, *(f"{value:.9g}" for value in row), *(classes[i] if classes else [])])
    return text.getvalue()


def write_numbers(path: str | None, numbers: Mapping[str, Any]) -> None:
    """The numbers of a command as JSON, where --json asks for them; null for what is not finite."""
    if not path:
        return
    from fromnoise.model.store import cannot_write, write_file

    content = (json.dumps(_finite(numbers), indent=1) + "\n").encode()
    if not is_special(Path(path)):
        write_file(Path(path), content)
        return
    try:
        with open(path, "ab") as file:  # a file that is moved over /dev/stdout would destroy it
            file.write(content)
    except OSError as error:
        raise cannot_write(Path(path), error) from None


def write_rows(path: Path, data: Dataset, header: list[str], rows: list[list[Any]]) -> None:
    """A .csv of what was found of rows of the data, each led by its number and, where it is one, its file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", *(["file"] if data.names else []), *header])
    for number, *found in rows:
        writer.writerow([number, *([data.name(number)] if data.names else []), *found])
    from fromnoise.model.store import write_file

    write_file(path, text.getvalue().encode())


def _finite(value: Any) -> Any:
    """The same with null for each number that JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_special(path: Path) -> bool:
    """Whether `path` is a pipe, a device or /dev/stdout, which may lead to a file but must not be replaced by one.

    >>> is_special(Path("/dev/null"))
    True
    """
    stream = path.is_symlink() and str(path.absolute()).startswith(("/dev/", "/proc/"))
    return stream or (path.exists() and not path.is_file() and not path.is_dir())


def check_writable(path: Path) -> None:
    """Find out before the work, not after it, that a file cannot be written. Raises UserError."""
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; give a file name")
    if is_special(path):
        raise UserError(f"cannot write {path}: it is a device or a pipe; give a file name")
    _check_folder(path, path.parent)


def check_apart(outputs: Iterable[str | None], inputs: Iterable[str | None]) -> None:
    """Raise UserError where a file is read from that would be overwritten, or two are one.

    Neither may pictures, alone or in a folder, come into a folder that is read: they would be data the next time.
    """
    files = [Path(name) for name in outputs if name]
    sources = [Path(name) for name in inputs if name]
    if len({path.resolve() for path in files}) < len(files):
        raise UserError(f"{files[0]} is to be written twice: give --json another name")
    for path in files:
        for source in sources:
            inside = source.is_dir() and source.resolve() in path.resolve().parents
            there = path.resolve().exists() and source.exists()
            if (inside and path.is_file()) or (there and path.resolve().samefile(source)):
                raise UserError(f"{path} is read from and would be overwritten: give another name")
            if inside and path.suffix.lower() not in (".csv", ".json"):
                raise UserError(f"{path} is in {source}, whose pictures are read: write to another place")


def check_numbers(path: str | None) -> None:
    """The same for the file of --json, which may be /dev/stdout or a pipe."""
    if path and not is_special(Path(path)):
        check_writable(Path(path))


def check_new_folder(path: Path) -> None:
    """Find out before the work that a new folder can be made, or that an empty one is there. Raises UserError."""
    if path.exists() and not path.is_dir():
        raise UserError(f"cannot write {path}: it is a file; give a folder")
    if path.is_dir() and any(path.iterdir()):
        raise UserError(f"{path} is not empty, and what it holds is not overwritten; give a new folder")
    _check_folder(path, path)


def _check_folder(path: Path, folder: Path) -> None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"cannot write {path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write {path}: {folder} cannot be written to")


def note(text: str) -> None:
    """A line for the person, kept apart from what a program might read; no name in it can steer the terminal."""
    print(plain(text), file=sys.stderr)


def plain(text: str) -> str:
    """Text as one line that cannot steer a terminal.

    >>> plain("a class\\n\\x1b[31m")
    'a class ?[31m'
    """
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def speaks() -> bool:
    """Of several processes only the first talks and writes.

    >>> speaks()
    True
    """
    return os.environ.get("RANK", "0") == "0"


def count(n: int, noun: str) -> str:
    """How many there are of something, in words.

    >>> count(1, "step"), count(6000, "step")
    ('1 step', '6,000 steps')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
