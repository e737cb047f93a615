"""The command `fromnoise`: finds the command's file and turns a mistake into one line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fromnoise import __version__
from fromnoise.errors import UserError

COMMANDS = {
    "demo": "train the Swiss roll and small digits, and write one page about them",
    "train": "train a model on a recipe or on data of yours; the same line again goes on",
    "sample": "draw new samples from a trained model: pictures, arrays or a film",
    "show": "look at data, at a schedule, or at data being noised",
    "recipes": "list the recipes, or print one",
    "doctor": "say what this machine has and can do",
}


class Parser(argparse.ArgumentParser):
    """Argparse, with one line for a mistake."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def build(command: str | None) -> tuple[Parser, Parser | None]:
    """The parser of all commands, with the arguments of `command` alone: the others are not imported."""
    parser = Parser(
        prog="fromnoise",
        allow_abbrev=False,
        description="Denoising diffusion models that a person can train, sample and understand.",
        epilog="Begin with: fromnoise demo, or: fromnoise train swissroll --out runs/roll",
    )
    parser.add_argument("--version", action="version", version=f"fromnoise {__version__}")
    choices = parser.add_subparsers(dest="command", metavar="command", required=True)
    chosen = None
    for name, text in COMMANDS.items():
        sub = choices.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )  # fmt: skip
        if name == command:
            importlib.import_module(f"fromnoise.cli.{name}").add_arguments(sub)
            chosen = sub
    return parser, chosen


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit code: 0, 1 for a fault of ours, 2 for a mistake, 130 for Ctrl-C.

    >>> main(["recipes", "--no-such-option"])
    2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), None)
    try:
        if command is not None and command not in COMMANDS:
            raise _unknown_command(command)
        parser, sub = build(command)
        if command == "train" and sub is not None:
            args, rest = parser.parse_known_args(words)
            args.changes = overrides(rest, sub)
        else:
            args = parser.parse_args(words)
        importlib.import_module(f"fromnoise.cli.{args.command}").run(args)
        return 0
    except UserError as error:
        return _say(" ".join(str(error).split()), 2)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if os.environ.get("FROMNOISE_DEBUG"):
            raise
        line = " ".join(str(error).split())[:300]
        return _say(f"unexpected {type(error).__name__}: {line} (FROMNOISE_DEBUG=1 shows where)", 1)


def overrides(words: Sequence[str], parser: argparse.ArgumentParser) -> dict[str, str]:
    """--section.key VALUE pairs of a command line. Raises UserError for anything else.

    >>> overrides(["--train.lr", "3e-4", "--sample.solver=ddim"], argparse.ArgumentParser())
    {'train.lr': '3e-4', 'sample.solver': 'ddim'}
    """
    changes, rest = {}, list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.partition("=")
        if not key.startswith("--") or "." not in key:
            import difflib

            known = [option for action in parser._actions for option in action.option_strings]
            near = difflib.get_close_matches(key, known, n=1)
            raise UserError(f"unknown argument {word}; " + (f"did you mean {near[0]}?" if near else "see --help"))
        if not equals:
            if not rest:
                raise UserError(f"{word} needs a value")
            value = rest.pop(0)
        changes[key[2:]] = value
    return changes


def _unknown_command(command: str) -> UserError:
    import difflib

    near = difflib.get_close_matches(command, COMMANDS, n=1)
    return UserError(
        f"unknown command {command}; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(COMMANDS)}")
    )


def _say(line: str, code: int) -> int:
    print(f"fromnoise: {line}", file=sys.stderr)
    return code
