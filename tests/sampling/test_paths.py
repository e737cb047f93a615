"""Paths: which levels are visited, and in which order."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import VP, Flow, at, linear, table
from fromnoise.sampling import (
    PATHS,
    churned,
    equidistributed,
    karras,
    leading,
    path,
    quadratic,
    strided,
    uniform_in_lambda,
)
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


@pytest.mark.parametrize("name", PATHS)
@given(steps=st.integers(2, 60))
def test_every_path_falls_from_noise_to_data_in_as_many_steps(name, steps):
    levels = PATHS[name](linear(1000), steps)
    assert len(levels) == steps + 1
    assert times(levels)[-1] == 0
    assert all(a > b for a, b in pairwise(times(levels)))
    assert name == "leading" or times(levels)[0] == 1000


@given(T=st.integers(1, 1000), data=st.data())
def test_the_quadratic_path_is_even_in_the_root_of_time(T, data):
    """To the whole step; never the same step twice, as many as there are."""
    steps = data.draw(st.integers(1, T))
    found = times(quadratic(linear(T) if T > 1 else table([0.5]), steps))
    assert (found[0], found[-1], len(found)) == (T, 0, steps + 1)
    assert all(a > b and a == int(a) for a, b in pairwise(found))
    for i, t in enumerate(reversed(found)):
        assert t == i or 2 * abs(int(t) * steps**2 - T * i**2) <= steps**2  # in whole numbers: halves round either way
    roots = torch.tensor(times(quadratic(VP(), steps))).sqrt()
    torch.testing.assert_close(-roots.diff(), torch.full((steps,), 1 / steps))


def test_karras_steps_are_even_in_the_root_of_nu():
    levels = karras(VP(), 8, rho=3.0)[:-1]
    roots = torch.stack([level.nu ** (1 / 3) for level in levels])
    torch.testing.assert_close(roots.diff(), roots.diff()[:1].expand(7), rtol=1e-6, atol=1e-9)


def test_with_a_large_rho_karras_is_uniform_in_lambda():
    one, two = karras(VP(), 6, rho=1e6), uniform_in_lambda(VP(), 6)
    torch.testing.assert_close(torch.tensor(times(one)), torch.tensor(times(two)), rtol=1e-4, atol=1e-6)


def test_a_mesh_has_equal_shares():
    """A density of e^lam between two levels: the shares are those of e^lam itself."""
    schedule = VP()
    lams = torch.linspace(at(schedule, 1.0).lam.item(), at(schedule, 1e-3).lam.item(), 4001, dtype=torch.float64)
    levels = equidistributed(schedule, 6, lams, lams.exp())
    shares = torch.stack([level.lam.exp() for level in levels[:-1]])
    torch.testing.assert_close(shares.diff(), shares.diff()[:1].expand(5), rtol=1e-3, atol=1e-6)
    assert times(levels)[0] == 1.0
    assert times(levels)[-1] == 0.0


def test_churn_goes_up_before_it_goes_down():
    schedule = linear(1000)
    levels = churned(schedule, strided(schedule, 4), churn=1.0, least=0.0, most=1e3)
    down = [level for level in levels if level.t.item() in times(strided(schedule, 4))]
    up = [level for level in levels if level.t.item() not in times(strided(schedule, 4))]
    assert times(down) == times(strided(schedule, 4))
    assert [float(level.nu) for level in up] == pytest.approx([1.25 * float(level.nu) for level in down[1:4]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: karras(VP(), 4, rho=0.0), "rho must be positive"),
        (lambda: karras(VP(), 1), "at least 2 steps"),
        (lambda: leading(VP(), 4), "whole steps"),
        (lambda: leading(linear(10), 11), "at most T = 10, got 11"),
        (lambda: karras(Flow(), 4), "infinite at T"),
        (lambda: equidistributed(VP(), 1, torch.ones(2), torch.ones(2)), "at least 2 steps"),
        (lambda: equidistributed(VP(), 4, torch.tensor([0.0, 1.0]), torch.zeros(2)), "positive somewhere"),
    ],
)
def test_what_a_path_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()
