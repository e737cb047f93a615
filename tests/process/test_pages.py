"""The pages of mathematics name tests; each name must be that of a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def named_in(file):
    return set(re.findall(r"^def test_(\w+)", (ROOT / "tests" / file).read_text(), re.MULTILINE))


def test_mathematics_names_real_tests():
    """`room: name`, and further names after a comma; a room without a slash is one of tests/process."""
    page = (ROOT / "docs/mathematics.md").read_text()
    references = re.findall(r"`((?:\w+/)?\w+): (\w+)`((?:,\s+`\w+`)*)", page)
    assert len(references) > 30
    for where, name, more in references:
        room, file = where.split("/") if "/" in where else ("process", where)
        missing = {name, *re.findall(r"`(\w+)`", more)} - named_in(f"{room}/test_{file}.py")
        assert not missing, where


def test_slips_names_real_tests():
    page = (ROOT / "docs/slips.md").read_text()
    named = set(re.findall(r"\[`(\w+)`", page))
    assert named == named_in("process/test_slips.py")
