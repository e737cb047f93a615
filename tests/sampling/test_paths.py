"""Paths: which levels are visited, and in which order."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import VP, Flow, at, linear, table
from fromnoise.sampling import path, strided, uniform_in_lambda
from laws import DISCRETE


def times(levels):
    return [level.t.item() for level in levels]


@pytest.mark.parametrize("schedule", DISCRETE.values(), ids=DISCRETE.keys())
def test_every_step_once(schedule):
    """Algorithm 2, line 2: t = T, ..., 1, and then 0; none is left out, the first is T."""
    assert times(strided(schedule)) == list(range(schedule.T, -1, -1))


@given(st.integers(1, 100), st.data())
def test_strided_tables(T, data):
    steps = data.draw(st.integers(1, T))
    visited = times(strided(linear(T), steps))
    assert visited[0] == T
    assert visited[-1] == 0
    assert len(visited) == steps + 1
    assert all(a > b for a, b in pairwise(visited))
    assert all(t == int(t) and abs(t - T * (1 - i / steps)) < 0.5 + 1e-9 for i, t in enumerate(visited))


@pytest.mark.parametrize("schedule", [VP(), Flow()])
def test_strided_continuous(schedule):
    assert times(strided(schedule, 4)) == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert len(strided(schedule)) == 1001
    end = strided(schedule, 4)[-1]
    assert end.sigma == 0
    assert end.alpha == 1


@pytest.mark.parametrize(("schedule", "steps"), [(linear(10), 0), (linear(10), 11), (VP(), 0)])
def test_strided_refuses(schedule, steps):
    with pytest.raises(ValueError, match="steps must be at least 1"):
        strided(schedule, steps)


@pytest.mark.parametrize("schedule", [linear(1000), VP()], ids=["linear", "vp"])
@pytest.mark.parametrize("steps", [2, 3, 20])
def test_uniform_in_lambda(schedule, steps):
    levels = uniform_in_lambda(schedule, steps)
    assert len(levels) == steps + 1
    assert levels[0].t == schedule.T
    assert levels[-2].t == (1 if schedule.T > 1 else 1e-3)
    assert levels[-1].sigma == 0
    lam = torch.stack([level.lam for level in levels[:-1]])
    torch.testing.assert_close(lam, torch.linspace(lam[0], lam[-1], steps).double(), rtol=0, atol=1e-6)


def test_uniform_in_lambda_from_a_chosen_end():
    assert times(uniform_in_lambda(linear(1000), 5, cleanest=10.0))[-2:] == [10.0, 0.0]


def test_uniform_in_lambda_refuses():
    with pytest.raises(ValueError, match="at least 2"):
        uniform_in_lambda(linear(10), 1)
    with pytest.raises(ValueError, match="infinite at T"):
        uniform_in_lambda(Flow(), 5)


def test_path_is_in_float64():
    schedule = table([0.1, 0.2])
    levels = path(schedule, [1.3, 0.7])
    assert times(levels) == [1.3, 0.7]
    assert levels[0].alpha == at(schedule, 1.3).alpha
    assert levels[0].alpha.dtype == torch.float64
