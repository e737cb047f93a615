"""The share of pairs of one class, against counting every pair, and against laws where it is known."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fromnoise.evaluation import same_class

TABLES = st.tuples(st.integers(2, 5), st.integers(2, 5)).flatmap(
    lambda s: arrays(np.int64, s, elements=st.integers(0, 3))
)


@given(TABLES)
def test_as_counting_every_pair(table: np.ndarray) -> None:
    found = same_class(torch.from_numpy(table))
    own = [a == b for row in table for a, b in combinations(row, 2)]
    other = [a == b for one, two in combinations(table, 2) for a, b in product(one, two)]
    assert found.share == pytest.approx(np.mean(own))
    assert found.chance == pytest.approx(np.mean(other))


def test_beginnings_that_decide_nothing_agree_as_often_as_strangers() -> None:
    p = torch.tensor([0.5, 0.3, 0.2])
    classes = torch.multinomial(p, 400 * 10, replacement=True, generator=torch.Generator().manual_seed(0))
    found = same_class(classes.reshape(400, 10))
    exact = float(p.square().sum())
    assert abs(found.share - exact) < 3 * found.error
    assert abs(found.chance - exact) < 3 * found.error
    assert found.error < 0.01


def test_beginnings_that_decide_all() -> None:
    found = same_class(torch.arange(4)[:, None].expand(4, 6))
    assert found == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "classes", [torch.zeros(3), torch.zeros(1, 4).long(), torch.zeros(4, 1).long(), torch.zeros(2, 2)]
)
def test_what_is_no_table_of_classes_is_refused(classes: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        same_class(classes)
