import os
import sys

import numpy as np
import pytest
from PIL import Image

from fromnoise.data import images, load
from fromnoise.errors import UserError


def draw(path, seed=0, mode="RGB", size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], count), np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    for k in range(10):
        draw(tmp_path / "photos" / f"{k}.png", seed=k)
    return tmp_path / "photos"


@pytest.mark.parametrize("count", [1, 10])
def test_few_images_are_enough(tmp_path, count):
    for k in range(count):
        draw(tmp_path / f"{k}.png", seed=k)
    data = load(str(tmp_path), size=[16, 24])
    assert len(data) == count
    assert data.shape == (3, 16, 24)
    assert data.kind == "images"
    assert data.labels is None
    assert data.classes == ()
    assert data.skipped == ()
    assert data.batch(np.arange(count)).shape == (count, 3, 16, 24)


def test_a_second_load_decodes_nothing(photos, monkeypatch):
    first = load(str(photos))
    monkeypatch.setattr(images, "pack", None)
    second = load(str(photos))
    np.testing.assert_array_equal(first.rows, second.rows)
    assert isinstance(second.rows.base, np.memmap) or isinstance(second.rows, np.memmap)
    assert not second.rows.flags.writeable


def test_rows_are_in_the_order_of_the_names_for_any_number_of_workers(photos):
    one = load(str(photos), workers=1, size=30)
    for at, row in enumerate(one.rows):
        alone = load(str(photos / f"{at}.png"), size=30)
        np.testing.assert_array_equal(row, alone.rows[0])
    np.testing.assert_array_equal(load(str(photos), workers=7, size=30).rows, one.rows)


def test_subfolders_are_classes(tmp_path):
    for name in ("cats/a.png", "cats/deep/er/b.png", "dogs/c.png", ".hidden/d.png", "dogs/._e.png"):
        draw(tmp_path / name)
    (tmp_path / "empty").mkdir()
    data = load(str(tmp_path))
    assert data.classes == ("cats", "dogs")
    assert data.labels.tolist() == [0, 0, 1]
    draw(tmp_path / "loose.png")
    assert load(str(tmp_path)).labels is None


def test_a_class_without_readable_images_is_dropped(tmp_path):
    draw(tmp_path / "b" / "good.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bad.png").write_bytes(b"no")
    data = load(str(tmp_path))
    assert data.classes == ("b",)
    assert data.labels.tolist() == [0]
    assert data.skipped == ("a/bad.png",)
    assert data.names == ("b/good.png",)


def test_each_row_has_the_name_of_its_file(tmp_path):
    for k, name in enumerate(("z.png", "sub/y.png", "x.png")):
        draw(tmp_path / name, seed=k)
    (tmp_path / "sub" / "bad.png").write_bytes(b"no")
    for data in (load(str(tmp_path)), load(str(tmp_path))):  # decoded, and from the cache
        assert data.names == ("sub/y.png", "x.png", "z.png")
        for row in range(3):
            np.testing.assert_array_equal(data.rows[row], load(str(tmp_path / data.name(row))).rows[0])
        assert data.take(np.array([2, 0])).names == ("z.png", "sub/y.png")
        assert data.take(slice(1, None)).names == ("x.png", "z.png")
        assert data.take(np.array([True, False, True])).names == ("sub/y.png", "z.png")
    assert load("mnist", split="test").name(7) == "7"


@pytest.mark.skipif(sys.platform != "linux", reason="names elsewhere are always text")
def test_names_that_are_no_text_stay_apart(tmp_path):
    for end in (b"\xfe", b"\xff"):
        draw(tmp_path / os.fsdecode(b"a" + end + b".png"))
    names = load(str(tmp_path)).names
    assert len({*names}) == 2
    assert all(name.isprintable() for name in names)


def test_auto_channels_are_the_most_that_any_image_needs(tmp_path):
    draw(tmp_path / "a.png", mode="L")
    Image.new("RGB", (5, 5), (9, 9, 9)).save(tmp_path / "b.png")
    assert load(str(tmp_path)).shape[0] == 1
    draw(tmp_path / "c.png", mode="RGB")
    colour = load(str(tmp_path))
    assert colour.shape[0] == 3
    np.testing.assert_array_equal(colour.rows[0][0], colour.rows[0][2])
    draw(tmp_path / "d.png", mode="RGBA")
    alpha = load(str(tmp_path))
    assert alpha.shape[0] == 4
    assert alpha.rows[0][3].min() == 255
    assert [load(str(tmp_path), channels=k).shape[0] for k in (1, 3, 4)] == [1, 3, 4]


def break_three(folder):
    (folder / "text.png").write_text("I am no image")
    whole = draw(folder / "cut.jpg", size=(200, 200)).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "bomb.pgm").write_bytes(b"P5 60000 60000 255\n" + bytes(100))


