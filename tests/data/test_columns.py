"""Tables with names: CSV and Parquet, their labels, and columns that are given."""

import numpy as np
import pandas
import pytest

from fromnoise.data import load
from fromnoise.errors import UserError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "columns", "labels"),
    [
        ("x,y\n1,2\n3,4\n", ("x", "y"), None),
        ("1,2\n3,4\n", (), None),
        ("\ufeffx;y\n1;2\n3;4\n", ("x", "y"), None),
        ("x\ty\r\n1\t2\r\n3\t4\r\n", ("x", "y"), None),
        (",x,y\n0,1,2\n1,3,4\n", ("x", "y"), None),
        ("x, y\n1, 2\n3, 4", ("x", "y"), None),
        ("x,y,label\n1,2,b\n3,4,a\n", ("x", "y"), [1, 0]),
        ("0,1,label\n1,2,b\n3,4,a\n", ("0", "1"), [1, 0]),
        ("x,label,y\n1,30,2\n3,7,4\n", ("x", "y"), [1, 0]),
        ('"x, wide","y"\n"1","2"\n3,4\n', ("x, wide", "y"), None),
        ("x,2\n1,2\n3,4\n", ("x", "2"), None),
    ],
)
def test_csv_headers_and_separators_are_found(tmp_path, text, columns, labels):
    data = load(write(tmp_path / "a.csv", text))
    np.testing.assert_allclose(data.units.to_own(data.rows), [[1, 2], [3, 4]])
    assert data.columns == columns
    assert (None if data.labels is None else data.labels.tolist()) == labels


def test_csv_header_may_be_told(tmp_path):
    path = write(tmp_path / "a.csv", "0,1\n1,2\n3,4\n")
    assert len(load(path)) == 3
    assert load(path, header=True).columns == ("0", "1")
    assert len(load(path, header=False)) == 3
    with pytest.raises(UserError, match="header"):
        load(path, header="yes")


def test_csv_label_column_may_be_any(tmp_path):
    path = write(tmp_path / "a.csv", "1,2,cat\n3,4,dog\n")
    data = load(path, label="2")
    assert data.classes == ("cat", "dog")
    assert data.shape == (2,)
    with pytest.raises(UserError, match="no column 'kind'; there is 0, 1, 2"):
        load(path, label="kind")
    with pytest.raises(UserError, match="'cat' in row 0, column 2, is no number"):
        load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("x,y\n", "no numbers"),
        ("x,y\n1,2\n3,\n", "row 1, column y"),
        ("x,y\n1,2\n3,nan\n", "row 1, column y"),
        ("x,y\n1,2\ninf,2\n", "inf in row 1, column x"),
        ("x,y\n1,2\n3,four\n", "'four' in row 1, column y"),
        ("x,y\n1,2\n3,4,5\n", "cannot read"),
        ("x,x\n1,2\n", "x"),
        ("x,label\n1,a\n2,\n", "row 1 has no label"),
        ("label\na\n", "no numbers"),
    ],
)
def test_csv_that_cannot_be_data_is_explained(tmp_path, text, words):
    if text == "x,x\n1,2\n":  # pandas renames the second one, and so it is read
        assert load(write(tmp_path / "a.csv", text)).columns == ("x", "x.1")
        return
    with pytest.raises(UserError, match=words):
        load(write(tmp_path / "a.csv", text))


def test_csv_of_other_bytes_is_explained(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x01,\xff\n\x80,\x81\n")
    with pytest.raises(UserError, match="cannot read"):
        load(str(tmp_path / "a.csv"))


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pandas.DataFrame({"x": [1.0, 3.0], "y": [2, 4], "kind": ["b", "a"]}).to_parquet(path)
    data = load(str(path), label="kind")
    np.testing.assert_allclose(data.units.to_own(data.rows), [[1, 2], [3, 4]])
    assert (data.columns, data.classes, data.labels.tolist()) == (("x", "y"), ("a", "b"), [1, 0])
    with pytest.raises(UserError, match="column kind, is no number"):
        load(str(path))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([1.0, None], "row 1, column x"),
        ([[1.0], [2.0]], "column x"),
        ([None, None], "column x"),
        ([], "no numbers"),
    ],
)
def test_parquet_that_cannot_be_data_is_explained(tmp_path, column, words):
    pandas.DataFrame({"x": column}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=words):
        load(str(tmp_path / "a.parquet"))


# ---------------------------------------------------------------------------- what samples are drawn given


def test_columns_may_be_given(tmp_path):
    (tmp_path / "a.csv").write_text("dose,age,effect,label\n1,20,5,x\n2,40,6,y\n3,80,9,x\n")
    data = load(str(tmp_path / "a.csv"), given="age, dose")
    assert data.columns == ("effect",)
    assert data.classes == ("x", "y")
    np.testing.assert_allclose(data.units.to_own(data.rows)[:, 0], [5, 6, 9], rtol=1e-6)
    np.testing.assert_allclose(data.given_units.to_own(data.given), [[20, 1], [40, 2], [80, 3]], rtol=1e-6)


def test_an_array_of_an_npz_may_be_given(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 5, 3, 4))
    np.savez(tmp_path / "a.npz", x=x, y=y, labels=np.arange(5))
    data = load(str(tmp_path / "a.npz"), given="y")
    assert (data.shape, data.given.shape, len(data.classes)) == ((1, 3, 4), (5, 1, 3, 4), 5)
    np.testing.assert_allclose(data.given_units.to_own(data.given)[:, 0], y, atol=1e-6)
    pictures = np.zeros((5, 3, 4, 1), np.uint8)
    np.savez(tmp_path / "b.npz", x=np.moveaxis(pictures, 3, 1), y=np.moveaxis(pictures, 3, 1) + np.uint8(255))
    assert load(str(tmp_path / "b.npz"), given="y", layout="chw").batch_given([0]).unique().tolist() == [1.0]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("z", "has no array 'z' besides the samples"),
        ("x", "say which one with key"),
        ("short", "one row for each of 4 samples"),
        ("text", "must hold numbers"),
        ("other", r"has axes \(2,\) where the samples have \(3,\)"),
        ("nan", "nan in row 1"),
    ],
)
def test_givens_that_do_not_fit(tmp_path, name, line):
    bad = np.array([[0.0, 0, 0], [0, np.nan, 0], [0, 0, 0], [0, 0, 0]])
    arrays = {"x": np.zeros((4, 2, 3)), "short": np.zeros((3, 2, 3)), "text": np.array(list("abcd"))}
    arrays |= {"other": np.zeros((4, 2, 2)), "nan": np.stack([bad, bad], 1)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=line):
        load(str(tmp_path / "a.npz"), given=name, layout="cl", label="")


def test_columns_that_cannot_be_given(tmp_path):
    (tmp_path / "a.csv").write_text("dose,age\n1,20\n2,40\n")
    with pytest.raises(UserError, match="has no column 'agee'; did you mean"):
        load(str(tmp_path / "a.csv"), given="agee")
    with pytest.raises(UserError, match="all columns are given"):
        load(str(tmp_path / "a.csv"), given="dose,age")
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    with pytest.raises(UserError, match="holds one array"):
        load(str(tmp_path / "a.npy"), given="y")
    (tmp_path / "b.csv").write_text("1,20\n2,40\n")
    assert load(str(tmp_path / "b.csv"), given="1", header=False).columns == ()
