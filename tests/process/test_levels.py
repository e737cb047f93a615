"""Schedules: tables, continuity, their inverse, and the levels made from them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import VP, Discrete, Flow, at, cosine, linear, linear_scaled, sigmoid
from laws import DISCRETE, SCHEDULES, Paper

each_table = pytest.mark.parametrize("schedule", DISCRETE.values(), ids=DISCRETE.keys())
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())


@each_table
def test_tables_are_the_papers(schedule):
    """K (6), H (3.7): T + 1 entries, ᾱ_0 = 1, ᾱ_t the product of all 1 − β; and the levels carry them."""
    paper = Paper(schedule)
    assert schedule.beta.shape == schedule.alpha_bar.shape == (schedule.T + 1,)
    assert schedule.alpha_bar[0] == 1
    assert schedule.beta[0] == 0
    torch.testing.assert_close(schedule.alpha_bar, paper.alpha_bar, rtol=1e-12, atol=0)
    alpha, sigma = schedule(torch.arange(schedule.T + 1).double())
    torch.testing.assert_close(alpha, paper.alpha_bar.sqrt(), rtol=1e-12, atol=0)
    torch.testing.assert_close(sigma, paper.noise.sqrt(), rtol=1e-12, atol=0)


def test_linear_is_ho_et_al():
    """H section 3: β from 1e-4 to 0.02 in equal steps."""
    beta = linear(1000).beta
    assert beta[1].item() == pytest.approx(1e-4, rel=1e-14)
    assert beta[1000].item() == pytest.approx(0.02, rel=1e-14)
    torch.testing.assert_close(beta[1:].diff(), torch.full((999,), (0.02 - 1e-4) / 999).double())


def test_linear_scaled_keeps_the_end():
    """Forty steps of K's demonstration reach about the noise of a thousand."""
    beta = linear_scaled(40).beta
    assert beta[1].item() == pytest.approx(0.0025, rel=1e-14)
    assert beta[40].item() == pytest.approx(0.5, rel=1e-14)
    assert linear_scaled(1000).beta.equal(linear(1000).beta)
    ends = [linear_scaled(T).alpha_bar[-1].log().item() for T in (40, 100, 1000)]
    assert max(ends) - min(ends) < 0.25 * abs(ends[-1])


@pytest.mark.parametrize("T", [10, 1000])
def test_cosine_formula(T):
    def f(t):
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    expected = torch.tensor([f(t) / f(0) for t in range(T)])  # the last step is the one that is cut
    torch.testing.assert_close(cosine(T).alpha_bar[:-1], expected.double(), rtol=1e-6, atol=1e-9)
    assert cosine(T).beta[-1] == 0.999


@pytest.mark.parametrize("tau", [0.7, 1.0])
def test_sigmoid_formula(tau):
    """In float64 throughout: a constant in float32 would show in the ninth digit."""
    T = 100

    def g(t):
        return 1 / (1 + math.exp(-(-3 + 6 * t / T) / tau))

    expected = torch.tensor([(g(T) - g(t)) / (g(T) - g(0)) for t in range(T)], dtype=torch.float64)
    torch.testing.assert_close(sigmoid(T, tau=tau).alpha_bar[:-1], expected, rtol=1e-11, atol=0)
    assert sigmoid(T).beta[-1] == 0.999


@given(st.floats(1e-3, 1 - 1e-3))
def test_vp_and_flow_formulas(t):
    """VP's alpha is exp(−½ ∫ β), here by Simpson's rule, which is exact for a line; Flow is the straight path."""
    low, high = 0.1, 20.0
    middle, end = low + t / 2 * (high - low), low + t * (high - low)
    alpha, sigma = VP(low, high)(torch.tensor(t, dtype=torch.float64))
    assert alpha.item() == pytest.approx(math.exp(-t / 12 * (low + 4 * middle + end)), rel=1e-12)
    assert (alpha**2 + sigma**2).item() == pytest.approx(1, abs=1e-14)
    assert [c.item() for c in Flow()(torch.tensor(t).double())] == pytest.approx(
        [1 - torch.tensor(t).item(), torch.tensor(t).item()]
    )


@each_schedule
@given(u=st.floats(1e-6, 1 - 1e-6))
def test_time_inverts_the_schedule(schedule, u):
    t = u * schedule.T
    level = at(schedule, t)
    assert abs(schedule.time(level.lam).item() - t) < 1e-9


