"""The book: what its table of formulas names exists, its links lead somewhere, its commands run, it can be built."""

import ast
import doctest
import importlib
import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fromnoise.cli.figures import FIGURES
from fromnoise.cli.main import main, parse

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
LINKED = [*sorted(ROOT.glob("*.md")), ROOT / "benchmarks/README.md", *PAGES]
COMMANDED = [DOCS / "start.md", *sorted((DOCS / "howto").glob("*.md"))]
SCRIPT = runpy.run_path(str(DOCS / "make_formulas.py"))
NETWORK = """
import torch

class Mine(torch.nn.Module):
    def __init__(self, shape, classes=0, outputs=1, extra_channels=0, width=32):
        super().__init__()
        self.layer = torch.nn.Linear(shape[0] + 1, outputs * shape[0])

    def forward(self, x, time, label=None, extra=None):
        return self.layer(torch.cat([x, time[:, None]], 1))
"""


def name(path):
    return str(path.relative_to(ROOT))


def rows():
    """The rows of the table of formulas: number, formula, functions, tests, faults."""
    lines = re.findall(r"^\| ((?:K|H|Algorithm) .*) \|$", (DOCS / "formulas.md").read_text("utf-8"), re.M)
    return [[cell.replace(r"\|", "|") for cell in re.split(r" (?<!\\)\| ", line)] for line in lines]


def codes(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_of_formulas_is_up_to_date():
    assert (DOCS / "formulas.md").read_text("utf-8") == SCRIPT["text"](), "run docs/make_formulas.py"


def test_the_pages_of_the_studies_are_up_to_date():
    studies = runpy.run_path(str(DOCS / "make_studies.py"))
    for page, tables in studies["PAGES"].items():
        text = (DOCS / f"{page}.md").read_text("utf-8")
        assert studies["filled"](text, tables()) == text, "run docs/make_studies.py"


def test_the_page_of_figures_shows_all_and_the_readme_shows_none_but_these():
    text, readme = ((folder / name).read_text("utf-8") for folder, name in ((DOCS, "figures.md"), (ROOT, "README.md")))
    shown = re.findall(r"!\[.*?\]\(pictures/papers/(\w+)\.png\)", text)
    assert shown == list(FIGURES)
    assert all((DOCS / "pictures" / "papers" / f"{name}.png").is_file() for name in shown)
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", readme)
    assert pictures
    assert all(re.fullmatch(r"docs/pictures/papers/\w+\.png", path) for path in pictures)


def test_every_numbered_formula_has_a_row_with_a_function_a_test_and_a_fault():
    h = [f"H {section}.{i}" for section, last in ((3, 9), (4, 10), (6, 6)) for i in range(1, last + 1)]
    found = {row[0]: row for row in rows()}
    assert list(found) == [*(f"K {i}" for i in range(1, 18)), *h, "Algorithm 1", "Algorithm 2"]
    for key, row in found.items():
        assert len(row) == 5, key
        assert all((codes(row[2]), codes(row[3]), row[4] != "none")), key


def test_functions_named_can_be_imported():
    for row in rows():
        for code in codes(row[2]):
            room, *rest = code.split(".")
            value = importlib.import_module(f"fromnoise.{room}")
            for part in rest:
                value = getattr(value, part)


def defined(file):
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_tests_named_exist():
    named = {tuple(code.split("::")) for row in rows() for cell in row[3:] for code in codes(cell)}
    assert len(named) > 30
    missing = {test for test in named if test[1] not in defined(test[0])}
    assert not missing


def test_faults_named_are_in_the_list_of_mutants():
    listed = {m["name"] for m in tomllib.loads((ROOT / "tests/mutants.toml").read_text("utf-8"))["mutation"]}
    named = {re.sub(r"(: `[^`]+`| \(not tried yet\))$", "", fault) for row in rows() for fault in row[4].split("<br>")}
    assert named <= listed


def prose(page):
    """A page without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", lambda code: code[0] if "](" not in code[0] else "", text)


def anchors(page):
    """The anchors of a page's headings, as GitHub and the book make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_book():
    found, waiting = set(), ["index"]
    while waiting:
        page = DOCS / f"{waiting.pop()}.md"
        found.add(page)
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), re.S):
            entries = [line for line in block.split() if "/" in line or (page.parent / f"{line}.md").exists()]
            entries = [entry for entry in entries if not entry.startswith("tutorials/")]  # the notebooks
            waiting += [str((page.parent / entry).relative_to(DOCS)) for entry in entries]
    assert found == set(PAGES)


