"""The command itself: finding arguments, turning errors into one line and a code, progress."""

import argparse
import errno
import io
import logging
import os
import re

import pytest
from commands import call
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.cli import main as cli
from fromnoise.cli import outputs, progress, recipes
from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.main import COMMANDS, build, overrides, parse
from fromnoise.errors import UserError

PARSER = argparse.ArgumentParser(prog="fromnoise sample")
KEYS = st.from_regex(r"[a-z_]{1,8}\.[a-z_]{1,8}", fullmatch=True)
VALUES = st.text(max_size=12).filter(lambda text: not text.startswith("--"))


@given(st.lists(st.tuples(KEYS, VALUES, st.booleans()), max_size=6))
def test_overrides_are_read_with_and_without_an_equals_sign(pairs):
    words = []
    for key, value, joined in pairs:
        words += [f"--{key}={value}"] if joined else [f"--{key}", value]
    assert overrides(words, PARSER) == {key: value for key, value, _ in pairs}


@given(st.lists(st.tuples(KEYS, VALUES.filter(bool)), max_size=4), st.integers(0, 4))
def test_settings_may_stand_anywhere(pairs, place):
    """Before, between or after the others: argparse alone would take a value for the data's name."""
    words = ["swissroll", "--out", "runs/v1.2"]
    settings = [word for key, value in pairs for word in (f"--{key}", value)]
    at = min(place, 1)  # never between --out and its value
    args = parse(["train", *words[:at], *settings, *words[at:]])
    assert (args.what, args.out, args.changes) == ("swissroll", "runs/v1.2", dict(pairs))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["extra"], "unknown argument extra; see fromnoise sample --help"),
        (["--a.b", "1", "extra"], "unknown argument extra"),
        (["--ab", "1"], "unknown argument --ab; see fromnoise sample --help"),
        (["--hepl"], "unknown argument --hepl; did you mean --help"),
        (["--a.b"], "--a.b needs a value: --a.b VALUE"),
        (["--a.b", "--c.d", "1"], "--a.b needs a value"),
        (["-a.b", "1"], "unknown argument -a.b"),
    ],
)
def test_overrides_refuse_the_rest(words, says):
    with pytest.raises(UserError, match=re.escape(says)):
        overrides(words, PARSER)


def test_the_last_of_two_settings_counts():
    assert overrides(["--a.b", "1", "--a.b=2", "--a.c=x=y"], PARSER) == {"a.b": "2", "a.c": "x=y"}


def test_a_parser_raises_instead_of_leaving():
    parser, sub = build("sample")
    with pytest.raises(UserError, match="see fromnoise sample --help"):
        sub.error("what is wrong")
    with pytest.raises(UserError, match="required: RUN, --out"):
        parser.parse_args(["sample"])


def test_abbreviations_are_not_guessed():
    """--ou is no --out today, so that a new argument never changes what an old line means."""
    assert "unknown argument --see" in call("sample run --out a.png --see 3").err


def test_building_a_command_imports_no_other():
    for name in COMMANDS:
        parser, sub = build(name)
        assert sub.prog == f"fromnoise {name}"
        assert all(command in parser.format_help() for command in COMMANDS)


@pytest.mark.parametrize("line", ["--help", "-h", *(f"{name} --help" for name in COMMANDS)])
def test_help(line):
    said = call(line)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("usage: fromnoise")
    assert "==SUPPRESS==" not in said.out
    assert all(len(row) <= 120 for row in said.out.splitlines())


def test_every_argument_is_explained():
    for name in COMMANDS:
        _, sub = build(name)
        assert all(action.help for action in sub._actions), name


def test_version():
    from fromnoise import __version__

    assert call("--version") == (0, f"fromnoise {__version__}\n", "")


ERRORS = [
    (UserError("one\n  line"), 2, "fromnoise: one line"),
    (KeyboardInterrupt(), 130, "fromnoise: interrupted"),
    (KeyboardInterrupt("stopped at step 3"), 130, "fromnoise: stopped at step 3"),
    (MemoryError(), 2, "fromnoise: not enough memory: try a smaller --train.batch"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "fromnoise: not enough memory"),
    (RuntimeError("CUDA out of memory. Tried to"), 2, "fromnoise: not enough memory"),
    (PermissionError(errno.EACCES, "Permission denied", "data.csv"), 2, "fromnoise: Permission denied: data.csv"),
    (OSError(errno.ENOSPC, "No space left on device"), 2, "fromnoise: cannot write: No space left on device"),
    (ZeroDivisionError("a fault\nof ours"), 1, "fromnoise: unexpected ZeroDivisionError: a fault of ours (FROMNOISE_"),
]


