"""The first mode's share of the energy, in theory and in simulation."""

import math

import pytest
import torch

from fromnoise.pde import FORCINGS, SCHEMES, Grid, Problem, critical, exponential, kept, profiles, share


def simulated(grid, forcing, etas, dt, *, scheme, n=48, end=3.0):
    """The mean share of the first eigenspace over the later two thirds of the time, begun in the first mode."""
    problem = Problem(grid, forcing=forcing, dt=dt, steps=round(end / dt), scheme=scheme)
    return [share for share, _ in kept(problem, etas, n, start=1 / 3)]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", FORCINGS)
def test_the_share_falls_as_theory_says(name, scheme):
    """1 − (η/η_c)² far from η_c; and η_c, found from simulations alone, within a fifth of the prediction."""
    grid = Grid((24,))
    dt = 0.15 / 24**2
    predicted = critical(grid, FORCINGS[name], dt, scheme=SCHEMES[scheme])
    etas = [0.4 * predicted, 0.7 * predicted]
    measured = simulated(grid, FORCINGS[name], etas, dt, scheme=SCHEMES[scheme])
    for eta, one in zip(etas, measured, strict=True):
        rates = FORCINGS[name].rates(grid, eta, dt)
        assert one == pytest.approx(share(grid, rates, dt, scheme=SCHEMES[scheme]), abs=0.06)
        assert eta / math.sqrt(1 - one) == pytest.approx(predicted, rel=0.2)


def test_the_formula_of_a_sum():
    """1 − (q/2R) Σ λ_k / [(λ_k − λ_1)(1 − (λ_k − λ_1) δt/2)] to O(λ_1 δt): 0.867, 0.469, 0.056, and η_c = 823."""
    grid, dt = Grid((100,)), 1.5e-5
    lam = grid.eigenvalues
    over = lam[2:] / ((lam[2:] - lam[1]) * (1 - (lam[2:] - lam[1]) * dt / 2))
    for eta, expected in ((300, 0.867), (600, 0.469), (800, 0.056)):
        rates = FORCINGS["literal"].rates(grid, eta, dt)
        q = 0.01 * eta**2 * dt / 3
        assert torch.allclose(rates, torch.full_like(rates, q), rtol=1e-12)
        assert 1 - q / 4 * float(over.sum()) == pytest.approx(expected, abs=6e-4)
        assert share(grid, rates, dt) == pytest.approx(expected, abs=1e-3)
    assert critical(grid, FORCINGS["literal"], dt) == pytest.approx(823, abs=0.5)


def test_figure_7_is_one_of_cells():
    """At its amplitudes the literal reading leaves nothing but noise; noise times a cell leaves 98, 97, 96 %."""
    grid, dt = Grid((100,)), 1.5e-5
    for eta, left in ((10_000, 0.985), (12_500, 0.977), (15_000, 0.967)):
        assert share(grid, FORCINGS["literal"].rates(grid, eta, dt), dt) < 1e-5
        assert share(grid, FORCINGS["cell"].rates(grid, eta, dt), dt) == pytest.approx(left, abs=1e-3)


@pytest.mark.parametrize(("name", "power"), [("literal", -1.0), ("cell", -2.0), ("white", 0.5), ("smooth", 0.0)])
def test_which_reading_has_a_limit(name, power):
    """η_c ∝ δx^power with δt = 0.15 δx²: only noise of finite energy keeps its η_c on ever finer grids."""
    found = [critical(Grid((n,)), FORCINGS[name], 0.15 / n**2) for n in (200, 400)]
    assert math.log2(found[0] / found[1]) == pytest.approx(power, abs=0.02)


def test_two_first_modes_of_a_square():
    """Both make the condensate; in two dimensions white noise holds more energy, and η_c falls as δx."""
    grid, forcing = Grid((12, 12)), FORCINGS["white"]
    eta = 0.6 * critical(grid, forcing, 1e-3, scheme=exponential)
    rates = forcing.rates(grid, eta, 1e-3)
    expected = share(grid, rates, 1e-3, scheme=exponential)
    assert expected == pytest.approx(0.64, abs=0.01)
    assert simulated(grid, forcing, [eta], 1e-3, scheme=exponential, n=24) == pytest.approx([expected], abs=0.05)


def test_without_noise_all_is_the_first_modes():
    grid = Grid((10,))
    assert share(grid, torch.zeros(10, dtype=torch.float64), 1e-3) == 1.0


def test_profiles_are_the_states_of_one_field():
    problem = Problem(Grid((12,)), 300.0, steps=8)
    states = [u[0] for u in problem.states(problem.begin(1))]
    assert torch.equal(profiles(problem, [2, 4, 8]), torch.stack([states[1], states[3], states[7]]))
