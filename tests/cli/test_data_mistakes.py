"""Data that cannot be read, and data of which a part cannot: one line, or a stated skip; nothing is run or lost."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from commands import IMAGES, POINTS, Touch, bomb, done, refused, snapshot, write_film, write_image, write_pets


def truncated() -> bytes:
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(out, "JPEG")
    return out.getvalue()[: len(out.getvalue()) // 2]


BROKEN = {
    "text.png": (b"hello", "cannot identify"),
    "empty.png": (b"", "cannot identify"),
    "empty.jpg": (b"", "cannot identify"),
    "half.jpg": (truncated(), "truncated"),
    "bomb.png": (bomb(), "decompression bomb|pixels"),
    "large.png": (bomb(10_000), "pixels are more than"),
}
"""Broken images, and what is said of them."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_skipped_and_named(name):
    content, reason = BROKEN[name]
    write_pets(Path("photos"))
    Path("photos/cat", name).write_bytes(content)
    before = snapshot()
    said = done(f"train photos --out run {IMAGES}")
    first = said.err.splitlines()[0]
    assert first.startswith(f"left out 1 image that cannot be read: cat/{name} (")
    assert re.search(reason, first)
    assert sum(name in line for line in said.err.splitlines()) == 1
    assert "12 images of 3x8x8" in said.err
    assert {key: value for key, value in snapshot().items() if key in before} == before


@pytest.mark.parametrize("name", BROKEN)
def test_strict_stops_at_a_broken_image(name):
    write_pets(Path("photos"))
    Path("photos/cat", name).write_bytes(BROKEN[name][0])
    refused(f"train photos --out run --strict {IMAGES}", f"1 image cannot be read: cat/{re.escape(name)}")


@pytest.mark.parametrize("name", BROKEN)
def test_a_folder_of_broken_images_is_refused(name):
    Path("photos").mkdir()
    Path("photos", name).write_bytes(BROKEN[name][0])
    refused(f"train photos --out run {IMAGES}", f"none of the 1 images can be read; {re.escape(name)}: ")


def test_many_broken_images_are_counted_and_three_named():
    write_pets(Path("photos"))
    for i in range(5):
        Path(f"photos/cat/broken{i}.png").touch()
    said = done(f"train photos --out run {IMAGES}")
    assert "left out 5 images" in said.err
    assert said.err.count("broken") == 6  # three names, each with its path in the reason
    assert "and 2 more" in said.err


def test_a_name_cannot_steer_the_terminal():
    write_pets(Path("photos"))
    Path("photos/cat", "\x1b]0;owned\x07.png").touch()
    said = done(f"train photos --out run {IMAGES}")
    assert "?]0;owned?.png" in said.err
    assert "\x1b" not in said.err


