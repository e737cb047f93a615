"""The grid of the PDE: its cosines, its Laplacian and its energy belong together."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.pde import Grid

GRIDS = st.one_of(st.tuples(st.integers(2, 40)), st.tuples(st.integers(2, 12), st.integers(2, 12))).map(Grid)


def fields(grid, n=3, seed=0):
    return torch.randn(n, *grid.cells, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(GRIDS, st.integers(0, 2**31))
def test_modes_are_an_orthonormal_basis(grid, seed):
    u = fields(grid, seed=seed)
    c = grid.coefficients(u)
    assert torch.allclose(grid.field(c), u, atol=1e-12)
    assert torch.allclose(c.square().sum(grid.axes), grid.volume * u.square().sum(grid.axes), atol=1e-12)
    assert torch.allclose(c.flatten(1)[:, 0], u.mean(grid.axes), atol=1e-13)


@given(GRIDS, st.integers(0, 2**31))
def test_differences_and_modes_say_the_same(grid, seed):
    """Second differences multiply mode k by −λ_k; ∫|∇u|² = −∫ u Δu = Σ λ_k c_k² (H 6.2, by parts)."""
    u = fields(grid, seed=seed)
    c, size = grid.coefficients(u), float(grid.eigenvalues.max())
    assert torch.allclose(grid.coefficients(grid.laplacian(u)), -grid.eigenvalues * c, atol=1e-13 * size)
    energy = grid.energy(u)
    assert torch.allclose(energy, (grid.eigenvalues * c**2).sum(grid.axes), rtol=1e-12)
    assert torch.allclose(energy, -grid.volume * (u * grid.laplacian(u)).sum(grid.axes), rtol=1e-11)


@given(GRIDS, st.integers(0, 2**31))
def test_nothing_leaves_through_the_ends(grid, seed):
    laplacian = grid.laplacian(fields(grid, seed=seed))
    assert float(laplacian.sum(grid.axes).abs().max()) < 1e-12 * float(laplacian.abs().max())


@pytest.mark.parametrize("k", [1, 2, 3])
def test_eigenvalues_are_of_second_order(k):
    """λ_k = (4/δx²) sin²(kπδx/2): within 1e-3 of k²π² on H's grid, four times nearer on one twice as fine."""
    error = [abs(float(Grid((n,)).eigenvalues[k]) / (k * math.pi) ** 2 - 1) for n in (100, 200, 400)]
    assert error[0] < 1e-3
    assert math.log2(error[0] / error[1]) == pytest.approx(2, abs=0.01)
    assert math.log2(error[1] / error[2]) == pytest.approx(2, abs=0.01)


def test_the_first_eigenvalue_of_a_square_is_double():
    lam = Grid((20, 20)).eigenvalues.flatten().sort().values
    assert lam[0] == 0
    assert lam[1] == lam[2]
    assert lam[3] > 1.9 * lam[2]


@pytest.mark.parametrize("cells", [(1,), (), (4, 4, 4), (5, 1)])
def test_a_grid_that_is_none(cells):
    with pytest.raises(ValueError, match="one or two directions"):
        Grid(cells)


@pytest.mark.parametrize("cells", [(40,), (12, 12), (12, 8)])
def test_the_share_of_the_first_eigenspace(cells):
    """Of c φ_first + d φ_other it is λ_1 c² / (λ_1 c² + λ d²), whichever of two first modes it is."""
    grid = Grid(cells)
    lam = grid.eigenvalues
    for place in grid.first.nonzero():
        c = torch.zeros(*cells, dtype=torch.float64)
        other = (3,) * len(cells)
        c[tuple(place)], c[other] = 2.0, 0.5
        known = 4 * lam[tuple(place)] / (4 * lam[tuple(place)] + 0.25 * lam[other])
        assert abs(float(grid.share(grid.field(c)) - known)) < 1e-12
