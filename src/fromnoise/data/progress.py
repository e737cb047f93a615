"""A progress bar that only long work at a terminal shows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE = 2.0  # seconds before a bar appears


def tracked(items: Iterable[T], total: int, text: str) -> Iterator[T]:
    """The same items; a bar shows if they take more than two seconds and stderr is a terminal.

    >>> list(tracked("ab", 2, "letters"))
    ['a', 'b']
    """
    start, bar, task = time.monotonic(), None, None
    try:
        for done, item in enumerate(items):
            if bar is None and time.monotonic() - start > PATIENCE and sys.stderr.isatty():
                bar = _bar()
                task = bar.add_task(text, total=total)
                bar.start()
            if bar is not None:
                bar.update(task, completed=done)
            yield item
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
