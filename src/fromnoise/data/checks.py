"""Checks of the options that a user types: each returns the value or raises one clear line."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from numbers import Integral, Real
from typing import TypeVar

from fromnoise.errors import UserError

T = TypeVar("T")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a line on an unknown word: the known one that looks most like it, or "" if none does.

    >>> did_you_mean("siwssroll", ["moons", "swissroll"]), did_you_mean("faces", ["moons"])
    ("; did you mean 'swissroll'?", '')
    """
    likeness = {name: SequenceMatcher(None, word.lower(), name.lower()).ratio() for name in known}
    best = max(likeness, key=likeness.__getitem__, default="")
    return f"; did you mean {best!r}?" if likeness.get(best, 0.0) >= 0.6 else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """The same, or else what there is to choose from.

    >>> suggestion("faces", ["moons", "mnist"])
    '; there is moons, mnist'
    """
    names = list(known)
    more = ", ..." if len(names) > 10 else ""
    return did_you_mean(word, names) or (f"; there is {', '.join(names[:10])}{more}" if names else "")


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value` as an int in [low, high]; 1e5 from a TOML file is a whole number too.

    Raises UserError for anything else.

    >>> whole("n", 1e5, 1, 10**9)
    100000
    """
    integral = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not integral or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise UserError(f"{name} = {value!r} must be a whole number from {low:,} to {high:,}")
    return int(value)  # type: ignore[call-overload]


def number(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float in [low, high]; raises UserError for anything else, NaN included.

    >>> number("noise", 1, 0.0, 10.0)
    1.0
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise UserError(f"{name} = {value!r} must be a number from {low:g} to {high:g}")
    return float(value)


def choice(name: str, value: T, allowed: Iterable[T]) -> T:
    """`value` where it is one of `allowed`; otherwise a UserError that lists them.

    >>> choice("split", "train", ("train", "test"))
    'train'
    """
    allowed = tuple(allowed)
    if isinstance(value, bool) or value not in allowed:
        words = [one for one in allowed if isinstance(one, str)]
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        raise UserError(f"{name} = {value!r} must be one of {', '.join(map(repr, allowed))}{hint}")
    return value


def flag(name: str, value: object) -> bool:
    """`value` where it is True or False; otherwise a UserError.

    >>> flag("strict", True)
    True
    """
    if not isinstance(value, bool):
        raise UserError(f"{name} = {value!r} must be true or false")
    return value


def word(name: str, value: object) -> str:
    """`value` where it is a string; otherwise a UserError.

    >>> word("label", "kind")
    'kind'
    """
    if not isinstance(value, str):
        raise UserError(f"{name} = {value!r} must be a text in quotes")
    return value
