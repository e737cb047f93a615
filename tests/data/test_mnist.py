import gzip
import hashlib

import numpy as np
import pytest

from fromnoise.data import load
from fromnoise.data.mnist import FOLDER, read_idx
from fromnoise.errors import UserError


def test_the_originals_are_unchanged():
    unpacked = gzip.decompress((FOLDER / "train-images-idx3-ubyte.gz").read_bytes())
    assert hashlib.md5(unpacked).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"
    assert load("mnist", size=28).rows.tobytes() == unpacked[16:]


def test_both_splits_are_whole():
    train, test = load("mnist", size=28), load("mnist", split="test", size=28)
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.rows.dtype == np.uint8
    assert train.shape == (1, 28, 28)
    assert train.kind == "images"
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # as published
    assert np.bincount(train.labels).tolist() == counts
    assert train.classes == tuple("0123456789")


@pytest.mark.parametrize("size", [28, 29, 32, 40])
def test_padding_adds_black_and_changes_no_pixel(size):
    small, large = load("mnist", split="test", size=28).rows, load("mnist", split="test", size=size).rows
    before = (size - 28) // 2
    assert large.shape[-2:] == (size, size)
    np.testing.assert_array_equal(large[..., before : before + 28, before : before + 28], small)
    assert large.sum(dtype=np.int64) == small.sum(dtype=np.int64)


def test_resizing_fills_the_square():
    padded, resized = (load("mnist", split="test", fit=fit).rows for fit in ("pad", "resize"))
    assert resized.shape == padded.shape == (10_000, 1, 32, 32)
    assert resized.mean() == pytest.approx(padded.mean() * (32 / 28) ** 2, rel=0.02)
    assert load("mnist", split="test", fit="resize", size=16).shape == (1, 16, 16)


def test_resizing_to_the_same_size_changes_nothing():
    same = load("mnist", split="test", fit="resize", size=28).rows
    np.testing.assert_array_equal(same, load("mnist", split="test", size=28).rows)


@pytest.mark.parametrize("wrong", [{"split": "tests"}, {"fit": "crop"}, {"size": 27}, {"size": 1000}, {"size": [32]}])
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        load("mnist", **wrong)


def idx(tmp_path, data):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(data))
    return path


GOOD = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"x",
        b"\1" + GOOD[1:],
        GOOD[:2] + b"\x0d" + GOOD[3:],
        GOOD[:7] + b"\4" + GOOD[8:],
    ],
)
def test_a_wrong_idx_file_is_refused(tmp_path, data):
    assert read_idx(idx(tmp_path, GOOD), (3,)).tolist() == [7, 8, 9]
    with pytest.raises(UserError, match="is not an IDX file"):
        read_idx(idx(tmp_path, data), (3,))


def test_a_damaged_archive_is_refused(tmp_path):
    path = idx(tmp_path, GOOD * 100)
    whole = path.read_bytes()
    for broken in (b"not gzip", whole[:20], whole[:15] + b"\xff\xff\xff" + whole[18:]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match="install"):
            read_idx(path, (3,))
    with pytest.raises(UserError, match="install"):
        read_idx(tmp_path / "missing.gz", (3,))
