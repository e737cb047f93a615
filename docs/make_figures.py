"""Draws the figures of both papers into docs/pictures/papers, and the page that shows them: make pictures.

The films stay out of the book: they are large, and `fromnoise figures` makes them in a minute.
"""

from __future__ import annotations

import re
from pathlib import Path

from fromnoise.cli.figures import FIGURES
from fromnoise.cli.main import main

HERE = Path(__file__).parent
PICTURES = HERE / "pictures" / "papers"
OPENING = """\
# The papers' figures

`fromnoise figures all --out figures` drew all of these in two minutes, with films of three of them, from the
two models that come with the package. Give `--run` and `--points` to draw them from runs of your own, `--seed` for
other draws and `--format pdf svg` for print. H is Higham, Higham and Grindrod, K is Kuras.
`make pictures` renews this page.
"""


def page(captions: str) -> str:
    """The page of figures, from the file of captions that the command writes."""
    found = dict(re.findall(r"^## (\w+)\n\n(.+)$", captions, re.M))
    parts = [
        f"## {about}\n\n![{about}](pictures/papers/{name}.png)\n\n{found[name]}\n" for name, about in FIGURES.items()
    ]
    return "\n".join([OPENING, *parts])


if __name__ == "__main__":
    main(["figures", "all", "--out", str(PICTURES)])
    captions = PICTURES / "captions.md"
    (HERE / "figures.md").write_text(page(captions.read_text("utf-8")), "utf-8")
    captions.unlink()
    for film in PICTURES.glob("*.webp"):
        film.unlink()
