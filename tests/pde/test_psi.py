"""The learned map back: on the linear equation the exact posterior, otherwise ranks; and its folder."""

import dataclasses

import numpy as np
import pytest
import torch

from fromnoise.errors import UserError
from fromnoise.evaluation import covered
from fromnoise.pde import FIELDS, FORCINGS, Backward, Grid, Problem, learn, pairs, posterior, regression
from fromnoise.pde.psi import modes, straight
from fromnoise.pde.trial import trial

LINEAR = Problem(Grid((8,)), 4.2, forcing=FORCINGS["white"], dt=2e-3, steps=10, R=None, conserve=None)
SMALL = {"network.width": 16, "train.steps": 4, "train.batch": 16, "train.checkpoint_every": 2}


def learned(problem: Problem, out, n: int, **settings) -> Backward:
    *_, last = learn(problem, out, n, settings={key.replace("__", "."): value for key, value in settings.items()})
    assert isinstance(last, Backward)
    return last


@pytest.mark.slow
def test_the_posterior_of_the_linear_equation_is_learned(tmp_path):
    """The issue's bars: means to 5 % of the prior's deviation, covariance to 10 %, 90 % intervals cover 88 to 92 %."""
    psi = learned(LINEAR, tmp_path, 30_000, train__steps=600, network__width=64)
    exact = posterior(LINEAR)
    assert 0.1 < float(exact.var[1] / exact.prior[1]) < 0.5
    u_0, u_T = pairs(LINEAR, 1000, first=10**6)
    c_0, c_T = (modes(LINEAR.grid, u, 7) for u in (u_0, u_T))
    draws = modes(LINEAR.grid, psi.draw(u_T, 120).flatten(0, 1), 7).reshape(120, 1000, 7)
    sd, var = exact.prior[1:].sqrt(), exact.var[1:]
    error = (draws.mean(0) - exact.gain[1:] * c_T) / sd
    assert float(error.square().mean(0).max().sqrt()) < 0.05 + float((var / sd**2 / 120).max()) ** 0.5
    left = draws - draws.mean(0)
    covariance = torch.einsum("nbi,nbj->ij", left, left) / (119 * 1000)
    assert float((covariance - var.diag()).norm() / var.diag().norm()) < 0.1
    assert bool((covered(draws, c_0)[:3] - 0.9).abs().max() < 0.02 + 3 * (0.09 / 1000) ** 0.5)


class Exact(Backward):
    """ψ of the linear equation as it is, with the deviation of its draws multiplied by `width`."""

    width = 1.0

    def draw(self, u_T, n, *, seed=0):
        exact, grid = posterior(self.problem), self.problem.grid
        z = torch.randn(n, *u_T.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return grid.field(exact.gain * grid.coefficients(u_T) + self.width * exact.var.sqrt() * z)


class Wide(Exact):
    width = 1.2


@pytest.mark.parametrize(("kind", "right"), [(Exact, True), (Wide, False)])
def test_a_trial_knows_the_right_map_from_one_that_is_too_wide(kind, right):
    u_0, u_T = pairs(LINEAR, 4000)
    c_0, c_T = (modes(LINEAR.grid, u, 7) for u in (u_0, u_T))
    found = trial(kind(LINEAR, regression(c_0, c_T), None, c_0, c_T), first=10**6)
    assert (found.p.min() > 0.01 / 5) == right
    assert found.widened_p.min() < 0.01 / 5
    regressed, near = (found.worse[name] for name in ("regression", "nearest"))
    if right:
        assert abs(regressed[0]) < 4 * regressed[1]  # which is exact as well
        assert near[0] > -2 * near[1]
        assert 0.5 < found.again.floors < 1.5
    else:
        assert regressed[0] < -1.5 * regressed[1]


def test_straight_is_what_the_heat_flow_takes_to_the_end():
    """Without noise, and for another functional than the Dirichlet energy, on a square."""
    from fromnoise.pde import variation

    problem = Problem(Grid((6, 5)), 0.0, steps=8, conserve=variation)
    u_0, u_T = pairs(problem, 3)
    gain = problem.scheme.gain(problem.grid.eigenvalues * problem.dt) ** problem.steps
    heat = problem.grid.field(gain * problem.grid.coefficients(straight(problem, u_0)))
    assert torch.allclose(heat, u_T, atol=1e-9)
    ratio = straight(problem, u_0) / u_0
    assert torch.allclose(ratio, ratio.flatten(1)[:, :1, None].expand_as(ratio), rtol=1e-9)


def test_draws_have_what_the_equation_conserves(tmp_path):
    problem = Problem(Grid((12,)), 1000.0, steps=20, law=FIELDS["fronts"])
    psi = learned(problem, tmp_path, 200, **{key.replace(".", "__"): value for key, value in SMALL.items()})
    _, u_T = pairs(problem, 2, first=500)
    draws = psi.draw(u_T, 3, seed=1)
    assert draws.shape == (3, 2, 12)
    assert torch.allclose(problem.grid.energy(draws), torch.full((3, 2), 2.0, dtype=torch.float64))
    assert torch.allclose(psi.draw(u_T, 3, seed=1), draws)
    assert not torch.allclose(psi.draw(u_T, 3, seed=2), draws)


def test_the_folder_goes_on_and_is_not_another_problems(tmp_path):
    small = {key.replace(".", "__"): value for key, value in SMALL.items()}
    psi = learned(LINEAR, tmp_path, 100, **small)
    written = (tmp_path / "pairs.npz").stat().st_mtime_ns
    again = learned(LINEAR, tmp_path, 100, **small)
    assert (tmp_path / "pairs.npz").stat().st_mtime_ns == written
    for a, b in zip(psi.model.network.parameters(), again.model.network.parameters(), strict=True):
        assert torch.equal(a, b)
    for other, n in (
        (dataclasses.replace(LINEAR, eta=4.3), 100),
        (dataclasses.replace(LINEAR, seed=1), 100),
    ):
        with pytest.raises(UserError, match="pairs of another problem: give another --out"):
            learned(other, tmp_path, n, **small)
    with pytest.raises(UserError, match="holds 100 pairs, not 99: ask for as many"):
        learned(LINEAR, tmp_path, 99, **small)
    whole = (tmp_path / "pairs.npz").read_bytes()
    for damaged in (b"PK", whole[: len(whole) // 2]):
        (tmp_path / "pairs.npz").write_bytes(damaged)
        with pytest.raises(UserError, match=r"cannot read .*pairs\.npz"):
            learned(LINEAR, tmp_path, 100, **small)
    np.savez(tmp_path / "pairs.npz", x=np.zeros(3))
    with pytest.raises(UserError, match=r"cannot read .*pairs\.npz"):
        learned(LINEAR, tmp_path, 100, **small)


def test_modes_that_hold_too_little_of_what_is_conserved_are_refused(tmp_path):
    """Draws of rough fields, scaled to all of it, would be too large by a third; settings are checked as early."""
    with pytest.raises(UserError, match=r"16 modes that are drawn hold \d\d% of what is conserved.*fronts"):
        next(learn(Problem(steps=4), tmp_path / "a", 50))
    with pytest.raises(UserError, match="unknown loss"):
        next(learn(LINEAR, tmp_path / "b", 50, settings={"process.loss": "foo"}))
    assert not list(tmp_path.iterdir())
