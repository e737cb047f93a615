"""Numbers on a command line, out of range or no numbers at all in one clear line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

MOST = 2**63 - 1


def whole(low: int, high: int = MOST) -> Callable[[str], int]:
    """A reader of whole numbers from `low` to `high`, for argparse's `type`.

    >>> whole(1)("64")
    64
    >>> whole(1)("0")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: takes a whole number, at least 1, not 0
    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            most = "" if high == MOST and value < low else f" and at most {high}"
            raise argparse.ArgumentTypeError(f"takes a whole number, at least {low}{most}, not {text}")
        return value

    return read


def positive(most: float) -> Callable[[str], float]:
    """A reader of numbers above 0, at most `most`, for argparse's `type`.

    >>> positive(10)("0.5")
    0.5
    """

    def read(text: str) -> float:
        value = finite(text)
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"takes a number above 0, at most {most:g}, not {text}")
        return value

    return read


def finite(text: str) -> float:
    """A number that is neither infinite nor NaN, for argparse's `type`.

    >>> finite("1.5")
    1.5
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"takes a number, not {text}")
    return value
