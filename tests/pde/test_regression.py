"""The maps back that need no network: linear regression and the nearest pairs; and the fields that come before."""

import numpy as np
import pytest
import torch

from fromnoise.pde import FIELDS, FORCINGS, Gaussian, Grid, Problem, nearest, pairs, posterior, prior, regression
from fromnoise.pde.fields import random_fields

LINEAR = {"forcing": FORCINGS["white"], "R": None, "conserve": None}


def test_regression_finds_the_posterior_of_the_linear_equation():
    """Slope and covariance within five standard errors of 20,000 pairs; the modes do not mix."""
    problem, n = Problem(Grid((6,)), 0.4, dt=5e-3, steps=12, **LINEAR), 20_000
    c_0, c_T = (problem.grid.coefficients(u)[:, 1:] for u in pairs(problem, n))
    exact, found = posterior(problem), regression(c_0, c_T)
    error = (exact.var[1:, None] / (c_T**2).mean(0) / n).sqrt()
    assert bool(((found.slope - exact.gain[1:].diag()).abs() < 5 * error).all())
    covariance = found.root @ found.root.T
    sd = exact.var[1:].sqrt()
    assert bool(((covariance - exact.var[1:].diag()).abs() < 5 * (2 / n) ** 0.5 * sd[:, None] * sd).all())


def test_white_and_coloured_are_inverse():
    g = torch.Generator().manual_seed(0)
    c_T = torch.randn(500, 4, generator=g, dtype=torch.float64)
    c_0 = 3 + c_T[:, :3] @ torch.randn(3, 3, generator=g, dtype=torch.float64) + 0.1 * c_T[:, :3] ** 2
    line = regression(c_0, c_T)
    z = line.whitened(c_0, c_T)
    assert torch.allclose(line.coloured(z, c_T), c_0, rtol=1e-10)
    assert torch.allclose(z.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-8)
    assert torch.allclose(z.T @ z / len(z), torch.eye(3, dtype=torch.float64), atol=1e-8)
    drawn = line.draw(c_T[:2], 20_000, seed=1)
    assert torch.allclose(drawn.mean(0), line.mean(c_T[:2]), atol=4 * float(line.root.norm()) / 20_000**0.5)


def test_near_is_near_in_what_matters():
    """A number in c(T) of which c(0) knows nothing has no say in which pairs are near, however large it is."""
    g = np.random.default_rng(0)
    x, nothing = torch.from_numpy(g.uniform(-1, 1, (2, 4000, 1)))
    c_0 = x + 0.01 * torch.from_numpy(g.standard_normal((4000, 1)))
    found = nearest(c_0, torch.cat([x, 100 * nothing], 1), torch.tensor([[0.5, -80.0], [-0.2, 90.0]]).double(), 10)
    assert found.shape == (10, 2, 1)
    assert float((found[:, :, 0] - torch.tensor([0.5, -0.2])).abs().max()) < 0.15


def test_fronts_are_what_they_say(monkeypatch):
    """Without the ground, one to three slopes as steep as a front, of which all occur; with it 16 modes more."""
    grid, law = Grid((200,)), FIELDS["fronts"]
    whole = random_fields(grid, 300, law=law, R=None, seed=3)
    monkeypatch.setattr("fromnoise.pde.fields.GROUND", 0.0)
    u = random_fields(grid, 300, law=FIELDS["fronts"], R=None, seed=3)
    assert torch.allclose(u.mean(1), torch.zeros(300, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(random_fields(grid, 2, law=FIELDS["fronts"], R=None, seed=3, first=7), u[7:9], atol=1e-12)
    steep = (u.diff(dim=1) * 200).abs() > 5
    runs = (steep[:, 1:] & ~steep[:, :-1]).sum(1)
    assert {1, 2, 3} <= set(runs.tolist()) <= {0, 1, 2, 3}  # two that are near to each other undo one another
    ground = grid.coefficients(whole - u)
    assert torch.allclose(ground.var(0)[:17], 0.36 * prior(grid)[:17], rtol=5 * (2 / 300) ** 0.5, atol=1e-20)
    assert float(ground[:, 17:].abs().max()) < 1e-12
    square = random_fields(Grid((12, 9)), 4, law=FIELDS["fronts"])
    assert square.shape == (4, 12, 9)
    assert torch.allclose(Grid((12, 9)).energy(square), torch.full((4,), 2.0, dtype=torch.float64))


def test_gaussian_fields_have_the_variances_that_they_are_given():
    grid = Grid((5,))
    variances = torch.tensor([0.0, 1.0, 4.0, 0.0, 9.0], dtype=torch.float64)
    c = grid.coefficients(random_fields(grid, 4000, law=Gaussian(variances), R=None))
    assert torch.allclose(c.var(0), variances, rtol=5 * (2 / 4000) ** 0.5, atol=1e-20)
    assert torch.equal(Gaussian().of(grid), prior(grid))


def test_fronts_have_no_known_posterior():
    with pytest.raises(ValueError, match="only the linear equation of Gaussian fields"):
        posterior(Problem(law=FIELDS["fronts"], R=None, conserve=None))
