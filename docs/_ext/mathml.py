"""Mathematics as MathML, written when the book is built: no script is loaded to read it, and a font from the book."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert

FONT = "STIXTwoMath-Regular.ttf"
SPACE = "http://www.w3.org/1998/Math/MathML"
LETTERS = {"double-struck": "DOUBLE-STRUCK", "script": "SCRIPT", "bold": "BOLD", "bold-italic": "BOLD ITALIC"}
PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3, "mroot": 2}
ACCENTS = {"\u00af", "~", "^", "\u02d9", "\u2192"}
OPENING = {"(", "[", "{"}
GROWING = re.compile(r"\\text\{([^{}]*\$[^{}]*)\}")


def mathml(latex: str, display: bool = False) -> str:
    r"""LaTeX -> one <math> element. Raises ValueError for what cannot be converted.

    >>> mathml("x_0").startswith("<math")
    True
    """
    source = GROWING.sub(_split_text, latex.strip())
    source = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", source)
    try:
        text = convert(source, display="block" if display else "inline")
        root = ElementTree.fromstring(text)
    except Exception as error:
        raise ValueError(f"cannot convert {latex!r}: {error}") from error
    for element in root.iter():
        _mend(element)
    for element in root.iter():
        if any(mark in (element.text or "") for mark in "\\$&"):
            raise ValueError(f"cannot convert {element.text} in {latex!r}")
        if len(element) != PARTS.get(element.tag.partition("}")[2], len(element)):
            raise ValueError(f"cannot convert {latex!r}: something is missing")
    ElementTree.register_namespace("", SPACE)
    return ElementTree.tostring(root, encoding="unicode")


def _split_text(found: re.Match[str]) -> str:
    """`\\text{a $m$ b}` in the pieces that the converter knows."""
    pieces = found[1].split("$")
    return "".join(piece if i % 2 else rf"\text{{{piece}}}" for i, piece in enumerate(pieces))


def _letter(text: str, variant: str) -> str:
    """The character of an alphabet: browsers know `mathvariant` no longer.

    >>> _letter("E", "double-struck")
    '𝔼'
    """
    case = "CAPITAL" if text.isupper() else "SMALL"
    for name in (f"MATHEMATICAL {LETTERS[variant]} {case} {text}", f"{LETTERS[variant]} CAPITAL {text}"):
        with suppress(KeyError):
            return unicodedata.lookup(name.upper())
    raise ValueError(f"no {variant} {text}")


def _mend(parent: ElementTree.Element) -> None:
    """What browsers do otherwise: letters of other alphabets, accents, and the space around names of functions."""
    if parent.get("mathvariant") in LETTERS and parent.text:
        parent.text = "".join(_letter(c, parent.attrib["mathvariant"]) for c in parent.text)
        del parent.attrib["mathvariant"]
    accent = parent[1] if parent.tag.endswith("}mover") and len(parent) == 2 else None
    if accent is not None and accent.text in ACCENTS:
        parent.set("accent", "true")
    children = list(parent)
    for before, child, after in zip_longest([None, *children], children, children[1:]):
        if child is None:
            continue
        if child.text == "\u2016":
            child.set("stretchy", "false")
        name = child
        if child.tag.endswith(("}msub", "}msup", "}msubsup")):
            name = child[0]
        if not (name.text and name.text.isalpha() and len(name.text) > 1 and name.tag.endswith(("}mi", "}mo"))):
            continue
        name.tag, name.attrib = f"{{{SPACE}}}mi", {}
        if not parent.tag.endswith(("}mrow", "}math")):
            continue
        if after is not None and after.text not in OPENING and not after.tag.endswith("}mspace"):
            parent.insert(list(parent).index(child) + 1, _gap())
        if before is not None and not before.tag.endswith(("}mo", "}mspace")):
            parent.insert(list(parent).index(child), _gap())


def _gap() -> ElementTree.Element:
    return ElementTree.Element(f"{{{SPACE}}}mspace", width="0.167em")


def _inline(self, node) -> None:
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self, node) -> None:
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(mathml(node.astext(), display=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _no_end(self, node) -> None:
    """Nothing follows a formula."""


def _bring_font(app, exception) -> None:
    """STIX Two Math, which the package ziamath carries (SIL Open Font Licence), into the book."""
    if exception is None and app.builder.format == "html":
        font = resources.files("ziamath") / "fonts" / FONT
        (Path(app.outdir) / "_static" / FONT).write_bytes(font.read_bytes())


def setup(app):
    """Sphinx's entry."""
    app.connect("build-finished", _bring_font)
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, _no_end), block_renderers=(_block, _no_end))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
