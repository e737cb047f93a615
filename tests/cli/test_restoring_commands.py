"""fromnoise inpaint, deblur, upscale and vary: what is known stays, masks of every kind, one line for a mistake."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import done, refused, write_image
from PIL import Image

from fromnoise.cli import restoring
from fromnoise.model import load
from fromnoise.tasks.pictures import fit_known, read_mask, read_picture, shaping_of


def fillings(folder: str) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file)) for file in sorted(Path(folder).glob("*.png"))])


@pytest.fixture
def photo(runs):
    """A picture of awkward size: 37 x 21 in a palette, which the model of 8 x 8 crops to its middle."""
    pixels = np.random.default_rng(3).integers(0, 255, (21, 37, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert("P").save("photo.png")
    return "photo.png"


@pytest.mark.parametrize("method", ["mmps", "pgdm", "dps", "repaint", "particles"])
def test_known_pixels_stay_and_fillings_differ(photo, method):
    done(f"inpaint pets {photo} --mask 12,4,20,12 -n 3 --method {method} --steps 4 --seed 1 --quiet --out out")
    drawn, model = fillings("out"), load("pets")
    seen = ("12,4,20,12", Image.open(photo), shaping_of(model))
    known = read_mask(*seen).numpy()
    picture = np.rint((fit_known(*seen)[0].numpy() + 1) * 127.5).transpose(1, 2, 0)
    assert 0 < known.sum() < known.size
    assert np.array_equal(drawn[:, known], np.broadcast_to(picture[known], drawn[:, known].shape))
    assert np.ptp(drawn[:, ~known], axis=0).max() > 0


def test_what_is_hidden_is_seen_nowhere(photo):
    """Around a hole the picture is the same whatever is in it, and far from it that without a mask."""
    box, image, model = (40, 40, 60, 60), Image.open(photo).convert("RGB").resize((128, 128)), load("pets")
    seen = []
    for colour in ("white", "black", "red"):
        image.paste(colour, box)
        seen.append(fit_known("40,40,60,60", image, shaping_of(model)))
    known = read_mask("40,40,60,60", image, shaping_of(model))
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[0], seen[2])
    image.save("hole.png")
    picture = read_picture(Path("hole.png"), model)
    assert np.array_equal(seen[0][..., -1], picture[..., -1])
    assert np.abs(seen[0] - picture)[..., known].max() > 0.02  # what its red would have told its neighbours
    assert np.abs(seen[0]).max() <= 1


def test_the_seed_decides_and_the_numbers_are_told(photo):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        done(f"inpaint pets {photo} --mask 12,4,20,12 -n 2 --steps 3 --seed {seed} --out {name} --json {name}.json")
    assert np.array_equal(fillings("a"), fillings("b"))
    assert not np.array_equal(fillings("a"), fillings("c"))
    found = json.loads(Path("a.json").read_text())
    assert (found["n"], found["steps"], found["calls"], found["method"]) == (2, 3, 5, "pgdm")


@pytest.mark.parametrize("listened", [0.0, 1e9])
def test_calls_are_told_and_the_time_of_what_takes_some(listened, photo, monkeypatch):
    """From the third step on, whose time is known; of what is over before, it is told after all."""
    monkeypatch.setattr(restoring, "LISTENED", listened)
    said = done(f"inpaint pets {photo} --mask 12,4,20,12 -n 1 --steps 4 --out out.png")
    first, last = said.err.splitlines()
    about = ", about [0-9]+ s" if listened == 0 else ""
    assert re.fullmatch(f"pgdm: 4 steps, 7 network calls{about}", first)
    assert last.endswith(": out.png")


def test_a_mask_is_an_image_a_box_or_what_is_transparent(photo):
    """The same hole said in three ways is the same hole."""
    image = Image.open(photo).convert("RGBA")
    white = Image.new("L", (image.width * 2, image.height * 2), 0)
    white.paste(255, (24, 8, 40, 24))
    white.save("mask.png")
    alpha = image.copy()
    alpha.paste((0, 0, 0, 0), (12, 4, 20, 12))
    alpha.save("cut.png")
    shaping = shaping_of(load("pets"))
    box = read_mask("12,4,20,12", image, shaping)
    assert read_mask("mask.png", image, shaping).equal(box)
    assert read_mask("alpha", alpha, shaping).equal(box)
    done("inpaint pets cut.png --mask alpha -n 1 --steps 2 --quiet --out one.png")
    assert Image.open("one.png").size[0] > 24


def test_a_file_that_is_there_is_not_previewed_over(photo, monkeypatch):
    """What stood there stands until the work is done."""
    from fromnoise.cli import restoring

    monkeypatch.setattr(restoring, "PREVIEW", 0.0)
    written = []
    monkeypatch.setattr(restoring, "write_row", lambda *given: written.append(given[3]))
    Path("old.png").write_text("mine")
    for name in ("old.png", "new.png"):
        done(f"inpaint pets {photo} --mask 12,4,20,12 -n 1 --steps 4 --out {name}")
    previews = [caption == "a preview" for caption in written]
    assert previews[0] is previews[-1] is False
    assert len(previews) > 3
    assert all(previews[1:-1])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "1", "LA", "I;16"])
def test_pictures_of_any_mode(runs, mode):
    write_image(Path("in.tif" if mode in ("CMYK",) else "in.png"), mode)
    name = "in.tif" if mode in ("CMYK",) else "in.png"
    done(f"upscale pets {name} --factor 2 -n 1 --steps 2 --quiet --out out.png")


def test_what_was_drawn_looks_like_what_was_seen(photo):
    """The means of 2 x 2 pixels of what is upscaled are those of the small picture, to its noise."""
    done(f"upscale pets {photo} --factor 2 -n 2 --noise 0.01 --quiet --out out")
    drawn = fillings("out").astype(float)
    small = drawn.reshape(2, 4, 2, 4, 2, 3).mean((2, 4)) / 127.5 - 1
    from dataclasses import replace

    from fromnoise.tasks.pictures import fit_picture, read_image

    shaping = replace(shaping_of(load("pets")), height=4, width=4)
    seen = fit_picture(read_image(Path(photo)), shaping)[0].permute(1, 2, 0).numpy()
    assert np.abs(small - seen).mean() < 0.15


def test_deblur_and_vary(photo):
    done(f"deblur pets {photo} --blur 1 -n 2 --steps 3 --label cat --quiet --out sharp.png")
    done(f"vary pets {photo} --strength 0.5 -n 2 --quiet --out varied --json varied.json")
    done(f"vary pets {photo} --to {photo} -n 3 --label 1 --weight 2 --quiet --out between.png")
    assert len(fillings("varied")) == 2
    assert json.loads(Path("varied.json").read_text())["strength"] == 0.5


@pytest.mark.parametrize("strength", ["0.001", "1e-8"])
def test_hardly_varied_is_the_picture(photo, strength):
    """At a strength of a thousandth of T hardly any noise is added, and what comes back is the picture."""
    done(f"vary pets {photo} --strength {strength} -n 1 --quiet --out near")
    picture = (read_picture(Path(photo), load("pets"))[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(fillings("near")[0].astype(float) - picture).mean() < 12


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("inpaint pets photo.png --mask 9,4,20,12 --out photo.png", "read from and would be overwritten"),
        ("inpaint pets photo.png --mask square.png --out square.png", "read from"),
        ("inpaint pets wild.tif --mask 0,0,2,2 --out x.png", "an image of mode F cannot be used"),
        ("deblur pets photo.png --blur 3000 --out x.png", "at most 100"),
        ("upscale pets photo.png --factor 2 --noise 1e200 --out x.png", "at most 100"),
        ("vary pets photo.png --weight 5 --out x.png", "say with label"),
        ("vary sure photo.png --out x.png", "knows no picture without its class"),
        ("inpaint pets nothing.png --mask 0,0,2,2 --out x.png", "nothing.png: No such file"),
        ("inpaint pets photo.png --mask 0,0,99,2 --out x.png", "not inside the picture of 37 x 21"),
        ("inpaint pets photo.png --mask 5,5,2,9 --out x.png", "is empty"),
        ("inpaint pets photo.png --mask 0,0,1,1 --out x.png", "hides nothing"),
        ("inpaint pets photo.png --mask 0,0,64 --out x.png", "a box is four whole numbers"),
        ("inpaint pets photo.png --mask black.png --out x.png", "nowhere white"),
        ("inpaint pets photo.png --mask 9,4,20,12 --out x.png --json photo.png", "read from"),
        ("vary pets photo.png --out x.png --json x.png", "written twice"),
        ("vary pets photo.png --out x.png --json pets/../x.png", "written twice"),
        ("vary pets photo.png --out none/../photo.png", "read from and would be overwritten"),
        ("inpaint pets photo.png --mask 0,0,37,21 --out x.png", "hides all"),
        ("inpaint pets photo.png --mask alpha --out x.png", "nothing transparent"),
        ("inpaint pets photo.png --mask square.png --out x.png", "same proportions"),
        ("inpaint pets photo.png --mask text.png --out x.png", "cannot read text.png"),
        ("inpaint pets text.png --mask 0,0,2,2 --out x.png", "cannot read text.png"),
        ("inpaint pets photo.png --mask 9,4,20,12 --method dsp --out x.png", "did you mean dps"),
        ("deblur pets photo.png --blur 1 --method repaint --out x.png", "for masks alone"),
        ("deblur pets photo.png --blur 0 --out x.png", "above 0"),
        ("upscale pets photo.png --factor 3 --out x.png", "multiples of --factor 3"),
        ("upscale pets photo.png --factor 2 --out x.jpg", "cannot write .jpg"),
        ("upscale table photo.png --factor 2 --out x.png", "this one knows points"),
        ("upscale sure photo.png --factor 2 --out x.png", "--label"),
        ("vary pets photo.png --strength 0 --out x.png", "above 0"),
        ("vary pets photo.png --strength 2 --out x.png", "at most at 1"),
        ("vary pets photo.png --to photo.png -n 1 --out x.png", "-n 2"),
        ("vary pets photo.png --label dgo --out x.png", "did you mean dog"),
    ],
)
def test_a_mistake_is_one_line(photo, line, says):
    Path("text.png").write_text("no picture")
    write_image(Path("square.png"))
    Image.new("L", (37, 21), 60).save("black.png")
    Image.fromarray(np.random.default_rng(0).normal(0, 9, (8, 8)).astype(np.float32)).save("wild.tif")
    refused(line, says)
