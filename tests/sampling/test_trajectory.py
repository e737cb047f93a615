"""Walking a path: Algorithm 2 written out by hand, the order of levels, moves up, hooks, and DDIM."""

from itertools import pairwise

import pytest
import torch

from fromnoise.process import (
    CLEAN,
    VP,
    Denoised,
    Empirical,
    Flow,
    at,
    linear,
    linear_scaled,
    reverse,
    transition,
)
from fromnoise.sampling import DDIM, SOLVERS, path, sample, strided, trajectory
from laws import DISCRETE, ISLANDS, TWINS, Paper, linear_denoiser, point_mass


def tape(shape, steps, seed=0):
    """A fixed row of noise and a randn that plays it back, one tensor a call."""
    noise = torch.randn(steps, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    rows = iter(noise)
    return noise, lambda x: next(rows)


def silent(x):
    raise AssertionError("noise was drawn where there should be none")


@pytest.mark.parametrize("name", ["linear-scaled", "table", "one step"])
def test_algorithm_2_by_hand(name):
    """K Algorithm 2, H Algorithm 5.2, line by line with the same noise: ε_θ, σ_q(t) z, and z = 0 at t = 1."""
    schedule = DISCRETE[name]
    paper, T = Paper(schedule), schedule.T
    noise, randn = tape((6, 1), T)

    def eps_theta(x, t):
        mean = TWINS(x, at(schedule, t)).mean
        return (x - paper.alpha_bar[t].sqrt() * mean) / paper.noise[t].sqrt()

    x_T = torch.randn(6, 1).double()
    x = x_T  # line 1
    for t in range(T, 0, -1):  # line 2
        z = noise[T - t] if t > 1 else 0 * x  # line 3
        mean = (x - paper.beta[t] / paper.noise[t].sqrt() * eps_theta(x, t)) / paper.alpha[t].sqrt()
        x = mean + paper.variance(torch.tensor(t)).sqrt() * z  # line 4
    ours = sample(point_mass(TWINS), DDIM(1.0), strided(schedule), x_T, randn=randn)
    # Rounding grows by at most 1/√ᾱ_T along the chain.
    torch.testing.assert_close(ours, x, rtol=0, atol=1e-12 + 1e-15 / paper.alpha_bar[-1].sqrt().item())


def test_every_level_is_visited_once_from_the_first():
    """The denoiser is asked at T, T − 1, ..., 1; a chain that skips its first level is caught here."""
    schedule, seen = linear(50), []

    def spy(x, n):
        seen.append(n.t.item())
        return Denoised(0 * x)

    states = list(trajectory(spy, DDIM(1.0), strided(schedule), torch.randn(2, 2)))
    assert seen == list(range(50, 0, -1))
    assert len(states) == 50


def test_the_last_step_is_the_posterior_mean():
    """σ_q(1) = 0: no noise, though the denoiser has a variance."""
    schedule, x = linear_scaled(40), torch.randn(4, 1).double()
    home = path(schedule, [1, 0])
    end = sample(TWINS, DDIM(1.0), home, x, randn=silent)
    assert end.equal(TWINS(x, home[0]).mean)
    skipped = path(schedule, [40, 0])
    assert sample(TWINS, DDIM(1.0), skipped, x, randn=silent).equal(TWINS(x, skipped[0]).mean)


def test_up_moves_draw_from_the_transition():
    """RePaint and SDEdit: s noisier than t is q(x_s|x_t), with no call of the denoiser."""
    schedule, x = VP(), torch.randn(3, 2).double()
    noise, randn = tape((3, 2), 2)

    def never(x, n):
        raise AssertionError("the denoiser was called on the way up")

    levels = path(schedule, [0.0, 0.2, 0.7])
    first, second = trajectory(never, DDIM(1.0), levels, x, randn=randn)
    scale, std = transition(CLEAN, levels[1])
    torch.testing.assert_close(first, scale * x + std * noise[0])
    scale, std = transition(levels[1], levels[2])
    torch.testing.assert_close(second, scale * first + std * noise[1])


def test_up_moves_keep_the_marginal():
    """From q(x_t) up to q(x_s) and down again the variance of Gaussian data is unchanged."""
    schedule, v, law = linear(100), 0.3, linear_denoiser(0.3)
    low, high = path(schedule, [20, 70])
    V = low.alpha**2 * v + low.sigma**2
    scale, std = transition(low, high)
    up = scale**2 * V + std**2
    slope, noise = reverse(torch.ones(1, 1).double(), law(torch.ones(1, 1).double(), high), high, low)
    torch.testing.assert_close((slope**2 * up + noise**2).squeeze(), V, rtol=1e-12, atol=0)


def test_project_is_applied_after_each_step_at_its_level():
    schedule, calls = linear(5), []

    def project(x, s):
        calls.append(s.t.item())
        return torch.full_like(x, float(s.t))

    states = list(trajectory(point_mass(TWINS), DDIM(), strided(schedule), torch.zeros(2, 1).double(), project=project))
    assert calls == [4, 3, 2, 1, 0]
    assert [x.unique().item() for x in states] == calls


def test_project_feeds_the_next_step():
    """What the hook returns is what the denoiser sees next."""
    seen = []

    def spy(x, n):
        seen.append(x.clone())
        return Denoised(x)

    list(trajectory(spy, DDIM(), strided(linear(3)), torch.zeros(1, 1), project=lambda x, s: x + 1))
    assert [x.item() > 0.5 for x in seen] == [False, True, True]


def test_solver_history_is_carried_and_dropped_on_the_way_up():
    states = []

    class Counting:
        def step(self, denoise, x, t, s, state, randn):
            states.append(state)
            return x, (state or 0) + 1

    levels = path(linear(10), [10, 9, 8, 9, 8, 7, 0])
    list(trajectory(point_mass(TWINS), Counting(), levels, torch.zeros(1, 1).double()))
    assert states == [None, 1, None, 1]


def test_ddim_0_is_deterministic_and_ignores_the_variance():
    x = torch.randn(5, 2).double()
    runs = [
        sample(law, DDIM(0.0), strided(linear(1000), 20), x, randn=silent) for law in (ISLANDS, point_mass(ISLANDS))
    ]
    assert runs[0].equal(runs[1])


def test_ddim_step_uses_the_variance_and_eta():
    """One step is the mean plus std times the noise that was given."""
    t, s = path(linear(100), [60, 40])
    x = torch.randn(3, 1).double()
    for eta in (0.3, 1.0):
        noise, randn = tape((3, 1), 1)
        mean, std = reverse(x, TWINS(x, t), t, s, eta)
        stepped, state = DDIM(eta).step(TWINS, x, t, s, None, randn)
        assert stepped.equal(mean + std * noise[0])
        assert state is None


def test_ddim_follows_the_probability_flow():
    """On Gaussian data x_t/√V_t is constant along the exact flow; DDIM(0) meets it as the steps shrink."""
    v, law = 0.2, linear_denoiser(0.2)
    x = torch.linspace(-2, 2, 5).double()[:, None]
    errors = []
    for steps in (25, 50, 100, 200):
        grid = path(VP(), torch.linspace(1, 0.05, steps + 1).tolist())
        V = [n.alpha**2 * v + n.sigma**2 for n in (grid[0], grid[-1])]
        errors.append((sample(law, DDIM(), grid, x) - (V[1] / V[0]).sqrt() * x).abs().max().item())
    rates = [a / b for a, b in pairwise(errors)]
    assert all(1.8 < rate < 2.2 for rate in rates)  # first order


def test_one_point_of_data_is_always_found():
    law = Empirical(torch.tensor([[1.0, 2.0]]))
    for choice in SOLVERS.values():
        x = sample(law, choice.make(linear(1000)), strided(linear(1000), 5), torch.randn(3, 2))
        torch.testing.assert_close(x, torch.tensor([[1.0, 2.0]]).expand(3, 2))
        assert x.dtype == torch.float32


def test_solvers_by_name():
    assert SOLVERS["ddpm"].make(linear(10)) == DDIM(1.0)
    assert SOLVERS["ddim"].make(linear(10)) == DDIM(0.0)


@pytest.mark.parametrize("name", [name for name, choice in SOLVERS.items() if choice.calls is not None])
def test_calls_are_what_the_table_says(name):
    calls = 0

    def counted(x, n):
        nonlocal calls
        calls += 1
        return TWINS(x, n)

    schedule = Flow() if SOLVERS[name].no_signal else linear(1000)  # from a level without signal, too
    sample(counted, SOLVERS[name].make(schedule), strided(schedule, 7), torch.randn(3, 1).double())
    assert calls == 6 * SOLVERS[name].calls + 1


@pytest.mark.parametrize("levels", [[], [CLEAN]])
def test_a_path_has_two_levels(levels):
    with pytest.raises(ValueError, match="at least two"):
        list(trajectory(TWINS, DDIM(), levels, torch.zeros(1, 1)))


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_eta_is_a_share(eta):
    with pytest.raises(ValueError, match="eta"):
        DDIM(eta)
