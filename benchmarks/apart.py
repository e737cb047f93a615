"""A process for each contender, so that each is as its own users find it: nobody's allocator, caches or settings help
another, and the peak of its memory is its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contenders as peers
import torch


@dataclass
class _Held:
    """What lives in this process, and the bytes that were in memory before it was made."""

    thing: Any = None
    before: int = 0


_HELD = _Held()


class Apart:
    """A thing made in a process of its own, to which functions are sent.

    >>> with Apart(list) as names:
    ...     names(list.append, "one")
    ...     names(len)
    1
    """

    def __init__(self, make: Callable[[], Any]):
        spawned = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=spawned, initializer=_settle, initargs=(make,))
        self._pool.submit(bool)  # begins to make it, while others do

    def __call__(self, function: Callable[..., Any], *given: object) -> Any:
        """What function(thing, *given) is there."""
        return self._pool.submit(_do, function, given).result()

    def peak(self) -> int:
        """Bytes that the thing has taken at most; on CUDA what PyTorch's allocator held."""
        return int(self(_peak))

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def _settle(make: Callable[[], Any]) -> None:
    """Make the thing once all libraries are imported: their code is in nobody's memory."""
    peers.load()
    _HELD.before = _resident("VmRSS")
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: importing had its own
    _HELD.thing = make()


def _do(function: Callable[..., Any], given: tuple[object, ...]) -> Any:
    return function(_HELD.thing, *given)


def _peak(_: object) -> int:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else _resident("VmHWM") - _HELD.before


def _resident(key: str) -> int:
    """Bytes of this process in memory, now (VmRSS) or at most (VmHWM).

    Where there is no /proc, both are the most: a child's ru_maxrss may begin with its parent's.
    """
    path = Path("/proc/self/status")
    if not path.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return next(int(line.split()[1]) * 1024 for line in path.read_text().splitlines() if line.startswith(key))
