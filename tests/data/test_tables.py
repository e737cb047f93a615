import io
import pickle
import re
import zipfile

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fromnoise.data import load
from fromnoise.errors import UserError


def save(path, array):
    np.save(path, array)
    return str(path)


@settings(deadline=None, max_examples=50)
@given(
    array=arrays(
        st.sampled_from([np.float32, np.float64, np.int32]),
        st.tuples(st.integers(1, 20), st.integers(1, 4)),
        elements=st.integers(-(10**6), 10**6),
    )
)
def test_points_come_back_in_their_own_units(tmp_path_factory, array):
    data = load(save(tmp_path_factory.mktemp("a") / "a.npy", array))
    assert data.kind == "points"
    assert data.rows.dtype == np.float32
    width = np.ptp(array.astype(float), axis=0)
    error = np.abs(data.units.to_own(data.rows) - array)
    assert (error <= 1e-7 * width + 1e-9).all()
    varied = width > 0
    np.testing.assert_allclose(data.rows.mean(0, dtype=np.float64)[varied], 0, atol=1e-6)
    np.testing.assert_allclose(data.rows.std(0, dtype=np.float64)[varied], 0.5, rtol=1e-6)


def test_an_outlier_leaves_the_rest_at_the_noise_that_is_learned(tmp_path):
    array = np.random.default_rng(0).normal(size=(10_000, 1))
    array[0] = 30.0
    rows = load(save(tmp_path / "a.npy", array)).rows
    assert 0.45 < rows[1:].std() < 0.5


def test_a_constant_column_round_trips_and_huge_values_do_not_overflow(tmp_path):
    array = np.array([[7.0, -1.7e308], [7.0, 1.7e308]])
    data = load(save(tmp_path / "a.npy", array))
    assert data.rows[:, 0].tolist() == [0, 0]
    assert data.units.scale[0] == 1
    np.testing.assert_allclose(data.units.to_own(data.rows), array, rtol=1e-7)


@pytest.mark.parametrize(
    ("shape", "dtype", "layout", "kind", "sample"),
    [
        ((5,), "f4", "auto", "points", (1,)),
        ((5, 3), "f8", "auto", "points", (3,)),
        ((5, 3), "u1", "auto", "points", (3,)),
        ((5, 30), "f4", "l", "fields", (1, 30)),
        ((5, 2, 30), "f4", "cl", "fields", (2, 30)),
        ((5, 8, 9), "f4", "auto", "fields", (1, 8, 9)),
        ((5, 2, 8, 9), "f2", "auto", "fields", (2, 8, 9)),
        ((5, 8, 9, 2), "f4", "hwc", "fields", (2, 8, 9)),
        ((5, 8, 9), "i2", "auto", "fields", (1, 8, 9)),
        ((5, 8, 9), "u1", "auto", "images", (1, 8, 9)),
        ((5, 3, 8, 9), "u1", "auto", "images", (3, 8, 9)),
        ((5, 8, 9, 3), "u1", "auto", "images", (3, 8, 9)),
        ((5, 3, 9, 4), "u1", "chw", "images", (3, 9, 4)),
        ((5, 3, 9, 4), "u1", "hwc", "images", (4, 3, 9)),
    ],
)
def test_the_shape_and_the_type_tell_what_it_is(tmp_path, shape, dtype, layout, kind, sample):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    data = load(save(tmp_path / "a.npy", array), layout=layout)
    assert (data.kind, data.shape, len(data)) == (kind, sample, 5)
    batch = data.batch(np.arange(5))
    assert batch.shape == (5, *sample)
    moved = np.moveaxis(array, -1, 1) if layout == "hwc" or (shape[-1] == 3 and len(shape) == 4) else array
    own = data.units.to_own(batch.double().numpy())
    own = np.rint((own + 1) * 127.5) if kind == "images" else own
    np.testing.assert_allclose(own.reshape(moved.shape), moved, atol=1e-4)


def test_images_stay_on_disk(tmp_path):
    data = load(save(tmp_path / "a.npy", np.zeros((4, 8, 8, 3), np.uint8)))
    assert isinstance(data.rows, np.memmap)
    assert not data.rows.flags.writeable