@each_table
def test_time_inverts_at_the_knots(schedule):
    t = torch.arange(1, schedule.T + 1).double()
    lam = at(schedule, t, torch.zeros(schedule.T, 1).double()).lam.flatten()
    torch.testing.assert_close(schedule.time(lam), t, rtol=0, atol=1e-9)


@each_table
def test_times_hit_every_step_equally(schedule):
    """Algorithm 1, line 3: t ~ U{1, ..., T}; equally many of an even grid of u fall on each t."""
    each = 7
    u = (torch.arange(schedule.T * each).double() + 0.5) / (schedule.T * each)
    counts = torch.bincount(schedule.times(u).long(), minlength=schedule.T + 1)
    assert counts[0] == 0
    assert bool((counts[1:] == each).all())
    edges = torch.tensor([0.0, math.nextafter(1, 0)], dtype=torch.float64)
    assert schedule.times(edges).tolist() == [1, schedule.T]


@pytest.mark.parametrize("schedule", [VP(), Flow()])
def test_times_in_continuous_time(schedule):
    t = schedule.times(torch.linspace(0, 1 - 1e-7, 101))
    assert t.min() == pytest.approx(1e-3)
    assert t.max() < 1
    assert t.diff().std() < 1e-6


@each_table
def test_continuous_and_monotone_at_the_knots(schedule):
    knots = torch.arange(1, schedule.T).double()
    for sign in (-1, 1):
        near, there = schedule(knots + sign * 1e-9), schedule(knots)
        torch.testing.assert_close(near, there, rtol=1e-6, atol=1e-7)
    t = torch.linspace(1e-3, schedule.T, 5000).double()
    alpha, sigma = schedule(t)
    assert bool((sigma.diff() > 0).all())
    assert bool((alpha.diff() < 0).all())
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(5000).double(), rtol=0, atol=1e-14)


@each_table
def test_between_the_knots(schedule):
    """sigma² is linear in t on [0, 1], lambda is linear in t on each [k, k + 1] after it."""
    w = torch.linspace(0, 1, 11).double()
    torch.testing.assert_close(schedule(w)[1] ** 2, w * schedule.beta[1], rtol=1e-13, atol=0)
    if schedule.T > 1:
        k = schedule.T // 2 if schedule.T > 2 else 1
        alpha, sigma = schedule(k + w)
        lam = alpha.log() - sigma.log()
        torch.testing.assert_close(lam, torch.lerp(lam[0], lam[-1], w), rtol=0, atol=1e-12)


def test_at_shapes_and_dtypes():
    x = torch.zeros(3, 1, 4, 4)
    level = at(linear(10), torch.tensor([1, 5, 10]), x)
    assert level.t.shape == (3,)
    assert level.alpha.shape == level.sigma.shape == (3, 1, 1, 1)
    assert level.alpha.dtype == torch.float32
    single = at(linear(10), 5, x)
    assert single.alpha.shape == ()
    assert single.alpha.dtype == torch.float64
    assert (single.alpha * x).dtype == torch.float32
    assert (single.nu * single.lam.exp()).item() == pytest.approx(1)
    assert single.snr.item() == pytest.approx((2 * single.lam).exp().item())


@pytest.mark.parametrize("t", [-1e-9, 10.5, math.nan, math.inf])
def test_at_rejects_times_outside(t):
    with pytest.raises(ValueError, match="times must lie in"):
        at(linear(10), t)


def test_at_needs_the_batch():
    with pytest.raises(ValueError, match="batch of samples"):
        at(linear(10), torch.tensor([1, 2]))


@pytest.mark.parametrize("beta", [[], [0.0, 0.1], [0.1, 1.0], [[0.1]], [math.nan], [-0.1]])
def test_impossible_betas(beta):
    """β_1 = 0, which K allows, divides by zero in H (4.3)."""
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        Discrete(beta)


@pytest.mark.parametrize(("low", "high"), [(0, 20), (2, 1), (math.nan, 1)])
def test_impossible_vp(low, high):
    with pytest.raises(ValueError, match="beta_min"):
        VP(low, high)


@pytest.mark.parametrize("make", [linear, linear_scaled, cosine, sigmoid])
@pytest.mark.parametrize("T", [0, -3, 2.5])
def test_impossible_step_counts(make, T):
    with pytest.raises(ValueError, match="whole number"):
        make(T)