def lines_of(page):
    """Python blocks and command lines of a page, in their order."""
    for language, block in re.findall(r"^```(python|sh)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        yield from (
            [(language, block)] if language == "python" else [("sh", line) for line in block.splitlines() if line]
        )


FEW = ("--train.steps=2", "--train.batch=8", "--train.sample_every=0", "--quiet")


def shortened(words):
    """A command line with fewer steps, if it trains or draws from a run."""
    if words[0] in ("train", "cascade"):
        return [*words, *FEW, "--network.width=32"]
    if words[0] == "adapt":
        return [*words, *FEW]
    if words[0] == "augment":
        return [*words, "--steps=2", "--train-steps=2", "--quiet"]
    drawn = ("sample", "inpaint", "upscale", "deblur", "denoise", "vary", "trace")
    return [*words, "--steps", "2", "--quiet"] if words[0] in drawn else words


@pytest.mark.slow
@pytest.mark.parametrize("page", COMMANDED, ids=name)
def test_commands_of_the_how_to_pages_run(page, tmp_path, monkeypatch):
    """In their order, with few steps; lines that start several processes are read only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("my_module.py").write_text(NETWORK)
    rng = np.random.default_rng(0)
    cells = ("cells/flat/a", "cells/flat/b", "cells/flat/c", "cells/round/a", "new-cells/flat/a", "new-cells/round/a")
    for place in ("photos/cats/a", "photos/cats/b", "photos/dogs/a", "photos/dogs/b", "lines", *cells):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(f"{place}.png")
    for place in ("painted/flat/a", "painted/flat/b"):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8([[0, 255]]).repeat(40, 0).repeat(25, 1)).save(f"{place}.png")
    for language, text in lines_of(page):
        if language == "python":
            exec(compile(text, name(page), "exec"), {})  # noqa: S102 - the project's own text
        elif text.startswith("accelerate launch "):
            parse(shlex.split(text.partition(" -m fromnoise ")[2], comments=True))
        else:
            program, *words = shlex.split(text, comments=True)
            assert program == "fromnoise"
            assert main(shortened(words)) == 0, text


def extension(stem):
    """One of the book's own extensions, loaded by its path."""
    spec = importlib.util.spec_from_file_location(stem, DOCS / "_ext" / f"{stem}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("stem", ["plain", "mathml", "named"])
def test_extensions_do_what_their_examples_say(stem):
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    assert doctest.testmod(extension(stem)).failed == 0


def test_mathematics_that_cannot_be_shown_is_refused():
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    mathml = extension("mathml").mathml
    assert "𝔼" in mathml(r"\mathbb E\lVert x_0\rVert^2")
    assert "$" not in mathml(r"\text{where $m$ is}")
    for wrong in (r"\nosuchcommand x", r"\frac{1}"):
        with pytest.raises(ValueError, match="cannot convert"):
            mathml(wrong)


@pytest.mark.slow
def test_the_book_is_built_without_warnings_and_loads_nothing_from_elsewhere(tmp_path):
    for module in ("sphinx", "myst_parser", "furo", "latex2mathml", "ziamath"):
        pytest.importorskip(module)
    out = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-d", tmp_path / "trees", "-W", "--keep-going", "-q"]
    done = subprocess.run([*command, DOCS, out], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    built = sorted(out.rglob("*.html"))
    assert {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES} <= {
        str(page.relative_to(out).with_suffix("")) for page in built
    }
    for page in built:
        text = page.read_text("utf-8")
        loaded = re.findall(
            r"<(?:script|link|img|source|iframe)\b[^>]*?(?:src|href)=[\"']((?:https?:)?//[^\"']*)", text
        )
        assert not loaded, page
        assert "mathjax@" not in text.lower(), page
    for sheet in out.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//|@import", sheet.read_text("utf-8")), sheet
    assert "<math" in (out / "mathematics.html").read_text("utf-8")
    assert (out / "_static" / extension("mathml").FONT).stat().st_size > 10**6
    assert "reference/process.html#fromnoise.process.reverse" in (out / "formulas.html").read_text("utf-8")