def test_broken_files_are_named_and_left_out(photos, caplog):
    break_three(photos)
    (photos / "notes.txt").write_text("not an image at all")
    for _ in range(2):  # decoded, then from the cache
        caplog.clear()
        data = load(str(photos))
        assert len(data) == 10
        assert data.skipped == ("bomb.pgm", "cut.jpg", "text.png")
        assert len(caplog.records) == 1
        assert "left out 3 images" in caplog.text
        assert "cut.jpg" in caplog.text


def test_strict_makes_a_broken_file_an_error(photos):
    assert len(load(str(photos), strict=True)) == 10
    break_three(photos)
    for _ in range(2):
        with pytest.raises(UserError, match=r"3 images cannot be read: bomb.pgm"):
            load(str(photos), strict=True)


def test_only_broken_files_are_an_error(tmp_path):
    break_three(tmp_path)
    with pytest.raises(UserError, match="none of the 3 images"):
        load(str(tmp_path))
    with pytest.raises(UserError, match="none of the 1 images"):
        load(str(tmp_path / "text.png"))


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="no images in"):
        load(str(tmp_path))


def test_links_to_folders_are_not_followed_and_odd_files_do_no_harm(photos, tmp_path):
    draw(tmp_path / "outside" / "secret.png")
    (photos / "link").symlink_to(tmp_path / "outside")
    (photos / "loop").symlink_to(photos)
    (photos / "dangling.png").symlink_to(tmp_path / "nothing.png")
    (photos / "folder.png").mkdir()
    os.mkfifo(photos / "pipe.png")  # opening it would wait for ever
    data = load(str(photos))
    assert len(data) == 10
    assert data.skipped == ()


def test_names_of_any_bytes_are_read(tmp_path):
    good = draw(tmp_path / "ü 画.png").read_bytes()
    if sys.platform == "linux":
        with open(os.fsencode(tmp_path) + b"/\xff\xfe.png", "wb") as file:
            file.write(good)
    (tmp_path / "bad ü.png").write_bytes(b"")
    data = load(str(tmp_path))
    assert len(data) == 2
    assert data.skipped == ("bad ü.png",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"size": 5000},
        {"size": [1, 2, 3]},
        {"size": "32"},
        {"channels": 2},
        {"channels": "rgb"},
        {"fit": "croop"},
        {"resample": "nearest"},
        {"background": "pink"},
        {"strict": 1},
        {"workers": 0},
    ],
)
def test_values_out_of_range_are_named(photos, wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        load(str(photos), **wrong)


def age(folder):
    """Make the files look old enough for their stamps to be trusted (the change time cannot be set back)."""
    for path in folder.rglob("*.png"):
        os.utime(path, ns=(1, 1))


def test_changed_content_gives_another_entry_though_length_and_time_are_the_same(photos, monkeypatch):
    monkeypatch.setattr(images, "SETTLED", -1.0)  # trust even the youngest stamps
    path = photos / "0.png"
    Image.new("L", (64, 64), 10).save(path, compress_level=0)
    age(photos)
    before, stamp = load(str(photos), channels=1), path.stat()
    Image.new("L", (64, 64), 200).save(path, compress_level=0)
    age(photos)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stamp.st_size, stamp.st_mtime_ns)
    after = load(str(photos), channels=1)
    assert (before.rows[0] == 10).all()
    assert (after.rows[0] == 200).all()


def test_young_files_are_hashed_each_time_and_settled_ones_once(photos, monkeypatch):
    hashed = []
    real = images._hash_file
    monkeypatch.setattr(images, "_hash_file", lambda path: hashed.append(path) or real(path))
    load(str(photos)), load(str(photos))
    assert len(hashed) == 20
    monkeypatch.setattr(images, "SETTLED", -1.0)
    load(str(photos)), load(str(photos)), load(str(photos), size=8)
    assert len(hashed) == 30


def test_a_moved_folder_finds_its_entry_and_a_renamed_image_does_not(photos, monkeypatch, cache):
    load(str(photos))
    moved = photos.rename(photos.parent / "moved")
    load(str(moved))
    assert len(list(cache.glob("*.npy"))) == 1
    (moved / "0.png").rename(moved / "00.png")
    load(str(moved))
    assert len(list(cache.glob("*.npy"))) == 2


def test_settings_give_entries_of_their_own(photos, cache):
    for number, change in enumerate([{}, {"size": 8}, {"fit": "pad"}, {"channels": 1}, {"resample": "box"}], 1):
        load(str(photos), **change)
        assert len(list(cache.glob("*.npy"))) == number


def test_a_folder_that_changes_while_it_is_read_is_an_error(photos, monkeypatch, cache):
    real = images.pack

    def meddle(*args):
        draw(photos / "0.png", seed=99, size=(41, 31))
        return real(*args)

    monkeypatch.setattr(images, "pack", meddle)
    with pytest.raises(UserError, match="changed while it was read"):
        load(str(photos))
    assert not list(cache.glob("*.npy"))
    assert not list(cache.glob("*.part"))
