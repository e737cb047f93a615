"""A folder of images, or one image -> a data set of uint8 rows, decoded once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL

from fromnoise.data.cache import Facts, cache_folder, keep_facts, read_facts, remember
from fromnoise.data.checks import flag
from fromnoise.data.dataset import Dataset
from fromnoise.data.decode import Shaping, suffixes
from fromnoise.data.pack import Packed, pack, shaping, threads
from fromnoise.data.progress import tracked
from fromnoise.errors import UserError

log = logging.getLogger("fromnoise")
LAYOUT = 2  # of the cached entries; another number makes all older ones unknown
SETTLED = 2.0  # seconds after which a file's time stamp shows any later change
Stamp = tuple[int, int, int]  # bytes, modified, changed


def read_images(
    path: Path,
    /,
    *,
    size: int | list[int] = 32,
    channels: str | int = "auto",
    fit: str = "crop",
    resample: str = "lanczos",
    background: str = "white",
    strict: bool = False,
    workers: int | None = None,
) -> Dataset:
    """All images below the folder `path`, or the one image `path`, as uint8 rows (N, C, H, W).

    size        one side or [height, width] in pixels
    channels    1, 3, 4, or "auto": 1 if all images are gray, 4 if any is transparent somewhere, else 3
    fit         "crop" the middle to the aspect wanted, "pad" on both sides, or "stretch"
    resample    "lanczos", "bicubic", "bilinear" or "box", all antialiased
    background  "white" or "black": the padding, and what shows through where alpha is dropped
    strict      an image that cannot be read is an error; otherwise it is left out and named in `skipped`
    workers     threads that decode; None is one for each processor

    Where every image lies in a subfolder, the immediate subfolders are the classes. Hidden files and
    folders are left out, and links to folders are not followed. Raises UserError for a value out of range,
    a folder without images, or one whose images are all broken.

    >>> read_images(Path("photos"), size=64)  # doctest: +SKIP
    Dataset(4,317 images of shape (3, 64, 64), 5 classes)
    """
    how = shaping(size, channels, fit, resample, background)
    strict, workers = flag("strict", strict), threads(workers)
    root, names = (path, find_images(path)) if path.is_dir() else (path.parent, [path.name])
    stamps = [_stamp(root / name) for name in names]
    content = _content(root, names, stamps)
    build = partial(_build, root, names, stamps, how, workers)
    rows, facts = remember(entry_key("images", content, how), build)
    return packed_dataset(rows, facts, strict, names)


def find_images(root: Path) -> list[str]:
    """The images below `root`, as sorted paths relative to it with forward slashes.

    An image is a regular file with an ending that Pillow knows. Raises UserError where there is none, or
    where a folder cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "one.png").touch()
    ...     find_images(Path(folder))
    ['one.png']
    """
    found = []
    for folder, below, files in os.walk(root, followlinks=False, onerror=_unreadable):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if not name.startswith(".") and path.suffix.lower() in suffixes() and path.is_file():
                found.append(path.relative_to(root).as_posix())
    if not found:
        raise UserError(f"no images in {root}; put PNG or JPEG files there (links to folders are not followed)")
    return sorted(found)


def entry_key(kind: str, content: str, how: Shaping) -> str:
    """The name of a cached entry: it changes with the content, the settings, and Pillow's version.

    >>> entry_key("images", "a", Shaping(8, 8)) == entry_key("images", "b", Shaping(8, 8))
    False
    """
    return _digest([LAYOUT, PIL.__version__, kind, content, asdict(how)])


def packed_facts(packed: Packed, labels: list[int] | None, classes: Iterable[str]) -> Facts:
    """What the cache keeps beside the pixels: which images were kept, their labels and classes, and the broken ones.

    Classes without an image that can be read are dropped.

    >>> packed_facts(Packed([0, 2], [("b", "broken")]), [1, 0, 1], ["cat", "dog"])
    {'kept': [0, 2], 'labels': [0, 0], 'classes': ['dog'], 'broken': [('b', 'broken')]}
    """
    names = list(classes)
    if labels is not None:
        used = sorted({labels[at] for at in packed.kept})
        labels, names = [used.index(labels[at]) for at in packed.kept], [names[k] for k in used]
    classes = names if labels is not None else []
    return {"kept": packed.kept, "labels": labels, "classes": classes, "broken": packed.broken}


def packed_dataset(rows: np.ndarray, facts: Facts, strict: bool, names: Sequence[str] = ()) -> Dataset:
    """The data set of a cached entry; `names` of all its files, the broken ones too, or () where there are none.

    Broken images are logged in one line, or with `strict` a UserError.

    >>> facts = {"kept": [1], "labels": None, "classes": [], "broken": [("a.png", "cut off")]}
    >>> packed_dataset(np.zeros((1, 1, 2, 2), np.uint8), facts, False, ["a.png", "b.png"]).names
    ('b.png',)
    """
    broken = [(str(name), str(reason)) for name, reason in facts["broken"]]
    if broken:
        many = f"{len(broken)} image{'s' if len(broken) > 1 else ''}"
        first = "; ".join(f"{name} ({reason})" for name, reason in broken[:3])
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        if strict:
            raise UserError(f"{many} cannot be read: {first}{more}; mend or remove what is broken")
        log.warning("left out %s that cannot be read: %s%s", many, first, more)
    labels = None if facts["labels"] is None else np.array(facts["labels"], dtype=np.int64)
    return Dataset(
        "images",
        rows.shape[1:],
        rows,
        labels=labels,
        classes=tuple(facts["classes"]),
        names=tuple(_printable(names[at], "backslashreplace") for at in facts["kept"]) if names else (),
        skipped=tuple(name for name, _ in broken),
    )


def _build(
    root: Path,
    names: list[str],
    stamps: list[Stamp],
    how: Shaping,
    workers: int,
    out: IO[bytes],
    scratch: IO[bytes],
) -> Facts:
    pictures = ((_printable(name), partial(Path, root, name)) for name in names)
    packed = pack(pictures, len(names), how, workers, out, scratch)
    if stamps != [_stamp(root / name) for name in names]:
        raise UserError(f"{root} changed while it was read; run the same command again")
    if not all("/" in name for name in names):
        return packed_facts(packed, None, ())
    folders = [_printable(name.split("/")[0]) for name in names]
    classes = sorted(set(folders))
    return packed_facts(packed, [classes.index(name) for name in folders], classes)


def _content(root: Path, names: list[str], stamps: list[Stamp]) -> str:
    """One hash of all names and bytes.

    Reading 100 GB for it at every start would take minutes, so the hash is kept under a key made of
    the names, lengths and time stamps, the time of the last change of the inode included, which no program
    can set back. It is kept only if the newest stamp is older than the clock's resolution: a younger file
    could still change without a new stamp.
    """
    now = time.time()
    index = "index-" + _digest([str(root.resolve()), names, stamps])
    known = (read_facts(index) or {}).get("content")
    if isinstance(known, str):
        return known
    hashes = [_hash_file(root / name) for name in tracked(names, len(names), "hashing files")]
    content = _digest([names, hashes])
    if max(max(stamp[1:]) for stamp in stamps) / 1e9 < now - SETTLED:
        try:
            keep_facts(index, {"content": content})
        except OSError as error:
            log.debug("no index in %s: %s", cache_folder(), error)
    return content


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.errno}"


def _stamp(path: Path) -> Stamp:
    try:
        facts = path.stat()
    except OSError:
        return (-1, 0, 0)
    return (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _printable(name: str, strange: str = "replace") -> str:
    return name.encode("utf-8", strange).decode()


def _unreadable(error: OSError) -> None:
    raise UserError(f"cannot read the folder {error.filename}: {error.strerror}")
