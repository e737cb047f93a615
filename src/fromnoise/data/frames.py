"""Tables of named columns, .csv and .parquet -> one float64 array, the labels apart."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fromnoise.data.checks import suggestion
from fromnoise.errors import UserError

Frame = tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]  # numbers (N, d), labels (N,), columns


def read_csv(path: Path, label: str, header: str | bool) -> Frame:
    """A text table with commas, semicolons or tabs; the column named `label` becomes the labels.

    Without a header the columns are called 0, 1, 2, ... With header "auto" the first row is one if it
    contains `label`, if no cell of it is a number, or if a column has a number below but none at its head.
    An unnamed first column that counts 0, 1, 2, ... is an index and left out.
    Raises UserError naming row and column for a cell that is empty, no number or not finite.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_text("x,label\\n1,cat\\n2,dog\\n")
    ...     numbers, labels, columns = read_csv(Path(folder, "a.csv"), "label", "auto")
    >>> numbers.tolist(), labels.tolist(), columns
    ([[1.0], [2.0]], ['cat', 'dog'], ('x',))
    """
    import pandas

    try:
        comma, rows = _first_rows(path)
        headed = _is_header(rows, label) if header == "auto" else bool(header)
        frame = pandas.read_csv(
            path, sep=comma, header=0 if headed else None, encoding="utf-8-sig", skipinitialspace=True
        )
    except UserError:
        raise
    except (OSError, ValueError, csv.Error) as error:  # pandas' parser errors are ValueErrors
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise UserError(f"cannot read {path} as a table: {reason[:150]}") from None
    if headed and len(rows[0]) and not rows[0][0].strip() and _counts(frame.iloc[:, 0]):
        frame = frame.iloc[:, 1:]
    return _split(path, frame, label, named=headed)


def read_parquet(path: Path, label: str) -> Frame:
    """A parquet table of numbers; the column named `label` becomes the labels.

    Raises UserError naming row and column for a cell that is empty, no number or not finite.

    >>> read_parquet(Path("runs.parquet"), "label")  # doctest: +SKIP
    (array([[1.], [2.]]), None, ('x',))
    """
    import pyarrow
    from pyarrow import parquet

    try:
        # ParquetFile reads this one file only; a folder or address in its place would be refused.
        frame = parquet.ParquetFile(path).read().to_pandas(ignore_metadata=True)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(f"cannot read {path} as parquet: {' '.join(str(error).split())[:150]}") from None
    return _split(path, frame, label, named=True)


def _first_rows(path: Path) -> tuple[str, list[list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline(1_000_000)
        comma = max(",;\t", key=line.count)
        file.seek(0)
        rows = [row for row in islice(csv.reader(file, delimiter=comma), 10) if row]
    if not rows:
        raise UserError(f"{path} is empty; it needs at least one row of numbers")
    return comma, rows


def _is_header(rows: list[list[str]], label: str) -> bool:
    first = [cell.strip() for cell in rows[0]]
    numbers = [_is_number(cell) for cell in first]
    if (label in first and label and not _is_number(label)) or not any(numbers):
        return True
    below = rows[1] if len(rows) > 1 else []
    return any(not head and _is_number(cell) for head, cell in zip(numbers, below, strict=False))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _counts(column: Any) -> bool:
    return column.dtype.kind == "i" and np.array_equal(column.to_numpy(), np.arange(len(column)))


def _split(path: Path, frame: Any, label: str, named: bool) -> Frame:
    frame.columns = [str(name).strip() for name in frame.columns]
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UserError(f"{path} has two columns called {twice!r}; rename one")
    labels = None
    if label in frame.columns:
        labels = _label_values(path, frame.pop(label))
    elif label not in ("", "label"):
        raise UserError(f"{path} has no column {label!r}{suggestion(label, frame.columns)}")
    if not frame.size:
        raise UserError(f"{path} holds no numbers; it needs at least one row and one column besides the labels")
    columns = [_numbers(path, frame[name]) for name in frame.columns]
    names = tuple(frame.columns) if named else ()
    return np.stack(columns, axis=1), labels, names


def _label_values(path: Path, column: Any) -> np.ndarray:
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise UserError(f"{path}: row {missing[0]} has no {column.name}; fill it or remove the row")
    values = column.to_numpy()
    return values if values.dtype.kind in "iufb" else np.array([str(value) for value in values])


def _numbers(path: Path, column: Any) -> np.ndarray:
    import pandas

    if not (pandas.api.types.is_numeric_dtype(column) and column.dtype.kind in "iufb"):
        values = pandas.to_numeric(column.astype(str), errors="coerce")
        bad = np.flatnonzero(values.isna())
        row = int(bad[0]) if len(bad) else 0
        cell = str(column.iloc[row])[:40]
        raise UserError(f"{path}: {cell!r} in row {row}, column {column.name}, is no number; remove it")
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise UserError(f"{path}: {values[bad[0]]} in row {bad[0]}, column {column.name}; remove or fill it")
    return values
