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
    said = began = time.monotonic()
    first, stage = 0, 0  # of what is counted now: one bar may serve one piece of work after the other

    def update(done: int, total: int, text: str = "") -> None:
        nonlocal said, began, first, stage
        now = time.monotonic()
        if total != stage or done < first:
            began, first, stage = now, done, total
        if now - said >= every:
            said = now
            line = f"{title} {done}/{total} {text}".rstrip()
            print(f"{line}{_left(done - first, total - done, now - began)}", file=sys.stderr, flush=True)

    return update


def _left(done: int, missing: int, seconds: float) -> str:
    """How long what is missing takes if what was done took so many seconds.

    >>> _left(20, 60, 40.0), _left(1, 100_000, 1.0), _left(0, 5, 1.0)
    ('  2 min left', '  28 h left', '')
    """
    if done <= 0 or missing <= 0:
        return ""
    left = seconds * missing / done
    amount = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min" if left < 6000 else f"{left / 3600:.0f} h"
    return f"  {amount} left"


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
