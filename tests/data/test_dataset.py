import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.data import Dataset, Units

numbers = st.floats(-1e6, 1e6)


@given(centre=numbers, scale=st.floats(1e-3, 1e6), x=st.floats(-1, 1))
def test_units_go_there_and_back(centre, scale, x):
    units = Units(np.array(centre), np.array(scale))
    back = float(units.from_own(units.to_own(x)))
    assert back == pytest.approx(x, abs=1e-12 + 1e-15 * abs(centre) / scale * 4)


def test_units_treat_arrays_and_tensors_alike_and_keep_a_tensors_dtype():
    units = Units(np.array([1.0, -2.0]), np.array([3.0, 0.5]))
    x = np.array([[0.25, -1.0], [1.0, 0.5]])
    for dtype in (torch.float32, torch.float64):
        own = units.to_own(torch.tensor(x, dtype=dtype))
        assert own.dtype == dtype
        np.testing.assert_allclose(own.numpy(), units.to_own(x))
        np.testing.assert_allclose(units.from_own(own).numpy(), x)


def test_units_let_gradients_through():
    x = torch.ones(2, requires_grad=True)
    Units(np.zeros(2), np.array([3.0, 0.5])).to_own(x).sum().backward()
    assert x.grad.tolist() == [3.0, 0.5]


@pytest.mark.parametrize(("centre", "scale"), [(0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)])
def test_units_that_cannot_be_inverted_are_refused(centre, scale):
    with pytest.raises(ValueError, match="finite"):
        Units(np.array(centre), np.array(scale))


def test_every_byte_has_its_own_place_in_the_range():
    rows = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    batch = Dataset("images", (1, 1, 1), rows).batch(np.arange(256))
    assert batch.dtype == torch.float32
    assert batch.min() == -1
    assert batch.max() == 1
    assert ((batch + 1) * 127.5).round().flatten().tolist() == list(range(256))


def test_a_batch_is_a_copy():
    rows = np.zeros((3, 2), np.float32)
    data = Dataset("points", (2,), rows)
    data.batch([0, 1]).fill_(5.0)
    assert not rows.any()


def test_a_batch_of_a_read_only_map_can_be_written(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2), np.float32))
    data = Dataset("points", (2,), np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert data.batch(np.array([2, 0])).fill_(1.0).sum() == 4


def test_labels_follow_the_index():
    data = Dataset("points", (1,), np.zeros((3, 1), np.float32), labels=np.array([2, 0, 1]), classes=tuple("abc"))
    assert data.batch_labels(np.array([0, 2])).tolist() == [2, 1]
    assert data.take(np.array([1])).labels.tolist() == [0]
    assert Dataset("points", (1,), np.zeros((3, 1), np.float32)).batch_labels([0]) is None


def test_an_index_outside_is_an_error():
    with pytest.raises(IndexError):
        Dataset("points", (1,), np.zeros((3, 1), np.float32)).batch([3])


@pytest.mark.parametrize(
    "wrong",
    [
        dict(kind="sounds"),
        dict(shape=(3,)),
        dict(rows=np.zeros((3, 2))),
        dict(labels=np.zeros(2, np.int64), classes=("a",)),
        dict(labels=np.zeros(3, np.int64)),
    ],
)
def test_parts_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError):
        Dataset(**{"kind": "points", "shape": (2,), "rows": np.zeros((3, 2), np.float32)} | wrong)
