"""Memory that was freed is kept for the next step instead of going back to the system and being fetched again."""

from __future__ import annotations

import ctypes
import functools
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # <malloc.h>
_STEP = 256 << 20  # bytes by which the heap grows


@functools.cache
def keep_memory() -> bool:
    """Tell the C library of this process to hold on to freed memory; whether it was told.

    A step on the CPU frees its tensors and the next one asks for the same again. glibc gives blocks above a threshold
    back at once, and the kernel fills each page with zeros anew: a tenth to a third of a step in bfloat16. The peak
    stays the same; the process keeps it until it ends. Only glibc is told, once; FROMNOISE_NATIVE=0 leaves it alone.

    >>> keep_memory() in (True, False)
    True
    """
    if os.environ.get("FROMNOISE_NATIVE", "1") == "0" or not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False  # musl has a mallopt that does nothing
    # -1 is "never": any other number is a most for what is kept, and a step of a large network needs more
    wishes = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: _STEP}
    return all([library.mallopt(key, value) == 1 for key, value in wishes.items()])
