"""A data set of the Hugging Face hub, `owner/name` -> images with their classes; no remote code is run."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from fromnoise.data.cache import Facts, remember
from fromnoise.data.checks import flag, suggestion, word
from fromnoise.data.dataset import Dataset
from fromnoise.data.decode import Shaping
from fromnoise.data.images import entry_key, packed_dataset, packed_facts
from fromnoise.data.pack import pack, shaping, threads
from fromnoise.errors import UserError


def read_hub(
    name: str,
    /,
    *,
    split: str = "train",
    revision: str = "",
    subset: str = "",
    image: str = "",
    label: str = "",
    size: int | list[int] = 32,
    channels: str | int = "auto",
    fit: str = "crop",
    resample: str = "lanczos",
    background: str = "white",
    strict: bool = False,
    workers: int | None = None,
) -> Dataset:
    """The images of the hub's data set `owner/name`, fetched once by `datasets`.

    split, revision, subset   as on the data set's page; a revision fixes what is fetched
    image, label              columns; "" takes the first one of images, and the first one of classes if any
    The others are those of a folder of images (`fromnoise.data.images.read_images`).
    Raises UserError where the hub cannot be reached, nothing is found, or no column holds images.

    >>> read_hub("owner/name", size=64)  # doctest: +SKIP
    Dataset(2,000 images of shape (3, 64, 64), 2 classes)
    """
    how = shaping(size, channels, fit, resample, background)
    strict, workers = flag("strict", strict), threads(workers)
    for key, value in {"split": split, "revision": revision, "subset": subset}.items():
        word(key, value)
    table = _fetch(name, split, revision, subset)
    image = _column(name, table, "Image", word("image", image))
    if not image:
        raise UserError(f"{name} has no column of images; it has {', '.join(table.features)}")
    label = _column(name, table, "ClassLabel", word("label", label))
    content = f"{name} {split} {table._fingerprint} {image} {label}"
    rows, facts = remember(entry_key("hub", content, how), partial(_build, table, image, label, how, workers))
    return packed_dataset(rows, facts, strict)


def _fetch(name: str, split: str, revision: str, subset: str) -> Any:
    import datasets

    try:
        table = datasets.load_dataset(name, subset or None, split=split, revision=revision or None)
    except Exception as error:  # offline, unknown, private, unknown split: each has an exception of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"no folder {name} here, and the hub's data set of that name cannot be loaded: {reason}"
        ) from None
    if not isinstance(table, datasets.Dataset):
        raise UserError(f"{name}: split = {split!r} is no single split; give one, such as 'train'")
    return table


def _column(name: str, table: Any, feature: str, wanted: str) -> str:
    """The column `wanted`, or the first one of this type of feature, or ""."""
    fitting = [key for key, value in table.features.items() if type(value).__name__ == feature]
    if not wanted:
        return fitting[0] if fitting else ""
    if wanted not in fitting:
        raise UserError(f"{name} has no column {wanted!r} of type {feature}{suggestion(wanted, fitting)}")
    return wanted


def _build(table: Any, image: str, label: str, how: Shaping, workers: int, out: IO[bytes], scratch: IO[bytes]) -> Facts:
    import datasets

    raw = table.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    pictures = ((f"row {at}", partial(_open, row[image])) for at, row in enumerate(raw))
    packed = pack(pictures, len(table), how, workers, out, scratch)
    if not label:
        return packed_facts(packed, None, ())
    labels = [-1 if code is None else int(code) for code in table.select_columns([label])[:][label]]
    if min(labels) < 0:  # -1 is the hub's sign for "not told"
        return packed_facts(packed, None, ())
    return packed_facts(packed, labels, table.features[label].names)


def _open(cell: dict[str, Any] | None) -> Path | IO[bytes]:
    if not cell or (cell.get("bytes") is None and not cell.get("path")):
        raise ValueError("no image in this row")
    return BytesIO(cell["bytes"]) if cell.get("bytes") is not None else _downloaded(cell["path"])


def _downloaded(path: str) -> Path:
    """A path that a data set names, if it leads to a file that was downloaded: no other file is its to show."""
    from datasets import config as datasets_config
    from huggingface_hub import constants

    roots = [Path(str(root)).resolve() for root in (datasets_config.HF_DATASETS_CACHE, constants.HF_HUB_CACHE)]
    found = Path(path).resolve()
    if not found.is_file() or not any(found.is_relative_to(root) for root in roots):
        raise ValueError("the image is not among the downloaded files")
    return found
