"""Folders and tensors on disk: whole or absent, never unpickled."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from fromnoise.errors import UserError


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part.

    Raises UserError where the disk is full or the folder cannot be written; what was there stays.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(beside, content)
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        _remove(beside)
        raise cannot_write(path, error) from None


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files that appears whole or not at all, in place of one that may be there.

    Raises UserError where the disk is full or the folder cannot be written; what was there stays.
    """
    beside, old = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    try:
        _remove(beside)
        beside.mkdir(parents=True)
        for name, content in files.items():
            _write_through(beside / name, content)
        _sync_folder(beside)
        _swap(beside, path, old)
        _sync_folder(path.parent)
    except OSError as error:
        _remove(beside)
        raise cannot_write(path, error) from None
    _remove(old)


def _swap(new: Path, path: Path, old: Path) -> None:
    """Put `new` at `path` and what was there at `old`, or leave all as it is."""
    if path.exists():
        _remove(old)
        os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors as the bytes of a safetensors file.

    >>> import torch
    >>> len(pack({"a": torch.zeros(2)})) > 8
    True
    """
    # Clones: the file format refuses two names for one storage, which a network with tied weights has.
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(plain)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises UserError for one that is missing or damaged."""
    try:
        return safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is damaged or not a safetensors file ({error}); pickled weights are never opened"
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises UserError for one that is missing or damaged."""
    try:
        tree = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path} is damaged: it holds no object")
    return tree


def cannot_write(path: Path, error: OSError) -> UserError:
    """The one line for a file that could not be written."""
    return UserError(f"cannot write {path}: {error.strerror or error}; what was there before is unchanged")


def _write_through(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """A rename survives a power cut once its folder is on disk; not every system can sync a folder."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # it tidies up after another error, which is the one to tell
            path.unlink(missing_ok=True)