ODD = {
    "16-bit": (lambda path: write_image(path / "a.png", "I;16"), "1x8x8"),
    "CMYK": (lambda path: write_image(path / "a.jpg", "CMYK"), "3x8x8"),
    "palette": (lambda path: write_image(path / "a.png", "P"), "3x8x8"),
    "gray with alpha": (lambda path: write_image(path / "a.png", "LA"), "1x8x8"),
    "black and white": (lambda path: write_image(path / "a.png", "1"), "1x8x8"),
    "animated GIF": (lambda path: write_film(path / "a.gif"), "3x8x8"),
    "animated WebP": (lambda path: write_film(path / "a.webp"), "3x8x8"),
    "upper case": (lambda path: write_image(path / "A.PNG"), "3x8x8"),
    "a link to a file": (
        lambda path: (write_image(Path("other.png")), path.mkdir(), (path / "a.png").symlink_to("../other.png")),
        "3x8x8",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_unusual_images_are_read(name):
    write, shape = ODD[name]
    write(Path("photos"))
    assert f"1 image of {shape}" in done(f"train photos --out run {IMAGES}").err


def test_loops_of_links_are_not_followed():
    Path("photos").mkdir()
    Path("photos/self").symlink_to("../photos")
    Path("photos/a.png").symlink_to("a.png")
    Path("loop").symlink_to("loop")
    refused(f"train photos --out run {IMAGES}", "no images in photos; .*links to folders are not followed")
    refused(f"train ./loop --out run {IMAGES}", "no such file or folder: ./loop")
    write_image(Path("photos/b.png"))
    assert "1 image of" in done(f"train photos --out run {IMAGES}").err


def test_an_empty_folder_is_refused():
    Path("photos").mkdir()
    Path("photos/.hidden").mkdir()
    write_image(Path("photos/.hidden/a.png"))
    Path("photos/notes.txt").write_text("no image")
    refused(f"train photos --out run {IMAGES}", "no images in photos; put PNG or JPEG files there")


TEXTS = {
    "nan": ("a,b\n1,2\nnan,3\n", "nan in row 1, column a; remove or fill it"),
    "inf": ("a,b\n1,2\n3,inf\n", "inf in row 1, column b"),
    "a hole": ("a,b\n1,\n2,3\n", "row 0, column b"),
    "ragged": ("a,b\n1,2\n1,2,3\n", "cannot read data.csv as a table: Expected 2 fields in line 3, saw 3"),
    "words": ("a,b\n1,2\nx,3\n", "'x' in row 1, column a, is no number"),
    "nothing": ("", "^fromnoise: data.csv is empty; it needs at least one row"),
    "a header only": ("a,b\n", "data.csv holds no numbers"),
    "a lost label": ("a,label\n1,cat\n2,\n", "row 1 has no label"),
    "bytes": ("\xff\xfe\x00", "cannot read data.csv as a table"),
    "a null byte": ("a,b\n\0,1\n", "is no number"),
    "half a quote": ('a,b\n"1,2\n', "data.csv"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_csv_is_refused(name):
    text, says = TEXTS[name]
    Path("data.csv").write_bytes(text.encode("latin-1"))
    refused(f"train data.csv --out run {POINTS}", says)


ARRAYS = {
    "nan": ({"samples": np.array([[1.0, np.nan]])}, "", "nan in row 0, column 1"),
    "inf in a field": ({"samples": np.full((3, 1, 4, 4), np.inf)}, "", "inf in row 0"),
    "no rows": ({"samples": np.zeros((0, 2))}, "", "holds no samples"),
    "one number": ({"samples": np.float32(3)}, "", "holds no samples"),
    "five axes": ({"samples": np.zeros((2, 2, 2, 2, 2))}, "", "samples have 1, 2 or 3 axes"),
    "complex": ({"samples": np.zeros((2, 2), complex)}, "", "holds complex128; save it as float32"),
    "texts": ({"samples": np.array([["a", "b"]])}, "", "holds <U1"),
    "dates": ({"samples": np.zeros((2, 2), "datetime64[s]")}, "", "holds datetime64"),
    "two channels": ({"samples": np.zeros((2, 2, 5, 5), np.uint8)}, "", "channels"),
    "another layout": ({"samples": np.zeros((5, 3))}, "--data.layout chw", "which layout = 'chw' does not fit"),
    "an unknown layout": ({"samples": np.zeros((5, 3))}, "--data.layout cwh", "did you mean 'chw'"),
    "no usable key": ({"a": np.zeros((4, 2)), "b": np.zeros((4, 2))}, "", r"holds a, b; .*--data.key NAME"),
    "no arrays": ({}, "", "holds no samples"),
    "too few labels": ({"samples": np.zeros((4, 2)), "labels": np.zeros(3)}, "", "4 samples but labels of shape"),
    "a grid of labels": ({"samples": np.zeros((4, 2)), "labels": np.zeros((4, 1))}, "", "labels of shape"),
    "half labels": ({"samples": np.zeros((2, 2)), "labels": np.array([0, 0.5])}, "", "label 0.5 in row 1 is no class"),
    "other labels": ({"samples": np.zeros((4, 2)), "labels": np.zeros(4)}, "--data.label kind", "no array 'kind'"),
    "no labels": ({"samples": np.zeros((4, 2))}, "--process.conditional true", "needs labels, and these data have no"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_bad_npz_is_refused(name):
    arrays, words, says = ARRAYS[name]
    np.savez("data.npz", **arrays)
    refused(f"train data.npz --out run {POINTS} {words}", says)


def test_the_key_of_an_npz_may_be_told():
    np.savez("data.npz", a=np.zeros((4, 2)), b=np.zeros((4, 3)))
    assert "4 points of 3 numbers" in done(f"train data.npz --out run --data.key b {POINTS}").err


def test_nothing_is_ever_unpickled():
    evil = np.array([Touch()], dtype=object)
    np.save("object.npy", evil, allow_pickle=True)
    np.savez("object.npz", samples=evil)
    np.savez("labels.npz", samples=np.zeros((1, 2)), labels=evil)
    Path("raw.npy").write_bytes(pickle.dumps(Touch()))
    Path("raw.npz").write_bytes(pickle.dumps(Touch()))
    for name in ("object.npy", "object.npz", "labels.npz", "raw.npy"):
        refused(f"train {name} --out run {POINTS}", "holds pickled objects, which could run code")
    refused(f"train raw.npz --out run {POINTS}", "damaged or no array file|pickled")
    assert not Path("unpickled").exists()
    pickle.loads(pickle.dumps(Touch()))  # noqa: S301 - unpickling would have been noticed
    assert Path("unpickled").exists()


def test_a_bad_parquet_is_refused():
    import pandas

    pandas.DataFrame({"a": [1.0, np.nan], "b": [1.0, np.inf]}).to_parquet("nan.parquet")
    pandas.DataFrame({"a": ["x", "y"]}).to_parquet("words.parquet")
    Path("junk.parquet").write_bytes(b"PAR1 junk PAR1")
    refused(f"train nan.parquet --out run {POINTS}", "nan in row 1, column a")
    refused(f"train words.parquet --out run {POINTS}", "'x' in row 0, column a, is no number")
    refused(f"train junk.parquet --out run {POINTS}", "cannot read junk.parquet as parquet")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("data.txt", "cannot read data.txt: data are a folder of images, an image, or .npy, .npz, .csv, .parquet"),
        ("data", "cannot read data: data are a folder"),
        ("junk.npy", "it is no array file, or holds pickled objects"),
        ("junk.npz", "it is damaged or no array file"),
    ],
)
def test_a_file_of_another_kind_is_refused(name, says):
    Path(name).write_bytes(b"hello")
    refused(f"train {name} --out run {POINTS}", says)
    refused(f"show data {name} --out data.png", says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = [", "recipe.toml is not a TOML file"),
        ("\xff", "recipe.toml is not a TOML file"),
        ("[train]\nlrr = 3", "unknown key train.lrr; did you mean train.lr"),
        ("[trian]\nlr = 3", "unknown key trian; did you mean train"),
        ("train = 3", "train is a section"),
        ("[train]\nlr = 'fast'", "train.lr takes a number, got 'fast'"),
        ("[train]\nsteps = 3", "no data source"),
        ("[data]\nname = 'moons'\nn = 0\n[train]\nsteps = 1", "n = 0 must be a whole number"),
        (
            "[data]\nname = 'moons'\n[network]\nname = 'mpl'\n[train]\nsteps = 1",
            "unknown network mpl; did you mean mlp",
        ),
        ("[data]\nname = 'moons'\n[network]\nname = 'os:system'\n[train]\nsteps = 1", "add --network os:system"),
        ("[data]\nname = 'moons'\n[schedule]\nT = 3\n[train]\nsteps = 1", "schedule.* lacks name"),
    ],
)
def test_a_bad_recipe_file_is_refused(text, says):
    Path("recipe.toml").write_bytes(text.encode("latin-1"))
    refused("train recipe.toml --out run", says)


def test_a_recipe_file_that_is_no_file_is_refused():
    Path("folder.toml").mkdir()
    refused("train folder.toml --out run", "cannot read folder.toml: Is a directory")
    refused("train missing.toml --out run", "cannot read missing.toml: No such file")
    refused("show schedule missing.toml --out a.png", "cannot read missing.toml: No such file")
