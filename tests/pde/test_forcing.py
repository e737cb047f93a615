"""The readings of ηW: what each adds at a cell, and what each feeds the modes."""

import math

import pytest
import torch

from fromnoise.pde import FORCINGS, Grid, Increments

DT = 1.5e-5


def drawn(name, grid, steps, **how):
    increments = Increments(FORCINGS[name], grid, dt=DT, **{"eta": 1.0, "n": 50, **how})
    return torch.stack([next(increments) for _ in range(steps)]).double()


@pytest.mark.parametrize(("name", "most"), [("literal", 1.0), ("cell", 0.01)])
def test_uniform_readings_fill_their_interval(name, most):
    """η W δt with W in [−1, 1], or a cell's part of it: mean 0, variance 1/3 of the square of the greatest."""
    w = drawn(name, Grid((100,)), 100, eta=7.0) / (7.0 * DT * most)
    assert float(w.abs().max()) <= 1
    assert float(w.abs().max()) > 0.9999
    assert float(w.mean()) == pytest.approx(0, abs=4 * math.sqrt(1 / 3 / w.numel()))
    assert float(w.var()) == pytest.approx(1 / 3, abs=4 * math.sqrt(4 / 45 / w.numel()))


@pytest.mark.parametrize("cells", [(20,), (6, 4)])
@pytest.mark.parametrize("name", FORCINGS)
def test_each_mode_gains_its_rate(name, cells):
    """Var[∫ φ_k dW] = q_k δt, and the modes are uncorrelated: what theory counts with is what is drawn."""
    grid = Grid(cells)
    increments = drawn(name, grid, 200, eta=0.3)
    n = increments.shape[0] * increments.shape[1]
    c = grid.coefficients(increments).reshape(n, -1)
    c = c / (FORCINGS[name].rates(grid, 0.3, DT).flatten() * DT).sqrt()
    error = c.T @ c / n - torch.eye(c.shape[1], dtype=torch.float64)
    assert float(error.abs().max()) < 5 * math.sqrt(2 / n)


def test_white_noise_gives_every_mode_the_same_on_any_grid():
    for cells in ((10,), (100,), (8, 8)):
        rates = FORCINGS["white"].rates(Grid(cells), eta=0.5, dt=DT)
        assert torch.allclose(rates, torch.full_like(rates, 0.25), rtol=1e-12)


def test_smooth_noise_has_a_finite_energy_on_ever_finer_grids():
    rates = [FORCINGS["smooth"].rates(Grid((n,)), 1.0, DT) for n in (100, 1000)]
    energies = [float((Grid((n,)).eigenvalues * q).sum()) for n, q in zip((100, 1000), rates, strict=True)]
    assert energies[1] == pytest.approx(energies[0], rel=0.02)


def test_a_field_has_a_stream_of_its_own():
    """In any company and over the ends of the blocks in which the numbers are drawn."""
    grid = Grid((100,))
    together = drawn("literal", grid, 150, n=40, seed=5)
    alone = drawn("literal", grid, 150, n=2, first=31, seed=5)
    assert torch.equal(together[:, 31:33], alone)
    assert not torch.equal(alone[:, 0], alone[:, 1])
    assert not torch.equal(alone, drawn("literal", grid, 150, n=2, first=31, seed=6))


def test_no_stream_for_a_negative_seed():
    with pytest.raises(ValueError, match="from 0 on"):
        Increments(FORCINGS["white"], Grid((4,)), eta=1.0, dt=DT, n=1, seed=-1)
