"""Bound and flow of models whose network is an exact law, so that −log p is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fromnoise.errors import UserError
from fromnoise.evaluation import bits, bound, flow
from fromnoise.model import Config
from fromnoise.model.model import Model
from fromnoise.process import at
from laws import ISLANDS, TWINS


class Exact(nn.Module):
    """E[x_0|x_t] of a law as a network that predicts x_0, of samples of any shape."""

    def __init__(self, law):
        super().__init__()
        self.law, self.schedule = law, None

    def forward(self, x, time, label=None):
        n = at(self.schedule, time.double() * self.schedule.T, x.flatten(1))
        radius = (n.alpha**2 + n.sigma**2).sqrt()  # networks see x_t at unit size
        return self.law(radius * x.flatten(1), n).mean.reshape(x.shape)


def model_of(law, *, kind="points", shape=None, variance="large", schedule="linear", **facts):
    config = Config.from_dict(
        {
            "schedule": {"name": schedule},
            "process": {"prediction": "x_0", "variance": variance, "loss": "clean"},
            "sample": {"batch": 2000},
            "facts": {"kind": kind, "shape": list(shape or (law.means.shape[1],)), "n": 1} | facts,
        }
    )
    model = Model(config, Exact(law))
    model.network.schedule = model.schedule
    return model


def error(values):
    return float(values.std()) / len(values) ** 0.5


@pytest.mark.parametrize("schedule", ["linear", "vp", "flow"])
@pytest.mark.parametrize("law", [TWINS, ISLANDS], ids=["twins", "islands"])
def test_the_flow_is_the_law(law, schedule):
    x_0 = law.sample(300, torch.Generator().manual_seed(0))
    found = flow(model_of(law, schedule=schedule), x_0)
    assert abs(float((found.total + law.log_prob(x_0)).mean())) < 0.005
    assert not found.errors.any()


def test_the_bound_lies_above_by_what_beta_costs():
    """By quadrature 0.0023 nats (tests/process/test_likelihood.py); L_0 with β_1 in place of Var adds a little."""
    x_0 = TWINS.sample(2000, torch.Generator().manual_seed(0)).float()
    found = bound(model_of(TWINS), x_0, terms=300)
    gap = found.total.double() + TWINS.log_prob(x_0.double())
    assert -4 * error(gap) < float(gap.mean()) < 0.02 + 4 * error(gap)


def test_the_drawn_terms_are_unbiased_whatever_their_number():
    x_0 = TWINS.sample(2000, torch.Generator().manual_seed(0)).float()
    few, many = (bound(model_of(TWINS), x_0, terms=terms, seed=terms).total for terms in (20, 200))
    assert abs(float(few.mean() - many.mean())) < 4 * math.hypot(error(few), error(many))


def test_the_papers_variance_is_looser():
    x_0 = TWINS.sample(2000, torch.Generator().manual_seed(0)).float()
    small, large = (bound(model_of(TWINS, variance=name), x_0, terms=100).total.mean() for name in ("small", "large"))
    assert 0.3 < float(small - large) < 0.6


def test_a_pixels_values_have_mass_one():
    """Of one pixel with 256 values, both models' probabilities sum to what the law has within [-1, 1], at most one."""
    model = model_of(TWINS, kind="images", shape=(1, 1, 1))
    x_0 = torch.linspace(-1, 1, 256).reshape(-1, 1, 1, 1)
    grid = torch.linspace(-1, 1, 20_001).double()[:, None]
    inside = float(torch.trapezoid(TWINS.log_prob(grid).exp(), grid[:, 0]))
    masses = [float((-flow(model, x_0, seed=seed).total).double().exp().sum()) for seed in range(4)]
    assert abs(sum(masses) / 4 - inside) < 0.003
    found = bound(model, x_0.repeat(5, 1, 1, 1), terms=200).total.reshape(5, 256).mean(0)
    assert 0.8 < float((-found).double().exp().sum()) < 1.0


def test_hutchinsons_error_is_stated():
    """In 20 dimensions the divergence is estimated: within its own error of the exact law's −log p."""
    law = type(TWINS)([0.5, 0.5], [[-0.5] * 20, [0.5] * 20], [(0.1 * torch.eye(20)).tolist()] * 2)
    x_0 = law.sample(60, torch.Generator().manual_seed(0))
    found = flow(model_of(law), x_0, probes=8)
    gap = found.total + law.log_prob(x_0)
    assert bool((found.errors > 0).any())
    assert abs(float(gap.mean())) < 4 * float(found.errors.square().mean().sqrt()) / len(x_0) ** 0.5 + 0.005


def test_bits():
    assert float(bits(torch.tensor([4 * math.log(2)]), model_of(ISLANDS))) == pytest.approx(2.0)


def test_without_whole_steps_there_is_no_chain():
    with pytest.raises(UserError, match="whole steps"):
        bound(model_of(TWINS, schedule="vp"), torch.zeros(2, 1))
