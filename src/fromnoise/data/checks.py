"""Checks of the options that a user types: each returns the value or raises one clear line."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from numbers import Integral, Real
from typing import TypeVar

from fromnoise.errors import UserError

T = TypeVar("T")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like `word`; `known` must not be empty.

    >>> nearest("siwssroll", ["moons", "swissroll"])
    'swissroll'
    """
    return max(known, key=lambda name: SequenceMatcher(None, word.lower(), name.lower()).ratio())


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
        hint = f"; did you mean {nearest(value, words)!r}?" if isinstance(value, str) and words else ""
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
