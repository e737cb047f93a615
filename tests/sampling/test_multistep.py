"""The multistep solver: what it is at order one, how it starts, and its integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import VP, Denoised, Flow, at, linear
from fromnoise.sampling import (
    DDIM,
    IPNDM,
    Data,
    Multistep,
    Noise,
    Noisy,
    UniPC,
    path,
    sample,
    strided,
    trajectory,
)
from fromnoise.sampling.forms import integrals
from laws import TWINS

SCHEDULES = {"linear": linear(1000), "vp": VP(), "flow": Flow()}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_order_one_is_ddim(schedule):
    x = torch.randn(9, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    one, ddim = (sample(TWINS, solver, strided(schedule, 12), x) for solver in (Multistep(1), DDIM()))
    torch.testing.assert_close(one, ddim, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_order_one_with_noise_is_the_ancestral_chain(schedule):
    x = torch.randn(9, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ends = []
    for solver in (Multistep(1, Noisy()), DDIM(1.0)):
        generator = torch.Generator().manual_seed(2)

        def randn(like, generator=generator):
            return torch.randn(like.shape, dtype=like.dtype, generator=generator)

        ends.append(sample(lambda x, n: Denoised(TWINS(x, n).mean), solver, strided(schedule, 12), x, randn=randn))
    torch.testing.assert_close(*ends, rtol=1e-12, atol=1e-12)


MEMORIES = {
    "2M": Multistep(2), "3M": Multistep(3), "DEIS": Multistep(3, Noise()), "UniPC": UniPC(3), "iPNDM": IPNDM(4),
}  # fmt: skip


@pytest.mark.parametrize("solver", MEMORIES.values(), ids=MEMORIES)
def test_from_a_level_without_signal_the_first_step_is_ddims(solver):
    """There lam is infinite and E[x_0|x_t] a constant, so nothing of that level serves later steps."""
    schedule = Flow()
    t, s = (at(schedule, time) for time in (1.0, 0.8))
    x = torch.randn(5, 1, dtype=torch.float64)
    first, state = solver.step(TWINS, x, t, s, None, torch.randn_like)
    torch.testing.assert_close(first, DDIM().step(TWINS, x, t, s, None, torch.randn_like)[0], rtol=1e-12, atol=1e-12)
    assert state is None


@pytest.mark.parametrize("form", [Data(), Noise(), Noisy()])
@pytest.mark.parametrize("order", [2, 3])
def test_a_start_is_asked_until_there_are_enough_values(form, order):
    asked = []

    class Start:
        def step(self, denoise, x, t, s, state, randn):
            asked.append(float(t.t))
            return DDIM().step(denoise, x, t, s, state, randn)

    calls = []

    def counted(x, n):
        calls.append(float(n.t))
        return TWINS(x, n)

    times = [0.9, 0.8, 0.7, 0.6, 0.5]
    list(trajectory(counted, Multistep(order, form, Start()), path(VP(), times), torch.zeros(3, 1).double()))
    assert asked == times[: order - 1]
    assert calls == times[:-1]  # what is known is not asked for again


@pytest.mark.parametrize("solver", [UniPC(2), UniPC(3)])
def test_the_correction_keeps_what_else_moved_x(solver):
    """A projection between steps, as inpainting has: of a constant denoiser it moves UniPC's end as it does 2M's."""
    levels, x = path(VP(), [0.9, 0.7, 0.5, 0.3]), torch.zeros(2, 1, dtype=torch.float64)

    def end(solver, push):
        *_, last = trajectory(
            lambda x, n: Denoised(0 * x + 0.3), solver, levels, x,
            project=lambda x, s: x + (push if float(s.t) == 0.7 else 0.0),
        )  # fmt: skip
        return last

    torch.testing.assert_close(end(solver, 1.0) - end(solver, 0.0), end(Multistep(2), 1.0) - end(Multistep(2), 0.0))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_correction_takes_no_call_of_its_own(order):
    calls = []

    def counted(x, n):
        calls.append(float(n.t))
        return TWINS(x, n)

    x = torch.randn(3, 1, dtype=torch.float64)
    times = [0.9, 0.8, 0.7, 0.6, 0.5]
    list(trajectory(counted, UniPC(order), path(VP(), times), x))
    assert calls == times[:-1]


@given(
    start=st.floats(-6, 6), step=st.floats(1e-6, 8), back=st.lists(st.floats(0.1, 3), max_size=3),
    shape=st.lists(st.floats(-2, 2), min_size=4, max_size=4), rate=st.sampled_from([-1.0, 1.0, 2.0]),
)  # fmt: skip
def test_polynomials_are_integrated_exactly(start, step, back, shape, rate):
    """By parts: the antiderivative of e^(r u) p(u) is e^(r u) (p / r − p' / r² + p'' / r³ − ...)."""
    nodes = [start - sum(back[:i]) for i in range(len(back) + 1)]
    p = np.polynomial.Polynomial(shape[: len(nodes)])
    q = sum(((-1) ** k * p.deriv(k) / rate ** (k + 1) for k in range(1, len(nodes))), start=p / rate)
    true = q(start + step) - math.exp(-rate * step) * q(start)
    found = sum(w * p(node) for w, node in zip(integrals(nodes, start, start + step, rate), nodes, strict=True))
    size = max(abs(p(node)) for node in [*nodes, start + step]) + abs(q(start)) + abs(q(start + step))
    size *= max(1.0, math.exp(-rate * step))
    assert abs(found - true) < 1e-9 * (1 + size)


@pytest.mark.parametrize("make", [Multistep, UniPC])
def test_an_order_below_one_is_refused(make):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        make(0)


def test_ipndm_has_four_orders():
    with pytest.raises(ValueError, match="orders 1 to 4, got 5"):
        IPNDM(5)
