"""fromnoise segment: masks painted for some pictures give masks for the others; and mistakes in one line."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import done, refused
from PIL import Image

from fromnoise import tasks


@pytest.fixture
def painted(place, monkeypatch):
    """Seven digits, and for four of them masks: red where they are white, of a mode and size as they come."""
    import fromnoise as fn

    monkeypatch.setattr(tasks, "segmenter", partial(tasks.segmenter, steps=30))  # enough for black and white

    data = fn.data.load("mnist", fit="pad", size=28)
    for i in range(7):
        pixels = data.rows[i, 0]
        name = f"digits/{'a' if i % 2 else 'b'}/{i}.png"
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels).resize((41, 41))
        image.save(name)
        if i < 4:
            mask = np.zeros((41, 41, 3), np.uint8)
            mask[np.asarray(image) > 127] = (255, 0, 0)
            path = Path(name.replace("digits", "masks")).with_suffix(".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
    return place


def test_the_others_get_masks_in_the_same_colours(painted):
    said = done("segment mnist digits --masks masks --out found --json n.json --quiet")
    numbers = json.loads(Path("n.json").read_text())
    assert (numbers["taught"], numbers["found"]) == (4, 3)
    assert numbers["accuracy"] > 0.85
    assert "4 pictures" in said.out
    names = sorted(str(path.relative_to("found/masks")) for path in Path("found/masks").rglob("*.png"))
    assert names == ["a/5.png", "b/4.png", "b/6.png"]
    for name in names:
        mask = np.asarray(Image.open(Path("found/masks", name)))
        digit = np.asarray(Image.open(Path("digits", name)).resize((28, 28)))
        assert {tuple(colour) for colour in mask.reshape(-1, 3)} == {(0, 0, 0), (255, 0, 0)}
        assert ((mask[..., 0] > 0) == (digit > 127)).mean() > 0.85
    assert Image.open("found/overview.png").size[0] > 100


def test_gray_values_stay_what_they_were(painted):
    """Masks of 1 and 2, not of 0 and 255; all taught: all are found again."""
    for path in Path("masks").rglob("*.png"):
        red = np.asarray(Image.open(path))[..., 0]
        Image.fromarray((1 + (red > 0)).astype(np.uint8)).save(path)
    for path in Path("digits").rglob("*.png"):
        if not Path("masks", path.relative_to("digits")).exists():
            path.unlink()
    done("segment mnist digits --masks masks --out found --quiet")
    found = [np.asarray(Image.open(path)) for path in Path("found/masks").rglob("*.png")]
    assert len(found) == 4
    assert set(np.unique(found)) == {1, 2}


def test_masks_of_any_mode_are_what_they_look_like(painted):
    """Two palettes the other way round, and a file without one: red stays red."""
    for i, path in enumerate(sorted(Path("masks").rglob("*.png"))):
        red = (np.asarray(Image.open(path))[..., 0] > 0).astype(np.uint8)
        if i < 2:
            image = Image.fromarray(1 - red if i else red).convert("P")
            image.putpalette([0, 0, 0, 255, 0, 0] if i == 0 else [255, 0, 0, 0, 0, 0])
            image.save(path)
    done("segment mnist digits --masks masks --out found --quiet")
    mask = np.asarray(Image.open("found/masks/b/4.png"))
    assert {tuple(colour) for colour in mask.reshape(-1, 3)} == {(0, 0, 0), (255, 0, 0)}
    digit = np.asarray(Image.open("digits/b/4.png").resize((28, 28)))
    assert ((mask[..., 0] > 0) == (digit > 127)).mean() > 0.85


def test_a_broken_picture_is_left_out_and_said(painted):
    Path("digits/a/99.png").write_bytes(b"nothing")
    assert "99.png" in done("segment mnist digits --masks masks --out found").err
    assert len(list(Path("found/masks").rglob("*.png"))) == 3


def test_a_mistake_is_one_line(painted):
    Path("few").mkdir()
    Image.open("masks/b/0.png").save("few/0.png")
    refused("segment mnist digits --masks few --out found", "and two must")
    refused("segment mnist digits --masks digits --out found", "one of their own")
    refused("segment mnist digits --masks nowhere --out found", "nowhere is no folder")
    refused("segment mnist digits --masks masks --out digits", "not empty")
    refused("segment swissroll digits --masks masks --out found", "knows points")
    refused("segment mnist digits --masks masks --out found --json digits/a/1.png", "would be overwritten")
    Image.open("digits/a/1.png").save("digits/a/1.bmp")
    refused("segment mnist digits --masks masks --out found", "which is meant")
    Path("digits/a/1.bmp").unlink()
    Image.open("masks/b/0.png").resize((40, 41)).save("masks/b/0.png")
    refused("segment mnist digits --masks masks --out found", "is 40 x 41, its picture 41 x 41")
    Image.new("RGBA", (41, 41), (255, 0, 0, 9)).save("masks/b/0.png")
    refused("segment mnist digits --masks masks --out found", "transparent in places")
    refused("segment mnist digits --masks masks --out digits/found", "write to another place")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (41, 41), dtype=np.uint8)).save("masks/b/0.png")
    refused("segment mnist digits --masks masks --out found", "without soft edges")
    for path in Path("masks").rglob("*.png"):
        Image.new("L", (41, 41)).save(path)
    refused("segment mnist digits --masks masks --out found", "1 colour:")
