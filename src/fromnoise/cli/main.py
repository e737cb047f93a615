"""The command `fromnoise`: finds the command's file and turns a mistake into one line."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from fromnoise import __version__
from fromnoise.cli.outputs import note, speaks
from fromnoise.errors import UserError

COMMANDS = {
    "demo": "train the Swiss roll and small digits, and write one page about them",
    "train": "train a model on a recipe or on data of yours; the same line again goes on",
    "cascade": "train models that make small pictures and then larger ones of them, and draw some",
    "adapt": "teach a trained model to draw along edges, masks or sketches",
    "sample": "draw new samples from a trained model: pictures, arrays or a film",
    "inpaint": "fill what is missing of a picture, in several ways",
    "upscale": "draw large pictures that may have looked like a small one",
    "deblur": "draw sharp pictures that may have looked like a blurred one",
    "denoise": "take noise of known size from a picture, and draw what it may have been",
    "anomalies": "find the pictures, and the places in them, that a model would not have drawn",
    "classify": "find the class of pictures with a model that draws pictures by class",
    "segment": "find the parts of pictures from a few whose parts a person has painted",
    "augment": "draw pictures for the classes of which there are few, and say what they are worth",
    "vary": "draw pictures like a picture, or between two",
    "trace": "draw pictures along the edges, the mask or the sketch of a picture",
    "distil": "train a copy of a model that needs one to four steps where the model needs many",
    "tune": "find the fewest network calls that are as good as the full chain, and sample so from now on",
    "judge": "say how good, how diverse and how new samples are, on one page with every interval",
    "compare": "judge several runs alike and say which is clearly the better in what, on one page",
    "likelihood": "say how likely data are under a trained model: bound and exact, in nats and bits a dimension",
    "show": "look at data, at a schedule, or at data being noised",
    "figures": "draw the figures of both papers from a trained run, with captions",
    "pde": "solve the stochastic PDE of Higham, Higham and Grindrod: profiles, films, pairs",
    "recipes": "list the recipes, or print one",
    "doctor": "say what this machine has and can do",
}
CONFIGURED = ("train", "cascade", "adapt", "distil", "show", "likelihood", "classify", "anomalies", "augment", "pde")
"""Commands that take settings, --section.key VALUE."""


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

    A mistake is also what the machine refuses: a full disk, too little memory. --help ends with SystemExit.

    >>> main(["recipes", "--no-such-option"])
    2
    """
    try:
        with _warnings_as_notes():
            args = parse(sys.argv[1:] if argv is None else argv)
            importlib.import_module(f"fromnoise.cli.{args.command}").run(args)
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk or a closed pipe shows here, not at the interpreter's end
        return 0
    except UserError as error:
        return _say(str(error), 2)
    except KeyboardInterrupt as stop:
        return _say(str(stop) or "interrupted", 130)
    except BrokenPipeError:
        _forget_output()
        return 141  # what a shell gives for a program whose reader has left
    except Exception as error:
        if os.environ.get("FROMNOISE_DEBUG"):
            raise
        _forget_output()
        return _say(*_spoken(error))


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; `command` names the command, `changes` holds its settings.

    Raises UserError for whatever is unknown, missing or malformed.

    >>> parse(["train", "--train.lr", "3e-4", "swissroll", "--out", "run"]).changes
    {'train.lr': '3e-4'}
    """
    words = list(words)
    command = next((word for word in words if not word.startswith("-")), None)
    if not words:
        raise UserError(f"which command? {', '.join(COMMANDS)}; begin with fromnoise demo, or see fromnoise --help")
    if command is not None and command not in COMMANDS:
        raise _unknown_command(command)
    parser, sub = build(command)
    settings, others = _apart(words) if command in CONFIGURED else ([], words)
    args, rest = parser.parse_known_args(others)
    if rest:
        raise _unknown_argument(rest[0], sub or parser)
    args.changes = overrides(settings, sub or parser)
    return args


def overrides(words: Sequence[str], parser: argparse.ArgumentParser) -> dict[str, str]:
    """--section.key VALUE pairs of a command line. Raises UserError for anything else.

    >>> overrides(["--train.lr", "3e-4", "--sample.solver=ddim"], argparse.ArgumentParser())
    {'train.lr': '3e-4', 'sample.solver': 'ddim'}
    """
    changes, rest = {}, list(words)
    while rest:
        word = rest.pop(0)
        if not _is_setting(word):
            raise _unknown_argument(word, parser)
        key, equals, value = word.partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise UserError(f"{word} needs a value: {word} VALUE")
            value = rest.pop(0)
        changes[key[2:]] = value
    return changes


def _apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The settings with their values, and all other words: argparse would take 3e-4 for the data's name."""
    settings: list[str] = []
    others: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_setting(word):
            others.append(word)
            continue
        settings.append(word)
        if "=" not in word and rest and not rest[0].startswith("--"):
            settings.append(rest.pop(0))
    return settings, others


def _is_setting(word: str) -> bool:
    return word.startswith("--") and "." in word.partition("=")[0]


def _unknown_command(command: str) -> UserError:
    import difflib

    near = difflib.get_close_matches(command, COMMANDS, n=1)
    return UserError(
        f"unknown command {command}; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(COMMANDS)}")
    )


def _unknown_argument(word: str, parser: argparse.ArgumentParser) -> UserError:
    import difflib

    known = {option.lstrip("-"): option for action in parser._actions for option in action.option_strings}
    if word.startswith("--") and parser.prog.split()[-1] in CONFIGURED:
        from fromnoise.model.config import Config

        sections = {name: keys for name, keys in Config().to_dict().items() if isinstance(keys, dict)}
        # Of keys that two sections share, the first section's is meant: --steps are those of training.
        shown = reversed([(key, f"--{name}.{key}") for name, keys in sections.items() for key in keys])
        known = dict(shown) | known
    key = word.partition("=")[0].lstrip("-")
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.7) if word.startswith("-") else []
    return UserError(
        f"unknown argument {word}; " + (f"did you mean {known[near[0]]}?" if near else f"see {parser.prog} --help")
    )


def _spoken(error: Exception) -> tuple[str, int]:
    """What is said of an error that nobody foresaw, and the exit code."""
    line = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or any(words in line for words in ("allocate memory", "out of memory")):
        return "not enough memory: try a smaller --train.batch, --network.width, --schedule.T, --cells or -n", 2
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else f"cannot write: {error.strerror}", 2
    return f"unexpected {type(error).__name__}: {line} (FROMNOISE_DEBUG=1 shows where)", 1


@contextlib.contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """What the library warns of becomes a note, said once and not by every process of a training."""
    handler, log = logging.Handler(logging.WARNING), logging.getLogger("fromnoise")
    said: set[str] = set()

    def emit(record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in said and speaks():
            note(line)
        said.add(line)

    handler.emit = emit  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _forget_output() -> None:
    """Send nowhere what cannot be written: Python would try again at its end, and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(line: str, code: int) -> int:
    note(f"fromnoise: {line}")
    return code
