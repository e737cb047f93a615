"""The guided tour: every cell runs, on a small budget, and the notebooks are their texts."""

import json
import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
PAGES = sorted(FOLDER.glob("*.md"))


def cells(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_cell_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, *others = cells(page)
    assert first.startswith("budget = 1.0")
    names = {"budget": 0.02}
    for cell in others:
        exec(compile(cell, page.name, "exec"), names)  # noqa: S102 - the project's own text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_notebook_is_its_text(page):
    """Cell by cell, and each was run to its end."""
    pytest.importorskip("jupytext")
    made = json.loads(page.with_suffix(".ipynb").read_text("utf-8"))["cells"]
    text = runpy.run_path(str(FOLDER / "make.py"))["read"](page).cells
    told = [(cell["cell_type"], "".join(cell["source"])) for cell in made]
    assert told == [(cell.cell_type, cell.source) for cell in text], f"run make notebooks ({page.name} has changed)"
    assert all(cell["execution_count"] for cell in made if cell["cell_type"] == "code")


def test_cells_are_short_and_few_lines_are_long():
    for page in PAGES:
        for cell in cells(page):
            assert len(cell.splitlines()) <= 20, cell
            assert max(map(len, cell.splitlines())) <= 120, cell
