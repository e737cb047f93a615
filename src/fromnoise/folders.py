"""Where the package keeps what it can make again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where decoded data and compiled kernels are kept: `$FROMNOISE_CACHE`, or the platform's folder for caches.

    >>> cache_folder().is_absolute()
    True
    """
    own = os.environ.get("FROMNOISE_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (base / "fromnoise").absolute()
