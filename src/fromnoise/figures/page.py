"""One page that explains a run: self-contained, offline, readable on paper, on a phone and at night."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


@dataclass(frozen=True)
class Heading:
    """A heading of level 2, or 3 for a part of a part."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; an empty line within begins another."""

    text: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture: a figure, a Pillow image, or the bytes of a .png, .jpg, .gif or .webp file.

    `alt` is read out where the picture cannot be seen; the caption where it is left out.
    """

    image: Figure | Image.Image | bytes
    caption: str = ""
    alt: str = ""


@dataclass(frozen=True, eq=False)
class Film:
    """A film: the bytes of a .webp, .gif or .mp4 file, as `fromnoise.figures.film` writes them."""

    data: bytes
    caption: str = ""
    alt: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of anything that `str` can write, under a header; numbers stand on the right."""

    rows: Sequence[Sequence[Any]]
    header: Sequence[str] = ()
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """Commands or code, as they are typed."""

    text: str


Block = Heading | Text | Picture | Film | Table | Code


def page(title: str, blocks: Iterable[Block], path: str | Path) -> None:
    """Write one HTML file that needs no other: pictures and films are inside it, and no script runs.

    Raises UserError where it cannot be written, TypeError for a block that is none, ValueError for bytes
    that are no picture or film.
    """
    from fromnoise.model.store import write_file

    write_file(Path(path), render(title, blocks).encode())


def render(title: str, blocks: Iterable[Block]) -> str:
    """The page as text; every word of it is escaped.

    >>> "&lt;script&gt;" in render("a", [Text("<script>")])
    True
    """
    body = "\n".join(_block(block) for block in blocks)
    return _PAGE.format(title=html.escape(title), style=_STYLE, body=body)


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        level = 2 if block.level <= 2 else 3
        return f"<h{level}>{html.escape(block.text)}</h{level}>"
    if isinstance(block, Text):
        parts = (part.strip() for part in block.text.split("\n\n"))
        return "\n".join(f"<p>{html.escape(part)}</p>" for part in parts if part)
    if isinstance(block, Code):
        return f'<pre tabindex="0"><code>{html.escape(block.text)}</code></pre>'
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return _shown(_bytes(block.image), block.caption, block.alt or block.caption or "picture")
    if isinstance(block, Film):
        return _shown(block.data, block.caption, block.alt or block.caption or "film")
    raise TypeError(f"a page has headings, texts, pictures, films, tables and code, not {type(block).__name__}")


def _bytes(image: Figure | Image.Image | bytes) -> bytes:
    from fromnoise.figures.style import encode

    return image if isinstance(image, bytes) else encode(image, ".png")


def _shown(data: bytes, caption: str, alt: str) -> str:
    kind = media_type(data)
    source = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    alt = html.escape(alt)
    if kind.startswith("video/"):
        shown = f'<video src="{source}" aria-label="{alt}" controls loop muted playsinline></video>'
    else:
        shown = f'<img src="{source}" alt="{alt}">'
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{shown}{below}</figure>"


def media_type(data: bytes) -> str:
    """What picture or film these bytes are, by how they begin. Raises ValueError where they are none.

    >>> media_type(b"GIF89a...")
    'image/gif'
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return "video/mp4"
    for start, kind in ((b"\x89PNG", "png"), (b"GIF8", "gif"), (b"\xff\xd8\xff", "jpeg")):
        if data.startswith(start):
            return f"image/{kind}"
    raise ValueError("these bytes are no PNG, JPEG, GIF, WebP or MP4")


def _table(table: Table) -> str:
    below = f"<figcaption>{html.escape(table.caption)}</figcaption>" if table.caption else ""
    first = [*(table.rows[0] if table.rows else ()), *table.header]  # a name stands as its numbers do
    names = "".join(
        f'<th scope="col"{_side(value)}>{html.escape(str(name))}</th>'
        for name, value in zip(table.header, first, strict=False)
    )
    head = f"<thead><tr>{names}</tr></thead>" if table.header else ""
    rows = "\n".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in table.rows)
    shown = f'<div class="wide" tabindex="0"><table>{head}<tbody>{rows}</tbody></table></div>'
    return f"<figure>{shown}{below}</figure>" if below else shown


def _cell(value: Any) -> str:
    if not _side(value):
        short = " " in str(value) and len(str(value)) <= SHORT
        kind = "kept" if short or _INTERVAL.fullmatch(str(value)) else "words"
        return f'<td class="{kind}">{html.escape(str(value))}</td>'
    return f"<td{_side(value)}>{f'{value:,}' if isinstance(value, int) else f'{value:.4g}'}</td>"


SHORT = 24
"""Letters of a cell that is not broken into lines."""
_INTERVAL = re.compile(r"-?[\d.,]+ \[[^\]]*\]")


def _side(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return ' class="number"' if number else ""


# The policy forbids everything that is not in the file itself, scripts included.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="fromnoise">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
<footer>generated by fromnoise</footer>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #666; --line: #ddd; --paper: #fff; --code: #f5f5f3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e2; --soft: #a0a0a0; --line: #3a3a3a; --paper: #161616; --code: #222; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main, footer { max-width: 46rem; margin: 0 auto; padding: 0 1.25rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 3rem 0 1.5rem; text-wrap: balance; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 2.75rem 0 0.75rem; text-wrap: balance; }
h3 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
p { margin: 0 0 1rem; max-width: 40rem; overflow-wrap: anywhere; }
figure { margin: 1.75rem 0; }
figure img, figure video { display: block; max-width: 100%; height: auto; margin: 0 auto;
  background: #fff; border-radius: 4px; }
figcaption { color: var(--soft); font-size: 0.9rem; line-height: 1.45; text-align: left; }
figcaption { margin-top: 0.6rem; }
figure .wide { margin: 0; }
.kept, th { white-space: nowrap; }
@media (min-width: 64rem) { .wide { width: fit-content; max-width: calc(50vw + 20rem); } }
.wide, pre { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-size: 0.95rem; }
th, td { padding: 0.35rem 1.25rem 0.35rem 0; text-align: left; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--code); padding: 0.9rem 1.1rem; border-radius: 4px; font-size: 0.9rem; line-height: 1.5; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { color: var(--soft); font-size: 0.85rem; margin: 4rem auto 3rem; }
@media print { body { font-size: 10pt; } figure, table, pre { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""
