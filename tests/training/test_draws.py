"""What a step draws depends on the seed and the step alone, and every sample is seen once a pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fromnoise.training.draws import batch_index, draw, mix

CPU = torch.device("cpu")


@settings(deadline=None)
@given(seed=st.integers(0, 2**63 - 1), batch=st.integers(1, 40), n=st.integers(1, 60), passes=st.integers(1, 3))
def test_every_pass_visits_every_sample_once(seed, batch, n, passes):
    steps = -(-passes * n // batch)
    index = np.concatenate([batch_index(seed, step, batch, n) for step in range(steps)])
    for e in range(passes):
        assert sorted(index[e * n : (e + 1) * n].tolist()) == list(range(n))


@settings(deadline=None)
@given(seed=st.integers(0, 2**63 - 1), step=st.integers(0, 10**9), batch=st.integers(1, 40), n=st.integers(1, 60))
def test_a_batch_has_its_size_and_lies_in_the_data(seed, step, batch, n):
    index = batch_index(seed, step, batch, n)
    assert index.shape == (batch,)
    assert index.min() >= 0
    assert index.max() < n


def test_each_pass_and_each_seed_has_its_own_order():
    orders = [tuple(batch_index(seed, step, 50, 50)) for seed in (0, 1) for step in range(4)]
    assert len(set(orders)) == 8


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**62), step=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_draws_depend_on_seed_and_step_alone(seed, step, other):
    first = draw(seed, step, 5, (2, 3), True, 0.5, CPU)
    draw(seed, other, 7, (2,), False, 0.0, CPU)  # what was drawn in between changes nothing
    torch.rand(3)
    again = draw(seed, step, 5, (2, 3), True, 0.5, CPU)
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
    if other != step:
        assert not torch.equal(first.eps, draw(seed, other, 5, (2, 3), True, 0.5, CPU).eps)
    assert not torch.equal(first.eps, draw(seed + 1, step, 5, (2, 3), True, 0.5, CPU).eps)


def test_options_change_only_what_they_name():
    plain, other = (draw(3, 4, 6, (2,), flips, hidden, CPU) for flips, hidden in ((False, 0.0), (True, 1.0)))
    assert torch.equal(plain.u, other.u)
    assert torch.equal(plain.eps, other.eps)
    assert not plain.flip.any()
    assert not plain.hide.any()
    assert other.hide.all()


def test_draws_follow_their_laws():
    n = 20_000
    draws = draw(0, 0, n, (2,), True, 0.2, CPU)
    assert stats.kstest(draws.u.numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(draws.eps.flatten().numpy(), "norm").pvalue > 1e-3
    assert abs(draws.flip.float().mean() - 0.5) < 5 * 0.5 / n**0.5
    assert abs(draws.hide.float().mean() - 0.2) < 5 * 0.4 / n**0.5
    assert abs(np.corrcoef(draws.u, draws.eps[:, 0])[0, 1]) < 5 / n**0.5


def test_draws_of_different_steps_are_independent():
    eps = torch.stack([draw(0, step, 4000, (1,), False, 0.0, CPU).eps[:, 0] for step in range(4)])
    off = torch.corrcoef(eps) - torch.eye(4)
    assert off.abs().max() < 5 / 4000**0.5


@settings(deadline=None)
@given(a=st.tuples(st.integers(0, 10**6), st.sampled_from(["noise", "order"]), st.integers(0, 10**6)),
       b=st.tuples(st.integers(0, 10**6), st.sampled_from(["noise", "order"]), st.integers(0, 10**6)))  # fmt: skip
def test_mixed_seeds_are_seeds_and_do_not_collide(a, b):
    assert 0 <= mix(*a) < 2**63
    assert (mix(*a) == mix(*b)) == (a == b)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_batch_may_be_larger_than_the_data(n):
    assert np.bincount(batch_index(0, 0, 3 * n, n)).tolist() == [3] * n
