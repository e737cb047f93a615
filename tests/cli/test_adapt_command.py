"""fromnoise adapt and trace: a run teaches another to follow drawings; pictures of any kind; mistakes in one line."""

from pathlib import Path

import numpy as np
import pytest
from commands import done, refused
from PIL import Image

SHORT = "--quiet --train.batch 4 --train.steps 2 --train.log_every 1 --train.warmup 0"


@pytest.fixture
def edged(runs, trained, monkeypatch):
    """A run adapted to edges, and an image of awkward size and mode."""
    shaded = np.linspace(0, 255, 17 * 31).reshape(31, 17).astype(np.uint8)
    shaded[10:20, 4:13] = 255  # an edge all around
    Image.fromarray(shaded).convert("LA").save("own.png")
    done(f"adapt pets --condition edges --out edged --data.name {trained / 'photos'} --data.size 8 {SHORT}")
    return "edged"


def test_pictures_along_a_picture_and_along_a_drawing(edged):
    done(f"trace {edged} own.png -n 3 --out traced.png --steps 4 --quiet")
    done(f"trace {edged} own.png -n 2 --drawn --label cat --weight 1.5 --out folder --steps 4 --quiet")
    assert Image.open("traced.png").width > Image.open("traced.png").height
    assert len(list(Path("folder").glob("*.png"))) == 2
    done(f"trace {edged} own.png -n 3 --out again.png --steps 4 --quiet")
    assert np.array_equal(np.asarray(Image.open("again.png")), np.asarray(Image.open("traced.png")))


def test_an_empty_drawing_is_said(edged):
    Image.new("L", (20, 20), 90).save("flat.png")
    ink = Image.new("RGBA", (30, 30), (255, 255, 255, 0))
    ink.paste((255, 255, 255, 255), (3, 12, 27, 15))  # white on what is transparent
    ink.save("ink.png")
    refused(f"trace {edged} flat.png --out a.png", "no edges as the model sees it, or is it a drawing")
    refused(f"trace {edged} flat.png --drawn --out a.png", "of one colour")
    done(f"trace {edged} ink.png --drawn --out a.png --steps 2 --quiet")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("trace pets own.png --out a.png", "not adapted"),
        ("trace edged none.png --out a.png", "cannot read none.png"),
        ("trace edged own.png --out own.png", "own.png"),
        ("trace edged own.png --out a.png --weight 2", "label"),
        ("sample edged -n 1 --out a.png", "trace"),
        ("inpaint edged own.png --mask 0,0,12,20 --out a.png", "use fromnoise trace"),
        ("adapt pets --condition colours --out a", "colours"),
        ("adapt pets --condition mask --out pets", "its own"),
        ("adapt edged --condition mask --out a", "was adapted already, to edges"),
        ("adapt pets --condition mask --out a --process.condition edges", "leave it out"),
        ("adapt table --condition mask --out a", "U-Net"),
    ],
)
def test_a_mistake_is_one_line(edged, line, says):
    refused(line, says)
