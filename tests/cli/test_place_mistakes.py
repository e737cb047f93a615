"""Places that cannot be written, or must not be: one line, before the work where possible; nothing is lost."""

import contextlib
import ctypes
import errno
import json
import os
import resource
import stat
import threading
from pathlib import Path

import pytest
from commands import IMAGES, POINTS, call, done, refused, snapshot, write_image, write_pets, write_table

from fromnoise.cli import outputs

LOCK = frozenset({"run", "run/.lock"})
"""What a training that could not begin may leave of its own folder."""


@pytest.fixture
def table(place):
    write_table(Path("table.csv"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("train table.csv --out table.csv", "--out table.csv is a file; give a folder"),
        ("train table.csv --out table.csv/run", "--out table.csv/run: table.csv is a file; give a folder"),
        ("train table.csv --out run --json table.csv/a.json", "table.csv is not a folder"),
        ("train table.csv --out run --json folder", "folder: it is a folder; give a file name"),
    ],
)
def test_training_where_there_is_no_room(line, says, table):
    Path("folder").mkdir()
    refused(f"{line} {POINTS}", says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("table --out folder.png", "cannot write folder.png: it is a folder; give a file name"),
        ("table --out notes.txt/a.png", "cannot write notes.txt/a.png: notes.txt is not a folder"),
        ("table --out notes.txt/a/b.npz", "notes.txt is not a folder"),
        ("pets --out notes", "cannot write notes: it is a file; give a folder"),
        ("pets --out photos", "photos is not empty, and what it holds is not overwritten; give a new folder"),
        ("pets --out .", "is not empty"),
        ("pets --out notes.txt/photos", "notes.txt is not a folder"),
        ("pets --out a.csv", "a .csv holds points and tables; write images as .npz, .npy or .png"),
        ("table --out points", "a folder of pictures is for images; write points as .png, .npz or .npy"),
        ("table --out pipe.csv", "cannot write pipe.csv: it is a device or a pipe"),
        ("table --out a.png --json notes.txt/a.json", "notes.txt is not a folder"),
        ("table --out a.png --json photos", "photos: it is a folder; give a file name"),
    ],
)
def test_sampling_where_there_is_no_room(words, says, runs):
    Path("folder.png").mkdir()
    Path("notes.txt").write_text("notes")
    Path("notes").write_text("notes")
    write_image(Path("photos/00000.png"))
    os.mkfifo("pipe.csv")
    refused(f"sample {words}", says)


def test_showing_and_listing_where_there_is_no_room(table):
    Path("folder.png").mkdir()
    refused("show data table.csv --out folder.png", "it is a folder; give a file name")
    refused("show data table.csv --out table.csv/a.png", "table.csv is not a folder")
    refused("show forward table.csv --out table.csv/a.webp", "table.csv is not a folder")
    refused("recipes --json table.csv/a", "table.csv is not a folder")
    refused("doctor --json table.csv/a", "table.csv is not a folder")


def test_a_folder_that_is_missing_is_made(runs):
    done("sample table -n 2 --quiet --out new/deep/a.npy --json other/deep/a.json")
    assert Path("new/deep/a.npy").is_file()
    assert json.loads(Path("other/deep/a.json").read_text())["n"] == 2


def test_training_in_a_folder_that_is_no_run(table):
    write_pets(Path("photos"))
    refused(f"train table.csv --out photos {POINTS}", "photos is not empty and holds no run; choose another --out",
            new=frozenset({"photos/.lock"}))  # fmt: skip


def test_training_on_with_other_settings(table):
    done(f"train table.csv --out run {POINTS}")
    refused(f"train table.csv --out run {POINTS} --train.lr 0.5", "run was trained with train.lr = .*, not 0.5")
    refused(f"train swissroll --out run {POINTS}", "run was trained with")
    write_table(Path("table.csv"), 50)
    refused(f"train table.csv --out run {POINTS}", "run was trained with facts.* = ")


class Capabilities(ctypes.Structure):
    """What the kernel's capget and capset exchange, one of two halves."""

    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextlib.contextmanager
