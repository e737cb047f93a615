"""Progress bars with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Update = Callable[[int, int, str], None]
"""(done, total, text beside the bar)"""


@contextlib.contextmanager
def bar(title: str, quiet: bool = False, every: float = 15.0) -> Iterator[Update]:
    """A bar to update with (done, total, text); on no terminal a line each `every` seconds."""
    if quiet:
        yield _silent
    elif sys.stderr is not None and sys.stderr.isatty():
        with _rich_bar(title) as update:
            yield update
    else:
        yield _lines(title, every)


def _silent(done: int, total: int, text: str = "") -> None:
    pass


def _lines(title: str, every: float) -> Update:
    said = time.monotonic()
    first: tuple[int, float] | None = None

    def update(done: int, total: int, text: str = "") -> None:
        nonlocal said, first
        now = time.monotonic()
        first = first or (done, now)
        if now - said >= every:
            said = now
            print(f"{title} {done}/{total} {text}{_left(done, total, *first, now)}", file=sys.stderr, flush=True)

    return update


def _left(done: int, total: int, first: int, began: float, now: float) -> str:
    """How long it still takes at the mean rate since `began`.

    >>> _left(30, 90, 10, 0.0, 40.0)
    '  2 min left'
    """
    if done <= first or not total:
        return ""
    seconds = (total - done) * (now - began) / (done - first)
    return f"  {seconds:.0f} s left" if seconds < 100 else f"  {seconds / 60:.0f} min left"


@contextlib.contextmanager
def _rich_bar(title: str) -> Iterator[Update]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=60) as progress:
        task = progress.add_task(title, total=None, text="")

        def update(done: int, total: int, text: str = "") -> None:
            progress.update(task, completed=done, total=total, text=text)

        yield update
