"""Docstrings in plain text, as reStructuredText: paragraphs, lists, examples, and the rest as it stands."""

from __future__ import annotations

import re
import textwrap

SECTIONS = ("Args:", "Raises:", "Returns:", "Yields:", "Note:", "Example:")
ITEM = re.compile(r"- ")


def plain(lines: list[str]) -> list[str]:
    """The lines of a docstring -> lines that docutils reads as they were meant.

    >>> plain(["Scale by `std` or |x|²."])
    ['Scale by ``std`` or \\\\|x\\\\|².', '']
    """
    out: list[str] = []
    for block in re.split(r"\n[ \t]*\n", "\n".join(lines).strip("\n")):
        out += [*_block(textwrap.dedent(block).split("\n")), ""]
    return out


def _block(lines: list[str]) -> list[str]:
    if not any(line.strip() for line in lines):
        return []
    if lines[0].startswith(">>>"):
        return _literal(lines, "pycon")
    head = lines[0].strip()
    if head in SECTIONS:
        return [f"**{head[:-1]}**", "", *_items(textwrap.dedent("\n".join(lines[1:])).split("\n"))]
    first = next((i for i, line in enumerate(lines) if ITEM.match(line)), None)
    if first is not None:
        before = [inline(line) for line in lines[:first]]
        items = [line[2:] if ITEM.match(line) else line for line in lines[first:]]
        return [*before, "", *_items(items)]
    cut = next((i for i, line in enumerate(lines) if _stands(line)), None)
    if cut is None:
        return [inline(line) for line in lines]
    if cut and lines[cut].startswith(" "):
        cut -= 1  # what is indented goes on from the line before it
    after = next((i for i in range(len(lines), cut, -1) if _stands(lines[i - 1])), len(lines))
    return [*map(inline, lines[:cut]), "", *_literal(lines[cut:after], "text"), "", *map(inline, lines[after:])]


def _stands(line: str) -> bool:
    """Whether a line is set in columns, or indented."""
    return bool(re.search(r"\S {2,}\S|^ ", line))


def _items(lines: list[str]) -> list[str]:
    """A list; an indented line goes on from the one before."""
    return [f"  {inline(line.strip())}" if line[:1] == " " else f"- {inline(line)}" for line in lines if line.strip()]


def _literal(lines: list[str], language: str) -> list[str]:
    return [f".. code-block:: {language}", "", *(f"   {line}" for line in lines)]


def inline(text: str) -> str:
    """One line: `code` in backticks stays code, all other marks lose their meaning."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick that is not closed on this line
        return re.sub(r"([\\*|_`])", r"\\\1", text)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            parts[i] = re.sub(r"([\\*|_])", r"\\\1", part)
        elif part:
            parts[i] = f"``{part}``" + ("\\" if parts[i + 1][:1].isalnum() else "")
    return "".join(parts)


def _process(app, what, name, obj, options, lines) -> None:
    field = len(lines) > 0 and lines[0].startswith("Alias for field number")  # of a NamedTuple, said by Python
    lines[:] = [] if field else plain(lines)


def setup(app):
    """Sphinx's entry."""
    app.connect("autodoc-process-docstring", _process)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
