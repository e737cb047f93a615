"""What a network may predict, and which variance goes with it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import (
    CLEAN,
    PREDICTIONS,
    VARIANCES,
    VE,
    Denoised,
    Flow,
    SubVP,
    at,
    clipped,
    from_network,
    linear,
    reverse,
    translated,
)
from laws import DISCRETE, SCHEDULES, TWINS, Paper, gaussian

each_table = pytest.mark.parametrize("schedule", DISCRETE.values(), ids=DISCRETE.keys())
value = st.floats(-3, 3)

TARGETS = {
    "eps": lambda schedule, n, x_0, eps: eps,
    "x_0": lambda schedule, n, x_0, eps: x_0,
    "v": lambda schedule, n, x_0, eps: (n.alpha * eps - n.sigma * x_0) / (n.alpha**2 + n.sigma**2).sqrt(),
    "flow": lambda schedule, n, x_0, eps: eps - x_0,
    "score": lambda schedule, n, x_0, eps: -eps / n.sigma,
    "mean": lambda schedule, n, x_0, eps: Paper(schedule).mean(n.alpha * x_0 + n.sigma * eps, x_0, n.t.long()),
}
CASES = [(p, s) for p in PREDICTIONS for s in SCHEDULES if p != "mean" or s in DISCRETE]


def test_every_prediction_is_tested():
    assert set(TARGETS) == set(PREDICTIONS)


@each_table
@given(t=st.floats(0.01, 1))
def test_the_mean_of_the_step_home_is_x_0_from_wherever_it_begins(schedule, t):
    c_skip, c_out = PREDICTIONS["mean"](schedule)(at(schedule, t))
    assert abs(c_skip) < 1e-12
    assert c_out == pytest.approx(1, abs=1e-12)


def level_of(schedule, prediction, u):
    """Any level but the ends; `mean` looks one whole step ahead."""
    t = (1e-3 + (1 - 2e-3) * u) * schedule.T
    return at(schedule, max(1, round(t)) if prediction == "mean" else t)


@pytest.mark.parametrize(("prediction", "name"), CASES)
@given(u=st.floats(0, 1), x_0=value, eps=value)
def test_round_trip_and_target(prediction, name, u, x_0, eps):
    """x_0 → F → x_0, and F is the named target: K (15), H (4.8) for eps, H (4.7) for the mean."""
    schedule = SCHEDULES[name]
    n = level_of(schedule, prediction, u)
    x_0, eps = torch.tensor(x_0).double(), torch.tensor(eps).double()
    x_t = n.alpha * x_0 + n.sigma * eps
    c_skip, c_out = PREDICTIONS[prediction](schedule)(n)
    F = (x_0 - c_skip * x_t) / c_out
    size = 1 + c_skip.abs() + c_out.abs() + 1 / c_out.abs()
    assert abs(c_skip * x_t + c_out * F - x_0) < 1e-12 * size
    target = TARGETS[prediction](schedule, n, x_0, eps)
    # In x_0's units, where c_out F cancels c_skip x_t.
    assert abs(c_skip * x_t + c_out * target - x_0) < 1e-12 * size * (1 + abs(target))


@each_table
def test_small_variance_is_beta_tilde(schedule):
    """H (4.6): Var[x_0|x_t] = 0."""
    t, n, s, x = all_steps(schedule)
    std = reverse(x, Denoised(x, VARIANCES["small"](n)), n, s)[1]
    torch.testing.assert_close(std**2, Paper(schedule).variance(t), rtol=0, atol=1e-13)


@each_table
def test_large_variance_is_beta(schedule):
    """Ho et al., section 3.2: Var[x_0|x_t] = σ²/(α² + σ²) gives exactly β_t."""
    t, n, s, x = all_steps(schedule)
    std = reverse(x, Denoised(x, VARIANCES["large"](n)), n, s)[1]
    torch.testing.assert_close(std**2, schedule.beta[t], rtol=1e-9, atol=0)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())
@given(u=st.floats(0.02, 0.98), w=st.floats(0.01, 0.99))
def test_large_variance_when_steps_are_skipped(schedule, u, w):
    """It is Var[x_0|x_t] of N(0, I) data, so the step is exact for them however long; for VP, 1 − ᾱ_t/ᾱ_s."""
    t, s = at(schedule, u * schedule.T), at(schedule, u * w * schedule.T)
    one = torch.ones(1, 1).double()
    var = VARIANCES["large"](t)
    torch.testing.assert_close(var.expand(1, 1), gaussian(1.0)(one, t).var)
    std = reverse(one, Denoised(one, var), t, s)[1]
    total_t, total_s = (n.alpha**2 + n.sigma**2 for n in (t, s))
    # Var[x_s] − Cov[x_s, x_t]² / Var[x_t] of N(0, 1) data.
    covariance = t.alpha / s.alpha * total_s
    size = max(1.0, float(total_s))  # VE's is in the thousands
    torch.testing.assert_close(std**2 / size, (total_s - covariance**2 / total_t) / size, rtol=0, atol=1e-13)


def all_steps(schedule):
    t = torch.arange(1, schedule.T + 1)
    x = torch.zeros(schedule.T, 1).double()
    return t[:, None], at(schedule, t, x), at(schedule, t - 1, x), x


# ---------------------------------------------------------------------------- networks


def test_network_sees_the_clock_and_x():
    seen = {}

    def network(x, time):
        seen.update(x=x, time=time)
        return torch.full_like(x, 0.5)

    x, schedule = torch.randn(3, 1, 2, 2), linear(1000)
    denoise = from_network(network, PREDICTIONS["eps"](schedule), schedule.T, learned=False)
    n = at(schedule, torch.tensor([1, 250, 1000]), x)
    denoised = denoise(x, n)
    torch.testing.assert_close(seen["x"], x)  # alpha² + sigma² = 1
    torch.testing.assert_close(seen["time"], torch.tensor([0.001, 0.25, 1.0]))
    torch.testing.assert_close(denoised.mean, (x - n.sigma * 0.5) / n.alpha)
    assert denoised.var is None
    denoise(x, at(schedule, 500))
    torch.testing.assert_close(seen["time"], torch.full((3,), 0.5))


@pytest.mark.parametrize("schedule", [VE(), SubVP(), Flow()], ids=["ve", "sub-vp", "flow"])
def test_network_sees_numbers_of_unit_size(schedule):
    seen = []
    denoise = from_network(lambda x, time: seen.append(x) or x, PREDICTIONS["v"](schedule), 1.0, learned=False)
    n = at(schedule, 0.9)
    x = n.alpha * torch.randn(20_000, 1) + n.sigma * torch.randn(20_000, 1)
    denoise(x, n)
    assert abs(float(seen[0].std()) - 1) < 0.03


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("variance", VARIANCES.values(), ids=VARIANCES.keys())
def test_network_keeps_float32(learned, variance):
    """A single level is a float64 scalar; a variance made from it must not promote the samples."""
    schedule, x = linear(1000), torch.randn(3, 2)
    denoise = from_network(
        lambda x, t: torch.zeros(len(x), 4 if learned else 2),
        PREDICTIONS["v"](schedule),
        schedule.T,
        variance,
        learned=learned,
    )
    mean, std = reverse(x, denoise(x, at(schedule, 500)), at(schedule, 500), at(schedule, 400))
    assert (mean + std * x).dtype == torch.float32


def test_learned_variance_starts_at_large():
    """Zeros in the second half of the channels give σ_t² = β_t; a constant c multiplies Var by e^c."""
    schedule, x = linear(1000), torch.randn(5, 2, 3, 3).double()
    n, s = at(schedule, torch.tensor([1, 2, 100, 500, 1000]), x), None
    s = at(schedule, torch.tensor([0, 1, 99, 499, 999]), x)

    def network(c):
        return lambda x, t: torch.cat([x, torch.full_like(x, c)], 1)

    make = [
        from_network(network(c), PREDICTIONS["eps"](schedule), 1000, VARIANCES["learned"], learned=True)
        for c in (0.0, 1.0)
    ]
    zero, one = (denoise(x, n) for denoise in make)
    assert zero.mean.shape == zero.var.shape == x.shape
    torch.testing.assert_close(zero.mean, (x - n.sigma * x) / n.alpha)
    std = reverse(x, zero, n, s)[1]
    torch.testing.assert_close(std**2, schedule.beta[n.t.long()].reshape(-1, 1, 1, 1).expand_as(x))
    torch.testing.assert_close(one.var, torch.e * zero.var)


def test_learned_variance_stays_finite():
    schedule, x = linear(1000), torch.ones(1, 2)
    for c in (-1e9, 1e9):
        network = lambda x, t, c=c: torch.cat([x, torch.full_like(x, c)], 1)  # noqa: E731
        denoise = from_network(network, PREDICTIONS["v"](schedule), 1000, VARIANCES["learned"], learned=True)
        var = denoise(x, at(schedule, 1)).var
        assert bool(((var > 0) & var.isfinite()).all())


def test_flow_prediction_survives_the_end():
    """alpha = 0 at t = 1 of the straight path: every other prediction but x_0 and v divides by it."""
    schedule = SCHEDULES["flow"]
    n, x = at(schedule, 1.0), torch.randn(4, 2).double()
    c_skip, c_out = PREDICTIONS["flow"](schedule)(n)
    x_0 = torch.randn(4, 2).double()
    torch.testing.assert_close(c_skip * x + c_out * (x - x_0), x_0)


def test_clipped():
    denoise = clipped(lambda x, n: Denoised(3 * x, x + 7), -1, 1)
    denoised = denoise(torch.tensor([-1.0, 0.1, 1.0]), CLEAN)
    torch.testing.assert_close(denoised.mean, torch.tensor([-1.0, 0.3, 1.0]))
    torch.testing.assert_close(denoised.var, torch.tensor([6.0, 7.1, 8.0]))


@pytest.mark.parametrize("two", SCHEDULES, ids=SCHEDULES)
@pytest.mark.parametrize("one", ["linear", "vp", "sub-vp", "ve", "flow"])
def test_a_denoiser_of_one_schedule_is_one_of_all(one, two):
    """At equal lam x_t differs by a factor: the law's own denoiser, led through another schedule, is itself."""
    there = SCHEDULES[one]
    low, high = (float(at(there, t * there.T).lam) for t in (0.999, 0.01))
    times = [t * SCHEDULES[two].T for t in (0.05, 0.3, 0.7)]
    times = [t for t in times if low < float(at(SCHEDULES[two], t).lam) < high]
    x = torch.linspace(-2, 2, 5).double()[:, None]
    for t in times:
        n = at(SCHEDULES[two], t)
        torch.testing.assert_close(translated(TWINS, there)(x, n).mean, TWINS(x, n).mean, rtol=1e-9, atol=1e-9)
        batch = at(SCHEDULES[two], torch.full((5,), t), x)
        torch.testing.assert_close(translated(TWINS, there)(x, batch).mean, TWINS(x, batch).mean, rtol=1e-9, atol=1e-9)


def test_beyond_the_noisiest_level_the_noisiest_is_meant():
    x, seen = torch.ones(2, 1).double(), []

    def watched(x, n):
        seen.append(n)
        return TWINS(x, n)

    assert bool(translated(watched, linear(1000))(x, at(Flow(), 1.0)).mean.isfinite().all())
    assert float(seen[0].t) == 1000
