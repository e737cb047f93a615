"""Where ψ is known exactly, the linear equation with Gaussian fields and noise; and maps back without a network."""

import numpy as np
import pytest
import torch

from fromnoise.pde import FIELDS, FORCINGS, SCHEMES, Grid, Problem, nearest, pairs, posterior, regression

LINEAR = {"forcing": FORCINGS["white"], "R": None, "conserve": None}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("forcing", ["white", "smooth"])
def test_the_posterior_is_that_of_simulated_pairs(scheme, forcing):
    """What regression finds in 20,000 pairs: the slope of c_k(0) on c_k(T), and the variance that is left."""
    how = {"forcing": FORCINGS[forcing], "scheme": SCHEMES[scheme], "R": None, "conserve": None}
    problem, n = Problem(Grid((8,)), 0.4, dt=5e-3, steps=12, **how), 20_000
    c_0, c_T = (problem.grid.coefficients(u)[:, 1:] for u in pairs(problem, n))
    exact = posterior(problem)
    gain = (c_0 * c_T).mean(0) / (c_T**2).mean(0)
    left = (c_0 - exact.gain[1:] * c_T).square().mean(0)
    assert torch.allclose(left, exact.var[1:], rtol=5 * (2 / n) ** 0.5)
    error = (exact.var[1:] / (c_T**2).mean(0) / n).sqrt()
    assert bool(((gain - exact.gain[1:]).abs() < 4 * error).all())
    assert 0.1 < float(exact.var[2] / exact.prior[2]) < 0.9  # where noise and memory weigh alike: all parts are seen


def test_without_noise_the_past_is_known():
    problem = Problem(Grid((8,)), 0.0, dt=1e-3, steps=20, R=None, conserve=None)
    exact = posterior(problem)
    assert float(exact.var.max()) == 0
    c_0, c_T = (problem.grid.coefficients(u)[:, 1:] for u in pairs(problem, 5))
    assert torch.allclose(exact.gain[1:] * c_T, c_0, rtol=1e-9)


@pytest.mark.parametrize("how", [{"R": None}, {"conserve": None}])
def test_a_law_that_is_not_gaussian_has_no_such_posterior(how):
    with pytest.raises(ValueError, match="only the linear equation"):
        posterior(Problem(**how))


def test_fronts_have_no_known_posterior():
    with pytest.raises(ValueError, match="only the linear equation of Gaussian fields"):
        posterior(Problem(law=FIELDS["fronts"], R=None, conserve=None))


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
