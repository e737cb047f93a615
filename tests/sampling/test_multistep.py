"""The multistep solver: its order by halving the steps, what it is at order one, and its integrals."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import VP, Flow, GaussianMixture, at, linear
from fromnoise.sampling import DDIM, Multistep, sample, strided
from fromnoise.sampling.multistep import integrals
from laws import TWINS

LAW = GaussianMixture([0.3, 0.7], [[-1.0, 0.5], [0.8, -0.3]], [[[0.3, 0.1], [0.1, 0.2]], [[0.2, -0.05], [-0.05, 0.4]]])
SCHEDULES = {"linear": linear(1000), "vp": VP(), "flow": Flow()}


def walked(solver, schedule, start: float, steps: int) -> torch.Tensor:
    """Sixteen points of the law at lam = start, carried to lam = 2.5 in equal steps of lam."""
    generator = torch.Generator().manual_seed(0)
    lams = torch.linspace(start, 2.5, steps + 1, dtype=torch.float64)
    levels = [at(schedule, schedule.time(lam)) for lam in lams]
    eps = torch.randn(16, 2, dtype=torch.float64, generator=generator)
    x, state = levels[0].alpha * LAW.sample(16, generator) + levels[0].sigma * eps, None
    for t, s in pairwise(levels):
        x, state = solver.step(LAW, x, t, s, state, torch.randn_like)
    return x


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("start", [-2.5, -1.0])
@pytest.mark.parametrize("order", [1, 2])
def test_the_error_falls_with_the_order(schedule, start, order):
    true = walked(Multistep(4), schedule, start, 2000)
    counts = (32, 64, 128)
    errors = [float((walked(Multistep(order), schedule, start, steps) - true).norm()) for steps in counts]
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope - order) < 0.3, errors


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_order_one_is_ddim(schedule):
    x = torch.randn(9, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    one, ddim = (sample(TWINS, solver, strided(schedule, 12), x) for solver in (Multistep(1), DDIM()))
    torch.testing.assert_close(one, ddim, rtol=1e-12, atol=1e-12)


def test_from_a_level_without_signal_the_first_step_is_ddims():
    schedule = Flow()
    t, s, u = (at(schedule, time) for time in (1.0, 0.8, 0.6))
    x = torch.randn(5, 1, dtype=torch.float64)
    first, state = Multistep(3).step(TWINS, x, t, s, None, torch.randn_like)
    torch.testing.assert_close(first, DDIM().step(TWINS, x, t, s, None, torch.randn_like)[0], rtol=1e-12, atol=1e-12)
    second, _ = Multistep(3).step(TWINS, first, s, u, state, torch.randn_like)
    torch.testing.assert_close(
        second, DDIM().step(TWINS, first, s, u, None, torch.randn_like)[0], rtol=1e-12, atol=1e-12
    )


@given(
    start=st.floats(-6, 6), step=st.floats(1e-6, 8), back=st.lists(st.floats(0.1, 3), max_size=3),
    shape=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
)  # fmt: skip
def test_polynomials_are_integrated_exactly(start, step, back, shape):
    """By parts: the antiderivative of e^u p(u) is e^u (p − p' + p'' − ...)."""
    nodes = [start - sum(back[:i]) for i in range(len(back) + 1)]
    p = np.polynomial.Polynomial(shape[: len(nodes)])
    q = sum(((-1) ** k * p.deriv(k) for k in range(1, len(nodes))), start=p)
    true = q(start + step) - math.exp(-step) * q(start)
    found = sum(w * p(node) for w, node in zip(integrals(nodes, start, start + step), nodes, strict=True))
    size = max(abs(p(node)) for node in [*nodes, start + step]) + abs(q(start)) + abs(q(start + step))
    assert abs(found - true) < 1e-9 * (1 + size)


def test_an_order_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Multistep(0)
