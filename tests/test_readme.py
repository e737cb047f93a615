"""What README and docs show is run: Python blocks as they stand, command lines as far as they are parsed."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from fromnoise.cli.main import COMMANDS, build, overrides

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)]


def blocks(language):
    for page in PAGES:
        for i, block in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.S)):
            yield pytest.param(block, id=f"{page.name}-{i}")


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README", "exec"), {})  # noqa: S102 - the project's own text


@pytest.mark.parametrize("block", blocks("sh"))
def test_command_lines_are_understood(block):
    lines = [line for line in block.splitlines() if line.startswith("fromnoise ")]
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        parser, sub = build(words[0])
        assert words[0] in COMMANDS
        _, rest = parser.parse_known_args(words)
        assert all("." in key for key in overrides(rest, sub)), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_the_page_of_recipes_is_up_to_date():
    script = runpy.run_path(str(ROOT / "docs" / "make_recipes.py"))
    assert (ROOT / "docs" / "recipes.md").read_text("utf-8") == script["text"](), "run docs/make_recipes.py"
