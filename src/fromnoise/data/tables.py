"""Arrays and tables: .npy, .npz, .csv and .parquet -> points, images or fields. Nothing is ever unpickled."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fromnoise.data.checks import choice, suggestion, word
from fromnoise.data.dataset import Dataset, Units
from fromnoise.data.frames import read_csv, read_parquet
from fromnoise.errors import UserError

log = logging.getLogger("fromnoise")

COLOURS = (1, 3, 4)
AXES = {"d": 2, "l": 2, "hw": 3, "cl": 3, "chw": 4, "hwc": 4}  # with the axis of the samples
MOST_UNPACKED = 16 * 2**30  # bytes of one array in an .npz


class Content(NamedTuple):
    """What a file holds: the numbers (N, ...), the labels (N,) or None, the columns, and what is given (N, ...).

    >>> Content(np.zeros((3, 2))).labels is None
    True
    """

    array: np.ndarray
    labels: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    given: np.ndarray | None = None


def read_table(
    path: Path,
    /,
    *,
    layout: str = "auto",
    label: str = "label",
    key: str = "",
    header: str | bool = "auto",
    given: str = "",
) -> Dataset:
    """The samples in an array or table file.

    layout   the axes after that of the samples: "d" points, each column scaled to deviation ½ by itself;
             "l", "cl", "hw", "chw", "hwc" images where the file holds uint8, else fields with one scale
             for all. "auto": 1 or 2 axes in all are points, 3 "hw", 4 "chw" (or "hwc" for uint8 that
             only fits so)
    label    the column, or the array of an .npz, that holds the classes (an .npz may also say "labels")
    key      the array of an .npz; "" finds `samples`, `x`, `data`, or the only one
    header   of a .csv: true, false, or "auto", which looks
    given    the array of an .npz, or the columns of a table with commas between, that samples are drawn given
    Raises UserError for values that are no finite numbers, empty files, pickles, or a value out of range.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "a.npy"), np.array([[0.0, 5.0], [10.0, 5.0]]))
    ...     data = read_table(Path(folder, "a.npy"))
    >>> data.rows.tolist(), data.units.to_own(data.rows).tolist()
    ([[-0.5, 0.0], [0.5, 0.0]], [[0.0, 5.0], [10.0, 5.0]])
    """
    choice("layout", layout, ("auto", *AXES))
    word("label", label), word("key", key), word("given", given)
    if header not in ("auto", True, False):
        raise UserError(f"header = {header!r} must be true, false or 'auto'")
    content = READERS[path.suffix.lower()](path, label, key, header, given)
    array, labels = content.array, content.labels
    if array.ndim == 0 or not array.size:
        raise UserError(f"{path} holds no samples; it needs at least one row with one number")
    if array.dtype.kind not in "uif" or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        raise UserError(f"{path} holds {array.dtype}; save it as float32, or as uint8 for images")
    if labels is not None and labels.shape != (len(array),):
        raise UserError(f"{path} has {len(array)} samples but labels of shape {labels.shape}; give one each")
    array, layout = _arrange(path, array, layout)
    codes, classes = (None, ()) if labels is None else encode(path, labels)
    beside, beside_units = _beside(path, array, content.given, layout, given)
    kind = "images" if _is_images(array) else "points" if layout == "d" else "fields"
    if kind == "images":
        rows, units = array, Units.identity()
    else:
        _check_finite(path, array, content.columns)
        rows, units = _scale(path, array, layout == "d", content.columns)
    return Dataset(
        kind, rows.shape[1:], rows, units, codes, classes, columns=content.columns, given=beside,
        given_units=beside_units,
    )  # fmt: skip


def _is_images(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and array.ndim == 4


def _beside(
    path: Path, array: np.ndarray, given: np.ndarray | None, layout: str, name: str
) -> tuple[np.ndarray | None, Units]:
    """What the samples are given, ready for a Dataset, and its units."""
    if given is None:
        return None, Units.identity()
    if given.dtype.kind not in "uif" or given.ndim == 0 or len(given) != len(array):
        raise UserError(f"{path}: {name} must hold numbers, one row for each of {len(array)} samples")
    try:
        given, _ = _arrange(path, given, layout)
    except UserError as error:
        raise UserError(f"{error} (it is that of {name}, which samples are given)") from None
    if given.shape[2:] != array.shape[2:]:
        raise UserError(f"{path}: {name} has axes {given.shape[2:]} where the samples have {array.shape[2:]}")
    if _is_images(given):
        return given, Units.identity()
    _check_finite(path, given, ())
    return _scale(path, given, layout == "d")


def encode(path: Path, labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels of any kind -> (int64 indices, names of the classes in their order).

    Raises UserError for missing labels and for numbers that are not whole.

    >>> encode(Path("a.npz"), np.array([5.0, 1.0, 5.0]))
    (array([1, 0, 1]), ('1', '5'))
    """
    if labels.dtype.kind == "f":
        bad = np.flatnonzero(~(np.isfinite(labels) & (labels == np.round(labels))))
        if len(bad):
            raise UserError(f"{path}: label {labels[bad[0]]} in row {bad[0]} is no class; use whole numbers or names")
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iubUS":
        raise UserError(f"{path}: labels of type {labels.dtype} are no classes; use whole numbers or names")
    names, codes = np.unique(labels, return_inverse=True)
    texts = tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names.tolist())
    return codes.astype(np.int64), texts


