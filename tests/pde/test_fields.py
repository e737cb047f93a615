"""The fields that come before."""

import torch

from fromnoise.pde import FIELDS, Gaussian, Grid, prior
from fromnoise.pde.fields import random_fields


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
