import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from fromnoise.data import cache as room
from fromnoise.data import load
from fromnoise.data.cache import cache_folder, remember


def build(out, scratch):
    np.save(out, np.arange(1000, dtype=np.uint8))
    return {"colour": "ü"}


def never(out, scratch):
    raise AssertionError("built again")


def check(entry):
    rows, facts = entry
    assert rows.tolist() == np.arange(1000, dtype=np.uint8).tolist()
    assert facts == {"colour": "ü"}
    assert not rows.flags.writeable
    return rows


def test_what_was_built_is_found_again(cache):
    check(remember("k", build))
    assert isinstance(check(remember("k", never)), np.memmap)
    assert sorted(path.name for path in cache.iterdir()) == ["k.json", "k.npy"]


def spoil_length(cache):
    os.truncate(cache / "k.npy", 900)


def another_array(cache):
    np.save(cache / "k.npy", np.arange(10))


def spoil_header(cache):
    path = cache / "k.npy"
    path.write_bytes(b"x" * path.stat().st_size)


def spoil_json(cache):
    (cache / "k.json").write_text('{"colour": ')


def other_json(cache):
    (cache / "k.json").write_text("[1]")


def lose_json(cache):
    (cache / "k.json").unlink()


def lose_array(cache):
    (cache / "k.npy").unlink()


def pickle_inside(cache):
    np.save(cache / "k.npy", np.array([{}], dtype=object), allow_pickle=True)
    (cache / "k.json").write_text(json.dumps({"bytes": (cache / "k.npy").stat().st_size}))


@pytest.mark.parametrize(
    "spoil", [spoil_length, another_array, spoil_header, spoil_json, other_json, lose_json, lose_array, pickle_inside]
)
def test_a_spoilt_entry_is_built_again(cache, spoil):
    remember("k", build)
    spoil(cache)
    check(remember("k", build))
    check(remember("k", never))


def test_an_error_in_building_leaves_nothing(cache):
    def fail(out, scratch):
        out.write(b"half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        remember("k", fail)
    assert list(cache.iterdir()) == []


def test_old_halves_are_swept_and_young_ones_left(cache):
    for name, age in (("old", 2 * room.DAY), ("young", 60)):
        (cache / f"k.npy.{name}.part").write_bytes(b"half")
        os.utime(cache / f"k.npy.{name}.part", (time.time() - age,) * 2)
    check(remember("k", build))
    assert [path.name for path in cache.glob("*.part")] == ["k.npy.young.part"]


def test_a_killed_process_leaves_no_entry(cache):
    code = """
import os, signal
from fromnoise.data.cache import remember
def build(out, scratch):
    out.write(b"half"); out.flush()
    os.kill(os.getpid(), signal.SIGKILL)
remember("k", build)
"""
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == -signal.SIGKILL
    assert not (cache / "k.npy").exists()
    assert len(list(cache.glob("*.part"))) == 1
    check(remember("k", build))


@pytest.mark.parametrize("fault", ["parent is a file", "full", "full at the end"])
def test_without_a_usable_folder_data_stay_in_memory(cache, fault, monkeypatch, caplog, tmp_path):
    if fault == "parent is a file":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path / "file" / "cache"))
    elif fault == "full":
        monkeypatch.setattr(room.tempfile, "mkstemp", no_space)
    else:
        monkeypatch.setattr(room.os, "fsync", no_space)
    rows = check(remember("k", build))
    assert not isinstance(rows, np.memmap)
    assert len(caplog.records) == 1
    assert "stay in memory" in caplog.text
    assert list(cache.iterdir()) == []


def no_space(*args, **options):
    raise OSError(28, "No space left on device")


def test_images_load_without_a_usable_folder(monkeypatch, tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    Image.new("L", (9, 9), 3).save(tmp_path / "b.png")
    with_cache = load(str(tmp_path))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path / "file"))
    without = load(str(tmp_path))
    np.testing.assert_array_equal(with_cache.rows, without.rows)
    assert without.batch([0, 1]).shape == (2, 3, 32, 32)


def build_at_once(barrier, folder, answers):
    os.environ["FROMNOISE_CACHE"] = folder

    def slow(out, scratch):
        barrier.wait(20)  # both are inside before either ends
        return build(out, scratch)

    rows, facts = remember("k", slow)
    answers.put((rows.tolist(), facts))


def test_two_processes_may_build_at_once(cache):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    both = [context.Process(target=build_at_once, args=(barrier, str(cache), answers)) for _ in range(2)]
    for one in both:
        one.start()
    first, second = answers.get(timeout=30), answers.get(timeout=30)
    for one in both:
        one.join(10)
    assert first == second == (np.arange(1000, dtype=np.uint8).tolist(), {"colour": "ü"})
    check(remember("k", never))
    assert not list(cache.glob("*.part"))


def test_the_folder_is_the_users_or_the_platforms(monkeypatch, tmp_path):
    assert str(cache_folder()) == os.environ["FROMNOISE_CACHE"]
    monkeypatch.delenv("FROMNOISE_CACHE")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "fromnoise"