def _arrange(path: Path, array: np.ndarray, layout: str) -> tuple[np.ndarray, str]:
    """Check the number of axes, choose the layout, and move the axes to (N, d), (N, C, L) or (N, C, H, W)."""
    if array.ndim == 1:
        array = array[:, None]
    if layout == "auto":
        layout = {2: "d", 3: "hw"}.get(array.ndim) or _channels_first_or_last(path, array)
    if AXES[layout] != array.ndim:
        raise UserError(f"{path} has shape {array.shape}, which layout = {layout!r} does not fit")
    if layout in ("hw", "l"):
        array = array[:, None]
    if layout == "hwc":
        array = np.moveaxis(array, 3, 1)
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[1] not in COLOURS:
        raise UserError(f"{path} has images of {array.shape[1]} channels; 1, 3 or 4 are images, or save floats")
    return array, layout


def _channels_first_or_last(path: Path, array: np.ndarray) -> str:
    if array.ndim != 4:
        raise UserError(f"{path} has shape {array.shape}; samples have 1, 2 or 3 axes of their own")
    if array.dtype != np.uint8:
        return "chw"
    first, last = array.shape[1] in COLOURS, array.shape[3] in COLOURS
    if first == last:
        raise UserError(f"{path} has shape {array.shape}: say where its channels are, layout = 'chw' or 'hwc'")
    return "chw" if first else "hwc"


def _check_finite(path: Path, array: np.ndarray, columns: tuple[str, ...]) -> None:
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), 4096):
        bad = np.argwhere(~np.isfinite(array[start : start + 4096]))
        if len(bad):
            row, *at = (int(k) for k in bad[0])
            value = array[(start + row, *at)]
            column = columns[at[0]] if columns else (at[0] if len(at) == 1 else tuple(at))
            raise UserError(f"{path}: {value} in row {start + row}, column {column}; remove or fill it")


def _scale(path: Path, array: np.ndarray, by_column: bool, columns: tuple[str, ...] = ()) -> tuple[np.ndarray, Units]:
    """Float32 rows of mean 0 and deviation ½, and their units; what is constant becomes 0 with scale 1.

    Not the range decides but the deviation, as in EDM: a single outlier would press all else together, far below the
    noise at which the network learns it. Warns where even the deviation is that of a few rows.
    """
    axes = 0 if by_column else tuple(range(array.ndim))
    peak = np.maximum(array.max(axis=axes).astype(np.float64), -array.min(axis=axes).astype(np.float64))
    peak = np.where(peak > 0, peak, 1.0)  # squares of what is divided by it cannot overflow
    parts = [slice(start, start + 4096) for start in range(0, len(array), 4096)]
    count = len(array) if by_column else array.size
    mean = sum((array[part] / peak).sum(axis=axes) for part in parts) / count
    deviation = np.sqrt(sum(np.square(array[part] / peak - mean).sum(axis=axes) for part in parts) / count)
    with np.errstate(over="ignore"):
        scale = np.minimum(2 * deviation * peak, np.finfo(np.float64).max)
    varied = scale > 0
    rows = np.empty(array.shape, np.float32)
    for part in parts:
        rows[part] = np.where(varied, (array[part] / peak - mean) / np.where(varied, scale / peak, 1.0), 0.0)
    units = Units(mean * peak, np.where(varied, scale, 1.0))
    _tell_outliers(path, rows if by_column else rows.reshape(-1, 1), units, columns)
    return rows, units