def test_an_outlier_that_makes_all_else_alike_is_told(tmp_path, caplog):
    array = np.random.default_rng(0).normal(size=(600, 2))
    load(save(tmp_path / "a.npy", array))
    assert not caplog.messages
    array[7, 1] = 1e6
    load(save(tmp_path / "b.npy", array))
    (line,) = caplog.messages
    assert "b.npy: column 1: a few numbers, as 1e+06, lie so far out" in line


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda x: np.append(x, 2000.0), True),
        (lambda x: np.append(np.where(np.arange(len(x)) % 100 < 93, 0, np.abs(x)), 1e6), True),
        (lambda x: np.where(np.arange(len(x)) % 100 < 4, 1e6, x), False),  # two clusters are no outliers
        (lambda x: (np.arange(len(x)) % 1000 == 0).astype(float), False),  # nor is a rare one among zeros
        (lambda x: np.sign(x) * np.abs(x) ** 3, False),
    ],
)
def test_which_columns_have_outliers(tmp_path, caplog, make, told):
    load(save(tmp_path / "a.npy", make(np.random.default_rng(0).normal(size=10_000))))
    assert bool(caplog.messages) == told


def test_outliers_of_fields_and_of_what_is_given_are_told(tmp_path, caplog):
    x, y = np.random.default_rng(0).normal(size=(2, 100, 3, 4))
    x[0, 0, 0] = 1e9
    y[0, 0, 0] = -1e9
    np.savez(tmp_path / "a.npz", x=x, y=y)
    load(str(tmp_path / "a.npz"), given="y")
    assert sorted(re.findall(r"as (\S+), lie", " ".join(caplog.messages))) == ["-1e+09", "1e+09"]


@pytest.mark.parametrize(
    "column",
    [
        [1.7e308] * 9 + [-1.7e308],
        [1e308] * 9 + [-1e308],
        [1.2e308, -1.2e308],
        [0.0] * 9 + [1e-322],
        [1e307] * 9 + [-1e307],
    ],
)
def test_the_ends_of_float64_stay_finite(tmp_path, column):
    data = load(save(tmp_path / "a.npy", np.array(column)[:, None]))
    assert np.isfinite(data.rows).all()
    assert abs(data.rows.std() - 0.5) < 0.3 or max(column) < 1e-300
    if max(column) < 1e308:
        np.testing.assert_allclose(data.units.to_own(data.rows)[:, 0], column, rtol=1e-6, atol=1e-300)


