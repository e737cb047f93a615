"""Ctrl-C and a cluster's SIGTERM wait for the end of the step, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Deferred:
    """While it is entered, the first SIGINT or SIGTERM only sets `asked`; a second one acts at once.

    Outside the main thread, where Python allows no handlers, it does nothing.

    >>> with Deferred() as stop:
    ...     stop.asked
    False
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    def __enter__(self) -> Deferred:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
