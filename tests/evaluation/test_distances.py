"""The distances against closed forms and against POT."""

import numpy as np
import ot
import pytest
import torch

from fromnoise.evaluation import beside_floor, sliced_wasserstein


def cloud(seed, n=2000, d=2):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_shift_is_measured_by_its_closed_form():
    # Every projection of a shift by s is a shift by <s, u>; over the circle the mean of its square is |s|²/2.
    x, shift = cloud(0), torch.tensor([3.0, 4.0]).double()
    assert sliced_wasserstein(x, x + shift, projections=5000) == pytest.approx(5 / 2**0.5, rel=0.01)


def test_it_agrees_with_pot():
    a, b = cloud(0, d=3), 1.5 * cloud(1, d=3) + 0.2
    theirs = ot.sliced_wasserstein_distance(a.numpy(), b.numpy(), n_projections=1500, seed=np.random.RandomState(0))
    assert sliced_wasserstein(a, b, projections=1500) == pytest.approx(theirs, rel=0.01)


def test_sets_of_different_size_are_refused():
    with pytest.raises(ValueError, match="n points"):
        sliced_wasserstein(cloud(0), cloud(1, n=10))


def test_data_lie_one_floor_from_themselves_and_noise_lies_many():
    same = beside_floor(lambda s: cloud(s + 50), cloud, sets=5, pairs=5)
    far = beside_floor(lambda s: cloud(s + 50) + 1, cloud, sets=5, pairs=5)
    assert 0.7 < same.floors < 1.4
    assert far.floors > 10
    assert far.distance == pytest.approx(1.0, rel=0.1)