@pytest.mark.parametrize(("error", "code", "says"), ERRORS, ids=[repr(error)[:40] for error, _, _ in ERRORS])
def test_an_error_is_one_line_and_a_code(error, code, says, monkeypatch):
    def run(args):
        raise error

    monkeypatch.setattr(recipes, "run", run)
    said = call("recipes")
    assert said.code == code
    assert said.err.startswith(says)
    assert said.err.count("\n") == 1


def test_debugging_shows_where(monkeypatch):
    def run(args):
        raise ZeroDivisionError

    monkeypatch.setattr(recipes, "run", run)
    monkeypatch.setenv("FROMNOISE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["recipes"])


def test_a_warning_of_the_library_is_one_note(monkeypatch):
    def run(args):
        logging.getLogger("fromnoise").warning("left out %d images", 3)
        logging.getLogger("fromnoise").info("a detail")

    monkeypatch.setattr(recipes, "run", run)
    assert call("recipes").err == "left out 3 images\n"
    assert call("recipes").err == "left out 3 images\n"  # and still one, the second time
    monkeypatch.setenv("RANK", "1")
    assert call("recipes").err == ""


def test_a_note_is_one_line_that_cannot_steer_a_terminal(capsys):
    outputs.note("a\x1b[2J\nb  \u202ec\u00e4")
    assert capsys.readouterr().err == "a?[2J b ?cä\n"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "1e3", "9223372036854775808", "nan"])
def test_what_is_no_count(text):
    with pytest.raises(argparse.ArgumentTypeError, match="takes a whole number, at least 1"):
        whole(1)(text)


@given(st.integers(1, 2**63 - 1))
def test_a_count(n):
    assert whole(1)(str(n)) == n


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_is_finite(x):
    if abs(x) < float("inf"):
        assert finite(repr(x)) == x
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="takes a number, not"):
            finite(repr(x))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_progress_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress.bar("training") as update:
        update(1, 4, "loss 0.5")
        update(4, 4, "loss 0.25")
    shown = terminal.getvalue()
    assert "training" in shown
    assert "4/4" in shown
    assert "loss 0.25" in shown
    assert "\x1b[" in shown


def test_progress_elsewhere(monkeypatch, capsys):
    """A line at most every so often: a log is not flooded."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar("training", every=15.0) as update:
        for step in range(1, 41):
            now[0] += 1.0
            update(step, 40, "loss 0.5")
    assert capsys.readouterr().err == "training 15/40 loss 0.5  25 s left\ntraining 30/40 loss 0.5  10 s left\n"


def test_the_time_left_is_that_of_the_stage(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar("map", every=100.0) as update:
        for total, seconds in ((10, 100.0), (1000, 0.5)):
            for done in range(total + 1):
                update(done, total, "")
                now[0] += seconds
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "map 1/10  15 min left"
    assert said[10:13] == ["map 0/1000", "map 200/1000  7 min left", "map 400/1000  5 min left"]
    assert said[-1] == "map 1000/1000"


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_no_progress_when_quiet(stream, monkeypatch):
    monkeypatch.setattr("sys.stderr", stream)
    with progress.bar("training", quiet=True, every=0.0) as update:
        update(1, 2, "")
    assert stream.getvalue() == ""


def test_progress_without_a_stream(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    with progress.bar("training") as update:
        update(1, 2, "")


def test_numbers_that_are_not_finite_are_null(place):
    import json
    from pathlib import Path

    outputs.write_numbers("a.json", {"loss": float("nan"), "rate": float("inf"), "n": 1, "who": "x", "s": 0.5})
    assert json.loads(Path("a.json").read_text()) == {"loss": None, "rate": None, "n": 1, "who": "x", "s": 0.5}
    outputs.write_numbers(None, {"loss": 1.0})
    assert os.listdir() == ["a.json"]
