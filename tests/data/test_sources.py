import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fromnoise.data import SOURCES, load, options
from fromnoise.errors import UserError


def test_importing_is_light():
    """Neither torch nor Pillow nor pandas is paid for before it is needed."""
    heavy = ("torch", "PIL", "pandas", "datasets", "sklearn")
    code = f"import sys, fromnoise.data; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", SOURCES)
def test_options_are_those_of_the_loader_and_all_have_defaults(name):
    known = options(name)
    assert known
    assert all(one.default is not one.empty for one in known.values())


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean 'swissroll'"):
        load("swisroll")
    with pytest.raises(UserError, match="did you mean 'mnist'"):
        options("MNISTT")


def test_an_unknown_option_gets_the_nearest(tmp_path):
    with pytest.raises(UserError, match="did you mean 'noise'"):
        load("moons", nois=0.1)
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="did you mean 'channels'"):
        load(str(tmp_path), chanels=3)


@pytest.mark.parametrize("source", ["", "  ", None, 3, "a\0b"])
def test_nonsense_is_refused(source):
    with pytest.raises(UserError, match="no data source"):
        load(source)


@pytest.mark.parametrize(
    "source",
    ["/no/such/folder", "./photos", "photos/one.png", "samples.npy", "a/b/c", r"C:\photos", "~/photos"],
)
def test_a_missing_path_is_called_missing(source):
    with pytest.raises(UserError, match="no such file or folder"):
        load(source)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="folder of images"):
        load(str(tmp_path / "notes.txt"))


def test_a_path_picks_its_loader(tmp_path, monkeypatch):
    np.save(tmp_path / "points.npy", np.eye(3))
    (tmp_path / "points.npy").rename(tmp_path / "points.NPY")
    Image.new("L", (4, 4)).save(tmp_path / "one.PNG")
    assert load(str(tmp_path / "points.NPY")).kind == "points"
    assert len(load(str(tmp_path / "one.PNG"), size=4)) == 1
    assert len(load(str(tmp_path), size=4)) == 1
    assert "layout" in options(str(tmp_path / "points.NPY"))
    assert "fit" in options(str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load("~", size=4)) == 1


def test_a_folder_with_a_built_in_name_needs_its_path(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "mnist" / "one.png")
    monkeypatch.chdir(tmp_path)
    assert len(load("./mnist")) == 1
    assert "split" in options("mnist")