def _tell_outliers(path: Path, rows: np.ndarray, units: Units, columns: tuple[str, ...]) -> None:
    """Warn of columns whose scale is that of one number in a hundred, beside which all others are nearly alike."""
    some = rows[:: max(1, len(rows) // 10_000)]
    low, high = np.quantile(some, (0.005, 0.995), axis=0)
    left = np.clip(some, low, high).std(axis=0)  # of ½, without those farthest out
    for column in np.flatnonzero((left > 0) & (left < 0.15)):
        farthest = np.atleast_1d(units.to_own(rows[np.abs(rows[:, column]).argmax()].astype(np.float64)))[column]
        where = f"column {columns[column]}" if columns else "" if rows.shape[1] == 1 else f"column {column}"
        log.warning(
            f"{path}: {where + ': ' if where else ''}a few numbers, as {farthest:.6g}, lie so far out that all others "
            "are nearly alike beside them: leave them out, or give logarithms"
        )


def _npy(path: Path, label: str, key: str, header: object, given: str) -> Content:
    if given:
        raise UserError(f"{path} holds one array: save both with numpy.savez, to give one as given")
    try:
        return Content(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise UserError(f"cannot read {path}: {_reason(error)}") from None


def read_given(path: Path, given: str, layout: str = "auto") -> np.ndarray:
    """What samples are to be drawn given, in its own units, float64 (m, *shape): images in [-1, 1].

    `given` and `layout` are those of the data that a model was trained on: of an .npz the array of that name, or its
    only one; of a table the columns of these names, in their order, or all of them where the file has no names.
    Raises UserError for a file that does not have them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_text("age,dose\\n30,1\\n50,2\\n")
    ...     read_given(Path(folder, "a.csv"), "dose,age").tolist()
    [[1.0, 30.0], [2.0, 50.0]]
    """
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in READERS:
        raise UserError(f"no such file of rows: {path}; give an {', '.join(READERS)}")
    key = given if suffix == ".npz" and _holds(path, given) else ""
    content = READERS[suffix](path, "label", key, "auto", "")
    array, names = content.array, [name.strip() for name in given.split(",")]
    for name in names if content.columns else ():
        if name not in content.columns:
            raise UserError(f"{path} has no column {name!r}{suggestion(name, content.columns)}")
    if content.columns:
        array = array[:, [content.columns.index(name) for name in names]]
    if array.dtype.kind not in "uif" or not array.size:
        raise UserError(f"{path} holds no rows of numbers")
    array, _ = _arrange(path, np.asarray(array), layout)
    _check_finite(path, array, ())
    return array / 127.5 - 1.0 if _is_images(array) else array.astype(np.float64)


def _holds(path: Path, name: str) -> bool:
    """Whether an .npz has an array of this name. Raises UserError where it has several and none is called so."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read {path}: {_reason(error)}") from None
    if name not in names and len(names) > 1:
        raise UserError(f"{path} has no array {name!r}{suggestion(name, names)}")
    return name in names


def _npz(path: Path, label: str, key: str, header: object, given: str) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        name = _samples_key(path, sizes, {label, "labels", given}, key)
        if given and (given not in sizes or given == name):
            raise UserError(f"{path} has no array {given!r} besides the samples{suggestion(given, sizes)}")
        if label not in ("", "label", *sizes):
            raise UserError(f"{path} has no array {label!r} for the labels{suggestion(label, sizes)}")
        names = {name: "samples"} | ({given: "given"} if given else {})
        names |= {one: "labels" for one in (label, "labels") if one in sizes and one not in names}
        large = [one for one in names if sizes[one] > MOST_UNPACKED]
        if large:
            raise UserError(f"{path}: {large[0]} unpacks to {sizes[large[0]] / 2**30:.0f} GiB; save it as .npy")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {role: archive[one] for one, role in reversed(names.items())}
    except UserError:
        raise
    except Exception as error:  # zipfile and zlib raise many kinds
        raise UserError(f"cannot read {path}: {_reason(error)}") from None
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise UserError(f"{path} holds no arrays; save it with numpy.savez")
    return Content(arrays["samples"], arrays.get("labels"), given=arrays.get("given"))


def _samples_key(path: Path, names: dict[str, int], others_are: set[str], key: str) -> str:
    if key:
        if key not in names:
            raise UserError(f"{path} has no array {key!r}{suggestion(key, names)}")
        return key
    others = [name for name in names if name not in others_are]
    for name in ("samples", "x", "data"):
        if name in others:
            return name
    if len(others) != 1:
        raise UserError(f"{path} holds {', '.join(others) or 'no samples'}; say which one with key (--data.key NAME)")
    return others[0]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "pickle" in text or "Python objects" in text:
        return "it is no array file, or holds pickled objects, which could run code; save plain numbers with numpy.save"
    return f"it is damaged or no array file ({text[:100]})"


def _csv(path: Path, label: str, key: str, header: str | bool, given: str) -> Content:
    return _apart(path, Content(*read_csv(path, label, header)), given)


def _parquet(path: Path, label: str, key: str, header: object, given: str) -> Content:
    return _apart(path, Content(*read_parquet(path, label)), given)


def _apart(path: Path, content: Content, given: str) -> Content:
    """The columns that are given, apart from the others."""
    if not given:
        return content
    columns = content.columns or tuple(map(str, range(content.array.shape[1])))
    names = [name.strip() for name in given.split(",")]
    if len(set(names)) < len(names):
        raise UserError(f"given names a column twice: {given}")
    for name in names:
        if name not in columns:
            raise UserError(f"{path} has no column {name!r}{suggestion(name, columns)}")
    left = [i for i, name in enumerate(columns) if name not in names]
    if not left:
        raise UserError(f"{path}: all columns are given, and none is left to draw")
    apart = content.array[:, [columns.index(name) for name in names]]
    return content._replace(
        array=content.array[:, left], columns=tuple(content.columns[i] for i in left if content.columns), given=apart
    )


READERS: dict[str, Callable[[Path, str, str, str | bool, str], Content]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _csv,
    ".parquet": _parquet,
}