def without_override():
    """Root's right to pass over permission bits is laid down for a while; its other rights stay."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, before, during = (ctypes.c_uint32 * 2)(0x20080522, 0), (Capabilities * 2)(), (Capabilities * 2)()
    assert libc.capget(header, before) == libc.capget(header, during) == 0
    during[0].effective &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(header, during) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@contextlib.contextmanager
def forbidden(folder: Path):
    """Nobody may write in the folder, not even root."""
    places = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for place in places:
        place.chmod(0o555)
    try:
        with without_override() if os.geteuid() == 0 else contextlib.nullcontext():
            yield
    finally:
        for place in places:
            place.chmod(0o755)


def test_a_folder_that_cannot_be_written(runs, monkeypatch):
    write_table(Path("table.csv"))
    done(f"sample table -n 2 --out warm.png {''}")  # whatever is imported late is imported now
    done(f"train table.csv --out warm {POINTS}")
    monkeypatch.setenv("FROMNOISE_CACHE", str(runs / "cache"))
    with forbidden(runs):
        refused(f"train table.csv --out run {POINTS}", "cannot write run: Permission denied; .* is unchanged")
        refused("sample table -n 2 --quiet --out a.npz", "cannot (be written|write)")
        refused("show data table.csv --out a.png", "cannot (be written|write)")
        refused("recipes --json a.json", "cannot (be written|write)")
        refused(f"train table.csv --out warm {POINTS} --train.steps 4", "Permission denied|cannot")


def test_the_folder_is_looked_at_before_the_work(table, monkeypatch):
    monkeypatch.setattr(outputs.os, "access", lambda path, mode: False)
    says = "cannot write .*: . cannot be written to"
    refused("sample nosuchmodel --out a.npz", says)  # before even the model is looked for
    refused("show data nosuchdata --out a.png", says)
    refused(f"train nosuchdata --out run {POINTS} --json a.json", says)


@contextlib.contextmanager
def small_files(most: int):
    """No file may grow beyond so many bytes: the disk is full as far as this process can tell."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_that_does_not_fit(table):
    done(f"train table.csv --out run {POINTS}")
    before = snapshot()
    with small_files(4000):
        said = call(f"train table.csv --out run {POINTS} --train.steps 4")
    assert said.code == 2
    assert "cannot write run/checkpoints/step-00000004: File too large" in said.err.splitlines()[-1]
    after = snapshot()
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed <= {"run/config.toml", "run/log.jsonl"}  # they say 4 steps
    assert {*after} == {*before}
    assert str(after["run/log.jsonl"]).count("step") >= str(before["run/log.jsonl"]).count("step")
    done("sample run -n 2 --quiet --out a.npy")
    assert "going on from step 2" in done(f"train table.csv --out run {POINTS} --train.steps 4").err


@pytest.mark.parametrize("suffix", ["png", "npz", "npy", "csv", "webp", "gif", "mp4"])
def test_samples_that_do_not_fit(suffix, runs):
    if suffix == "mp4":
        pytest.importorskip("imageio_ffmpeg")
    out = Path(f"out.{suffix}")
    out.write_bytes(b"what was there before")
    with small_files(400):
        refused(f"sample table -n 100 --quiet --out {out}", "cannot write out|ffmpeg could not|File too large")
    assert out.read_bytes() == b"what was there before"


def test_a_full_disk(runs, monkeypatch):
    """fsync is where a full disk may first be heard of."""
    write_table(Path("table.csv"))
    Path("a.npz").write_bytes(b"before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    says = "cannot write .*: No space left on device; what was there before is unchanged"
    refused("sample table -n 2 --quiet --out a.npz", says)
    refused("sample pets -n 2 --quiet --out folder", says, new=frozenset({"folder"}))
    refused("show schedule table.csv --out a.png", says)
    refused("recipes --json a.json", says)
    refused(f"train table.csv --out run {POINTS}", says, new=LOCK)
    refused(f"train table.csv --out table {POINTS} --train.steps 4", says)


def test_images_are_read_where_the_cache_cannot_be_written(monkeypatch):
    write_pets(Path("photos"))
    Path("file").touch()
    monkeypatch.setenv("FROMNOISE_CACHE", "file/cache")
    said = done(f"train photos --out run {IMAGES}")
    assert "data stay in memory" in said.err
    assert said.err.count("cannot be written") == 1


def test_numbers_go_into_a_pipe():
    """What is no file is written to, not replaced: /dev/stdout would be gone."""
    os.mkfifo("pipe")
    heard = []
    reader = threading.Thread(target=lambda: heard.append(Path("pipe").read_text()), daemon=True)
    reader.start()
    done("recipes --json pipe")
    reader.join(10)
    assert "swissroll" in json.loads(heard[0])
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)


def test_numbers_that_a_device_does_not_take():
    try:
        os.mknod("full", stat.S_IFCHR | 0o666, os.makedev(1, 7))
        Path("full").open("w").close()
    except OSError:
        pytest.skip("devices cannot be made here")
    refused("recipes --json full", "cannot write full: No space left on device")
    assert stat.S_ISCHR(os.stat("full").st_mode)


def test_standard_output_is_never_replaced(tmp_path):
    assert outputs.is_special(Path("/dev/null"))
    assert outputs.is_special(Path("/dev/stdout")) or not Path("/dev/stdout").is_symlink()
    assert not outputs.is_special(tmp_path / "new.json")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "new.json")
    assert not outputs.is_special(link)


def test_a_picture_does_not_follow_a_link(runs):
    Path("precious.png").write_bytes(b"precious")
    Path("a.png").symlink_to("precious.png")
    done("sample table -n 2 --quiet --out a.png")
    assert Path("precious.png").read_bytes() == b"precious"
    assert Path("a.png").read_bytes()[:4] == b"\x89PNG"
