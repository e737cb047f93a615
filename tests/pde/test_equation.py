"""H section 6 on exact facts: what is conserved, what stands still, what grows, and where all of it ends."""

import math
from itertools import islice, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.pde import (
    FORCINGS,
    SCHEMES,
    Functional,
    Grid,
    Increments,
    evolve,
    explicit,
    exponential,
    growth,
    prior,
    random_fields,
    restored,
    variation,
)

GRID, DT, R = Grid((100,)), 0.15 * 0.01**2, 2.0
"""H's Figure 7."""


def mode(grid, *k):
    """The eigenmode with ∫|∇u|² = R."""
    c = torch.zeros(grid.cells, dtype=torch.float64)
    c[k] = math.sqrt(R / float(grid.eigenvalues[k]))
    return grid.field(c)


def after(states, steps):
    return next(islice(states, steps - 1, None))


@pytest.mark.parametrize("forcing", [None, "literal", "white"])
def test_energy_and_mean_stay_through_a_whole_figure(forcing):
    """J[u] = R to 1e-10 and no φ_0 to 1e-12 in all 2^14 steps."""
    u_0 = random_fields(GRID, 4)
    noise = None if forcing is None else Increments(FORCINGS[forcing], GRID, eta=0.2, dt=DT, n=4)
    energy = mean = 0.0
    for u in islice(evolve(u_0, GRID, dt=DT, noise=noise), 2**14):
        energy = max(energy, float((GRID.energy(u) - R).abs().max()))
        mean = max(mean, float(u.mean(-1).abs().max()))
    assert energy < 1e-10
    assert mean < 1e-12


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_eigenmodes_stand_still(k, scheme):
    """With r = λ_k; for a while, since all but the first are unstable."""
    u_0 = mode(GRID, k)
    u = after(evolve(u_0, GRID, dt=DT, scheme=SCHEMES[scheme]), 500)
    assert float((u - u_0).abs().max()) < 1e-12
    assert float(growth(GRID, u)) == pytest.approx(4 / 0.01**2 * math.sin(k * math.pi * 0.01 / 2) ** 2, abs=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("k", "j"), [(1, 2), (1, 5), (2, 1), (2, 3), (3, 1), (3, 2), (3, 4)])
def test_a_mode_grows_beside_a_higher_one_and_falls_beside_a_lower(k, j, scheme):
    """At the rate λ_k − λ_j: a steady state is stable to all higher modes and unstable to any lower one."""
    u_0 = mode(GRID, k) + 1e-7 * mode(GRID, j)
    steps = 200
    u = after(evolve(u_0, GRID, dt=DT, scheme=SCHEMES[scheme]), steps)
    c_0, c = GRID.coefficients(u_0)[j], GRID.coefficients(u)[j]
    rate = float((c / c_0).log()) / (steps * DT)
    assert rate == pytest.approx(float(GRID.eigenvalues[k] - GRID.eigenvalues[j]), rel=4e-3)
    assert (rate > 0) == (j < k)


def test_all_profiles_fall_to_the_first_mode():
    """(2/π) √(R/2) cos(πx) up to sign: within 1e-2 at the figure's last time, and the grid's own to 1e-6 at 0.7."""
    states = evolve(random_fields(GRID, 8), GRID, dt=DT)
    limit = 2 / math.pi * math.sqrt(R / 2) * torch.cos(math.pi * GRID.points[0])
    u = after(states, 2**14)
    assert float((u - (u @ limit).sign()[:, None] * limit).abs().max()) < 1e-2
    u = after(states, round(0.7 / DT) - 2**14)
    own = mode(GRID, 1)
    assert float((u - (u @ own).sign()[:, None] * own).abs().max()) < 1e-6


def test_a_fine_grid_has_the_limit_itself():
    """δx = 1/640 is near enough for 1e-6; only the exponential scheme takes such steps there, 2,500 times as long."""
    grid = Grid((640,))
    limit = 2 / math.pi * math.sqrt(R / 2) * torch.cos(math.pi * grid.points[0])
    u = after(evolve(random_fields(grid, 4), grid, dt=0.7 / 200, scheme=exponential), 200)
    assert float((u - (u @ limit).sign()[:, None] * limit).abs().max()) < 1e-6


@pytest.mark.parametrize("scheme", SCHEMES)
def test_on_a_square_profiles_fall_to_the_eigenspace(scheme):
    """Neither of its two modes wins: they keep their ratio, and together they take all the energy."""
    grid = Grid((16, 16))
    u_0 = random_fields(grid, 6)
    u = after(evolve(u_0, grid, dt=5e-4, scheme=SCHEMES[scheme]), 2400)
    c_0, c = grid.coefficients(u_0), grid.coefficients(u)
    first = c[:, 0, 1] ** 2 + c[:, 1, 0] ** 2
    assert torch.allclose(grid.eigenvalues[0, 1] * first, torch.full_like(first, R), rtol=1e-8)
    assert torch.allclose(c[:, 0, 1] / c[:, 1, 0], c_0[:, 0, 1] / c_0[:, 1, 0], rtol=1e-8)


