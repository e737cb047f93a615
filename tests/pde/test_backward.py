"""Where ψ is known exactly: the linear equation with Gaussian fields and noise."""

import pytest
import torch

from fromnoise.pde import FORCINGS, SCHEMES, Grid, Problem, pairs, posterior


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
