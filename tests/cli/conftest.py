"""Every test works in a folder of its own, without network; two tiny models are trained once."""

import shutil
from pathlib import Path

import pytest
from commands import IMAGES, POINTS, call, write_pets, write_table


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The current folder: empty, with a cache beside it."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path / "cache"))
    for name in ("FROMNOISE_DEBUG", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of two runs, `table` (a table of two columns) and `pets` (images of cats and dogs), T = 8."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FROMNOISE_CACHE", str(folder / "cache"))
        write_table(Path("table.csv"))
        write_pets(Path("photos"))
        for said in (
            call(f"train table.csv --out table {POINTS}"),
            call(f"train photos --out pets --process.conditional true {IMAGES}"),
            call(f"train photos --out sure --process.conditional true --train.label_dropout 0 {IMAGES}"),
        ):
            assert said.code == 0, said.err
    return folder


@pytest.fixture
def runs(trained, place):
    """Copies of the runs in the current folder."""
    for name in ("table", "pets", "sure"):
        shutil.copytree(trained / name, place / name)
    return place
