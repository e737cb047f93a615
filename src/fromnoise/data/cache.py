"""What was decoded once is kept: a memory-mapped array and its facts, whole or not at all.

An entry is two files, `KEY.npy` and `KEY.json`, in `$FROMNOISE_CACHE` or the platform's cache folder. Each
is written beside its place, synced and moved over it, the JSON last: an entry without its JSON, or whose
array has another length than the JSON says, does not exist. Two processes that build the same entry write
the same bytes, so it does not matter which of them moves last.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from fromnoise.folders import cache_folder

Facts = dict[str, Any]
# Writes the .npy into the first file, may use the second for its own ends, and returns the facts.
Build = Callable[[IO[bytes], IO[bytes]], Facts]

DAY = 86_400.0
log = logging.getLogger("fromnoise")


def remember(key: str, build: Build) -> tuple[np.ndarray, Facts]:
    """The array and the facts of `key`, from the cache or else from `build`, which is then kept.

    The array is a read-only memory map. Where the cache folder is read-only or full, one warning is logged,
    `build` runs again and the array lives in memory. `build` must write one .npy of plain numbers and
    return what JSON can hold; whatever else it raises passes through.

    >>> def build(out, scratch):
    ...     np.save(out, np.arange(3))
    ...     return {"name": "three"}
    >>> remember("example", build)  # doctest: +SKIP
    (memmap([0, 1, 2]), {'name': 'three'})
    """
    entry = _read(key)
    if entry is not None:
        return entry
    try:
        _store(key, build)
        entry = _read(key)
    except OSError as error:
        log.warning("the cache %s cannot be written (%s); data stay in memory", cache_folder(), error)
    if entry is not None:
        return entry
    out = BytesIO()
    with BytesIO() as scratch:
        facts = build(out, scratch)
    return _view(out), facts


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears at `path` complete when the block ends, and not at all if it raises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "a")) as file:
    ...         _ = file.write(b"done")
    ...     Path(folder, "a").read_bytes()
    b'done'
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".part")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def read_facts(name: str) -> Facts | None:
    """The JSON object kept under `name`, or None where there is none that is whole.

    >>> read_facts("nothing of this name") is None
    True
    """
    try:
        facts = json.loads((cache_folder() / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def keep_facts(name: str, facts: Facts) -> None:
    """Keep a JSON object under `name`. Raises OSError where the folder cannot be written.

    >>> keep_facts("example", {"content": "abc"})  # doctest: +SKIP
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    with whole_file(cache_folder() / f"{name}.json") as file:
        file.write(json.dumps(facts).encode())


def _read(key: str) -> tuple[np.ndarray, Facts] | None:
    facts, path = read_facts(key), cache_folder() / f"{key}.npy"
    try:
        if facts is None or path.stat().st_size != facts.pop("bytes", None):
            return None
        return np.load(path, mmap_mode="r", allow_pickle=False), facts
    except (OSError, ValueError):
        return None


def _store(key: str, build: Build) -> None:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with tempfile.TemporaryFile(dir=folder) as scratch, whole_file(folder / f"{key}.npy") as file:
        facts = build(file, scratch)
        length = file.seek(0, os.SEEK_END)
    keep_facts(key, {**facts, "bytes": length})


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half written, once it is a day old."""
    for path in folder.glob("*.part"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > DAY:
                path.unlink()


def _view(file: BytesIO) -> np.ndarray:
    """The array in a .npy that is held in memory, without a copy, read-only like the map."""
    file.seek(0)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    flat = np.frombuffer(file.getbuffer().toreadonly(), dtype, offset=file.tell())
    return flat.reshape(shape)
