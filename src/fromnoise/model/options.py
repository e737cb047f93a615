"""Options of what a section names: checked against the signature of what receives them."""

from __future__ import annotations

import difflib
import inspect
import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from fromnoise.errors import UserError


def write_toml(tree: Mapping[str, Any]) -> str:
    """TOML of a tree of one level of sections, plain values first.

    >>> print(write_toml({"about": "x", "train": {"lr": 0.1, "betas": (0.9, 0.99)}}), end="")
    about = "x"
    <BLANKLINE>
    [train]
    lr = 0.1
    betas = [0.9, 0.99]
    """
    plain = [_line(key, value) for key, value in tree.items() if not isinstance(value, Mapping)]
    sections = [
        f"\n[{_key(name)}]\n" + "".join(_line(key, value) for key, value in section.items())
        for name, section in tree.items()
        if isinstance(section, Mapping)
    ]
    return "".join(plain + sections)


def _line(key: str, value: Any) -> str:
    return f"{_key(key)} = {_literal(value)}\n"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _literal(key)


def _literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(value)  # inf and nan as TOML writes them
    # Of JSON's strings TOML refuses one character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse_value(text: str) -> Any:
    """A value as it is typed on a command line: TOML where it is TOML, otherwise the text itself.

    >>> parse_value("3e-4"), parse_value("[1, 2]"), parse_value("true"), parse_value("cosine")
    (0.0003, [1, 2], True, 'cosine')
    """
    try:
        tree = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = tree["value"]
    return value if set(tree) == {"value"} and isinstance(value, (bool, int, float, str, list)) else text


def call_named(table: Mapping[str, Callable[..., Any]], section: str, options: Mapping[str, Any], **given: Any) -> Any:
    """Call the entry of `table` that the section's `name` names, its options checked against the signature.

    `given` are the arguments that do not come from the configuration. Raises UserError for unknown names
    and keys, values of a wrong type, and what the entry itself refuses.

    >>> call_named({"f": lambda a=1: a}, "schedule", {"name": "f", "a": 2})
    2
    """
    if "name" not in options:
        raise UserError(f"[{section}] lacks name; known: {', '.join(sorted(table))}")
    name = str(options["name"])
    if name not in table:
        raise unknown(section, name, table)
    entry = table[name]
    rest = {key: value for key, value in options.items() if key != "name"}
    rest = check_options(entry, section, rest, hidden=given)
    try:
        return entry(**given, **rest)
    except UserError:
        raise
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:  # torch refuses with RuntimeError
        if "allocate memory" in str(error):
            raise
        raise UserError(f"[{section}] {name}: {' '.join(str(error).split())}") from error


def check_options(
    entry: Callable[..., Any], section: str, options: Mapping[str, Any], hidden: Collection[str] = ()
) -> dict[str, Any]:
    """The options, each known to the entry's signature and of the type that it asks for."""
    parameters = inspect.signature(entry).parameters
    hints = typing.get_type_hints(entry.__init__ if inspect.isclass(entry) else entry)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = {name for name in parameters if name not in hidden}
    for key in options:
        if key not in known and not open_ended:
            raise unknown("key", f"{section}.{key}", {f"{section}.{name}" for name in known})
    return {key: conform(value, hints.get(key, Any), f"{section}.{key}") for key, value in options.items()}


def conform(value: Any, hint: Any, key: str) -> Any:
    """The value as the type that `hint` asks for. Raises UserError naming the key.

    >>> conform([1, 2], tuple[int, ...], "network.multiples")
    (1, 2)
    >>> conform(2, float, "train.lr")
    2.0
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for choice in arguments:
            try:
                return conform(value, choice, key)
            except UserError:
                continue
    elif origin in (tuple, list) or (inspect.isclass(origin) and issubclass(origin, Collection)):
        if isinstance(value, (list, tuple)):
            items = arguments[:1] * len(value) if arguments[-1:] in ((...,), ()) or len(arguments) == 1 else arguments
            if len(items) == len(value):
                return tuple(conform(v, item, key) for v, item in zip(value, items, strict=True))
    elif hint is Any or not inspect.isclass(hint) or (hint is types.NoneType and value is None):
        return value
    elif hint is bool or isinstance(value, bool):
        if hint is bool and isinstance(value, bool):
            return value
    elif hint is int and (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        return int(value)
    elif hint is float and isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    elif isinstance(value, hint):
        return value
    elif issubclass(hint, Path) and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{key} takes a finite number, got {value}")
    raise UserError(f"{key} takes {_spoken(hint)}, got {value!r}")


def _spoken(hint: Any) -> str:
    plain = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if hint in plain:
        return plain[hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_spoken(a) for a in typing.get_args(hint) if a is not types.NoneType)
    if inspect.isclass(typing.get_origin(hint)) and issubclass(typing.get_origin(hint), Sequence):
        return "a list like [1, 2]"
    return str(getattr(hint, "__name__", hint))


def unknown(what: str, name: str, known: Collection[str]) -> UserError:
    """The error for a name that is not known, with the nearest one that is."""
    last = {key.rpartition(".")[2]: key for key in sorted(known)}  # a shared "train." makes nothing near
    near = [last[key] for key in difflib.get_close_matches(name.rpartition(".")[2], last, n=1, cutoff=0.5)]
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    return UserError(f"unknown {what} {name}; {hint}")