def test_the_schemes_agree_to_first_order_on_one_path_of_the_noise():
    """Their steps differ by λδt ΔW, which averages out, and by (λδt)²/2: both add up to δt."""
    grid, end, finest = Grid((16,)), 0.04, 2**10
    u_0 = random_fields(grid, 100)
    noise = Increments(FORCINGS["white"], grid, eta=0.1, dt=end / finest, n=100)
    path = torch.stack([next(noise) for _ in range(finest)]).double()
    apart = []
    for steps in (2**7, 2**8, 2**9, 2**10):
        increments = path.unflatten(0, (steps, -1)).sum(1)
        how = {"dt": end / steps, "noise": increments}
        ends = [after(evolve(u_0, grid, **how, scheme=scheme), steps) for scheme in (explicit, exponential)]
        apart.append(float((ends[0] - ends[1]).square().mean().sqrt()))
    slopes = [math.log2(a / b) for a, b in pairwise(apart)]
    assert slopes == pytest.approx([1.0] * 3, abs=0.1)


def test_other_functionals_are_conserved():
    """The total variation, whose degree is told, and one that is no power: Newton finds the factor."""

    def mixed(grid):
        return Functional(lambda u: grid.energy(u) + variation(grid).value(u))

    for conserve in (variation, mixed):
        u_0 = random_fields(GRID, 3)
        u = after(evolve(u_0, GRID, dt=DT, conserve=conserve), 300)
        assert torch.allclose(conserve(GRID).value(u), conserve(GRID).value(u_0), rtol=1e-11)
        assert not torch.allclose(GRID.energy(u), GRID.energy(u_0), rtol=1e-2)


@settings(max_examples=30)
@given(st.floats(0.1, 10), st.floats(1.0, 4.0))
def test_a_degree_that_is_told_and_one_that_is_found_agree(factor, degree):
    u = random_fields(GRID, 2)

    def power(v):
        return v.abs().pow(degree).mean(-1)

    target = power(factor * u)
    told = restored(u, Functional(power, degree), target, (-1,))
    found = restored(u, Functional(power), target, (-1,))
    assert torch.allclose(told, factor * u, rtol=1e-10)
    assert torch.allclose(found, told, rtol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_a_functional_the_equation_is_linear(scheme):
    """Each mode is an Ornstein-Uhlenbeck process of its own: its mean and variance after 50 steps are known."""
    grid, dt, steps, n = Grid((8,)), 2e-3, 50, 4000
    u_0 = random_fields(grid, 1, R=None).expand(n, 8)
    noise = Increments(FORCINGS["white"], grid, eta=0.5, dt=dt, n=n)
    c = grid.coefficients(after(evolve(u_0, grid, dt=dt, noise=noise, scheme=SCHEMES[scheme], conserve=None), steps))
    g, h = (part(grid.eigenvalues * dt) for part in (SCHEMES[scheme].gain, SCHEMES[scheme].passed))
    mean = g**steps * grid.coefficients(u_0[0])
    var = h**2 * 0.25 * dt * torch.stack([g ** (2 * i) for i in range(steps)]).sum(0)
    assert torch.allclose(c.mean(0)[1:], mean[1:], atol=4 * float(var.max() / n) ** 0.5)
    assert torch.allclose(c.var(0)[1:], var[1:], rtol=5 * (2 / n) ** 0.5)


def test_random_fields_have_their_law_and_their_numbers():
    grid = Grid((6, 4))
    u = random_fields(grid, 3000, R=None, seed=4)
    c = grid.coefficients(u)
    assert torch.allclose(c.var(0), prior(grid), rtol=5 * (2 / 3000) ** 0.5, atol=1e-20)
    assert torch.equal(random_fields(grid, 2, R=None, seed=4, first=7), u[7:9])
    assert not torch.equal(random_fields(grid, 2, R=None, seed=5, first=7), u[7:9])
    assert torch.allclose(grid.energy(random_fields(grid, 5, R=3.0)), torch.full((5,), 3.0, dtype=torch.float64))
    with pytest.raises(ValueError, match="from 0 on"):
        random_fields(grid, 1, seed=-1)


def test_what_cannot_be_evolved():
    with pytest.raises(ValueError, match="is it constant in space"):
        next(evolve(torch.ones(2, 100, dtype=torch.float64), GRID, dt=DT))
    with pytest.raises(ValueError, match=r"unstable for δt = 0\.0001 on this grid: at most 5e-05"):
        next(evolve(random_fields(GRID, 1), GRID, dt=1e-4))
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 100\)"):
        next(evolve(torch.ones(2, 99), GRID, dt=DT))
