import io
import sys

import pytest

from fromnoise.data import checks, progress
from fromnoise.errors import UserError


def test_whole_numbers_may_be_written_as_floats_and_nothing_else():
    assert checks.whole("n", 1e5, 1, 10**6) == 100_000
    for wrong in (0, 7, 1.5, True, "3", None, float("nan"), float("inf"), [1]):
        with pytest.raises(UserError, match="n = "):
            checks.whole("n", wrong, 1, 6)


def test_numbers_are_finite_and_in_range():
    assert checks.number("x", 1, 0, 2) == 1.0
    for wrong in (-1, 3.0, True, "1", None, float("nan")):
        with pytest.raises(UserError, match="x = "):
            checks.number("x", wrong, 0, 2)


def test_choices_flags_and_words_name_what_is_wrong():
    with pytest.raises(UserError, match="did you mean 'crop'"):
        checks.choice("fit", "corp", ("pad", "crop"))
    for wrong in (True, [1], None, 2.5):
        with pytest.raises(UserError, match="channels = "):
            checks.choice("channels", wrong, ("auto", 1, 3))
    with pytest.raises(UserError, match="strict = 1"):
        checks.flag("strict", 1)
    with pytest.raises(UserError, match="label = 3"):
        checks.word("label", 3)


@pytest.mark.parametrize(("terminal", "patience", "shown"), [(True, -1, True), (False, -1, False), (True, 9, False)])
def test_a_bar_shows_only_for_long_work_at_a_terminal(monkeypatch, terminal, patience, shown):
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE", patience)
    assert list(progress.tracked(range(50), 50, "counting")) == list(range(50))
    assert ("counting" in screen.getvalue()) == shown