def test_fields_share_one_scale(tmp_path):
    array = np.zeros((2, 2, 4, 4))
    array[:, 0] = 10
    array[0, 1, 0, 0] = -30
    data = load(save(tmp_path / "a.npy", array))
    assert data.units.centre == pytest.approx(array.mean())
    assert data.units.scale == pytest.approx(2 * array.std())
    np.testing.assert_allclose(data.units.to_own(data.rows), array, atol=1e-5)


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (np.zeros((5, 3, 9, 4), np.uint8), {}, "layout = 'chw' or 'hwc'"),
        (np.zeros((5, 7, 9, 8), np.uint8), {}, "layout = 'chw' or 'hwc'"),
        (np.zeros((5, 7, 9, 8), np.uint8), {"layout": "chw"}, "7 channels"),
        (np.zeros((5, 3)), {"layout": "chw"}, "does not fit"),
        (np.zeros((5, 3)), {"layout": "cwh"}, "did you mean 'chw'"),
        (np.zeros((1, 1, 1, 1, 1)), {}, "shape"),
        (np.zeros((0, 3)), {}, "no samples"),
        (np.zeros((3, 0)), {}, "no samples"),
        (np.float64(3.0), {}, "no samples"),
        (np.array([["a", "b"]]), {}, "<U1"),
        (np.array([[True]]), {}, "bool"),
        (np.array([[1j]]), {}, "complex"),
        (np.array([["2020-01-01"]], "M8[D]"), {}, "datetime"),
        (np.array([(1.0, 2)], [("a", "f4"), ("b", "i4")]), {}, "save it as float32"),
    ],
)
def test_arrays_that_cannot_be_data_are_explained(tmp_path, array, options, words):
    with pytest.raises(UserError, match=words):
        load(save(tmp_path / "a.npy", array), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_located(tmp_path, value):
    array = np.zeros((9000, 3))
    array[8123, 2] = value
    with pytest.raises(UserError, match=rf"{value} in row 8123, column 2"):
        load(save(tmp_path / "a.npy", array))
    with pytest.raises(UserError, match=r"row 1, column \(0, 2, 1\)"):
        load(save(tmp_path / "a.npy", np.where(np.arange(18).reshape(2, 3, 3) == 16, value, 0.0)))


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_pickles_are_refused_and_not_run(tmp_path):
    np.save(tmp_path / "object.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "object.npz", x=np.array([Trap()], dtype=object))
    for name in ("pure.npy", "pure.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    for name in ("object.npy", "object.npz", "pure.npy", "pure.npz"):
        with pytest.raises(UserError, match=r"pickled|damaged"):
            load(str(tmp_path / name))
    with pytest.raises(UserError, match="could run code"):
        load(str(tmp_path / "object.npy"))


def header(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("ending", [".npy", ".npz", ".parquet"])
def test_damaged_files_are_explained(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    frame = pandas.DataFrame({"x": np.arange(1000.0)})
    makers = {
        ".npy": lambda: np.save(path, frame.to_numpy()),
        ".npz": lambda: np.savez(path, frame.to_numpy()),
        ".parquet": lambda: frame.to_parquet(path),
    }
    makers[ending]()
    whole = path.read_bytes()
    for broken in (b"", b"text", whole[: len(whole) // 2], whole[:20], header((10**12, 10**6)) + b"x" * 64):
        path.write_bytes(broken)
        with pytest.raises(UserError, match="cannot read"):
            load(str(path))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fromnoise.data.tables.MOST_UNPACKED", 1000)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 3)))
    with pytest.raises(UserError, match=r"save it as \.npy"):
        load(str(tmp_path / "a.npz"))


def test_an_archive_that_promises_more_than_it_holds_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header((10**7, 4)) + b"only this")
        archive.writestr("raw", b"no array")
    for key in ("x", "raw"):
        with pytest.raises(UserError, match=r"a\.npz"):
            load(str(tmp_path / "a.npz"), key=key)


def test_npz_finds_samples_and_labels(tmp_path):
    x, y = np.arange(6.0).reshape(3, 2), np.array(["dog", "cat", "dog"])
    for names in (
        {"samples": x, "z": y},
        {"x": x, "z": y},
        {"only": x},
        {"data": x, "labels": y},
        {"q": x, "label": y},
    ):
        np.savez(tmp_path / "a.npz", **names)
        data = load(str(tmp_path / "a.npz"))
        np.testing.assert_allclose(data.units.to_own(data.rows), x, atol=5e-7)
        if {"labels", "label"} & set(names):
            assert data.classes == ("cat", "dog")
            assert data.labels.tolist() == [1, 0, 1]
        else:
            assert data.labels is None
    np.savez(tmp_path / "a.npz", one=x, two=x + 1, kinds=y)
    with pytest.raises(UserError, match="say which one"):
        load(str(tmp_path / "a.npz"))
    with pytest.raises(UserError, match="did you mean 'two'"):
        load(str(tmp_path / "a.npz"), key="twoo")
    data = load(str(tmp_path / "a.npz"), key="two", label="kinds")
    assert data.units.to_own(data.rows).max() == pytest.approx(6)
    assert data.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0.5, 1.0]), "label 0.5 in row 0"),
        (np.array([0, np.nan]), "row 1"),
        (np.zeros(3, int), "2 samples but labels"),
        (np.zeros((2, 2), int), "2 samples but labels"),
        (np.array([1j, 2]), "no classes"),
    ],
)
def test_labels_that_are_no_classes_are_explained(tmp_path, labels, words):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 2)), labels=labels)
    with pytest.raises(UserError, match=words):
        load(str(tmp_path / "a.npz"))
