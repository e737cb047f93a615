"""Inline code that names a public function, such as `process.reverse`, leads to its page in the reference."""

from __future__ import annotations

import importlib
import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

NAME = re.compile(r"(?:fromnoise\.|fn\.)?(\w+(?:\.\w+)+)")
PAGES = {
    "../benchmarks/README.md": "benchmarks.md",
    "../src/fromnoise/model/bundled/mnist/README.md": "card.md",
    "../CHANGELOG.md": "changes.md",
}


class Named(SphinxPostTransform):
    """Runs when all pages are read, so that all names are known."""

    default_priority = 5

    def run(self) -> None:
        known = self.env.get_domain("py").objects
        for literal in list(self.document.findall(nodes.literal)):
            found = NAME.fullmatch(literal.astext())
            target = found and known.get(f"fromnoise.{found[1]}")
            if not target or isinstance(literal.parent, nodes.reference):
                continue
            here = self.env.current_document.docname
            link = make_refnode(self.app.builder, here, target.docname, target.node_id, literal.deepcopy())
            literal.replace_self(link)


def _pages(app, docname, source) -> None:
    """Pages that lie outside docs/ have a page in the book; a room's tables stand at the end of its page."""
    for path, page in PAGES.items():
        source[0] = source[0].replace(f"]({path}", f"]({page}")
    folder, _, room = docname.rpartition("/")
    if folder == "reference" and room not in ("index", "fromnoise"):
        source[0] += constants(f"fromnoise.{room}")


def constants(room: str) -> str:
    """The public names of a room that are neither functions nor classes, which autodoc leaves out."""
    module, lines = importlib.import_module(room), []
    for name in module.__all__:
        value = getattr(module, name)
        if not name.isupper() or isinstance(value, type) or callable(value):
            continue
        told = ", ".join(f"``{key}``" for key in value) if isinstance(value, dict) else f"``{value!r}``"
        lines += [f".. py:data:: {name}", "", f"   {told}", ""]
    return "\n".join(["", "```{eval-rst}", f".. py:currentmodule:: {room}", "", *lines, "```", ""]) if lines else ""


def setup(app):
    """Sphinx's entry."""
    app.add_post_transform(Named)
    app.connect("source-read", _pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
