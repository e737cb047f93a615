"""Every named solver in low precision, and from a level without signal."""

from __future__ import annotations

import pytest
import torch

from fromnoise.process import VE, VP, Denoised, Flow, at, cosine, linear, sigmoid
from fromnoise.sampling import PATHS, SOLVERS, Streams, sample, strided, trajectory
from laws import TWINS

STEPS = 16
FLOAT32, BFLOAT16 = 4e-6, 2e-2
"""The largest distance to float64 along a trajectory of 16 steps on the linear schedule, for data of size 1.

bfloat16 is that of the denoiser's answers, as autocast gives them; x itself is float32. `ode` is not given answers as
coarse as that: its tolerance asks for more.
"""


def noise(dtype):
    streams = Streams(0, 0, 64)
    return lambda x: streams(x.double()).to(dtype)


def walked(name, dtype, denoise):
    schedule = linear(1000)
    x = noise(dtype)(torch.zeros(64, 1, dtype=dtype))
    solver = SOLVERS[name].make(schedule)
    walk = trajectory(denoise, solver, strided(schedule, STEPS), x, randn=noise(dtype))
    return torch.stack([state.double() for state in walk])


def rounded(x, n):
    denoised = TWINS(x.float(), n)
    return Denoised(*(v.to(torch.bfloat16).to(x.dtype) for v in denoised))


@pytest.mark.parametrize("name", [name for name in SOLVERS if name != "em"])
@pytest.mark.parametrize(
    "schedule", [linear(1000), cosine(1000), sigmoid(1000), VP(), VE()], ids=lambda s: type(s).__name__
)
def test_twenty_steps_have_the_laws_spread(name, schedule):
    """Also where next to nothing of the signal is left at T, as on the cosine schedule: nothing may blow up."""
    first = at(schedule, schedule.T)
    x = (first.alpha**2 + first.sigma**2).sqrt() * noise(torch.float64)(torch.zeros(64, 1).double()).repeat(30, 1)
    streams = Streams(1, 0, len(x))
    choice = PATHS["karras" if isinstance(schedule, VE) else "even"]
    end = sample(TWINS, SOLVERS[name].make(schedule), choice(schedule, 20), x, randn=streams)
    assert 0.5 < float(end.std()) < 0.9  # the law's is 0.69


@pytest.mark.parametrize("name", SOLVERS)
def test_float32_stays_near_float64(name):
    gap = (walked(name, torch.float32, TWINS) - walked(name, torch.float64, TWINS)).abs().max()
    assert float(gap) < FLOAT32


@pytest.mark.parametrize("name", [name for name in SOLVERS if name != "ode"])
def test_bfloat16_answers_stay_near_float64(name):
    gap = (walked(name, torch.float32, rounded) - walked(name, torch.float64, TWINS)).abs().max()
    assert float(gap) < BFLOAT16


@pytest.mark.parametrize("name", [name for name, choice in SOLVERS.items() if choice.no_signal])
def test_from_pure_noise(name):
    """On the straight path alpha is 0 at t = 1, lam infinite: the law's mean and spread are met all the same."""
    x = torch.randn(4000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    streams = Streams(1, 0, len(x))
    end = sample(TWINS, SOLVERS[name].make(Flow()), strided(Flow(), 50), x, randn=streams)
    true = TWINS.sample(200_000, torch.Generator().manual_seed(1))
    assert abs(float(end.mean() - true.mean())) < 0.05
    assert abs(float(end.std() - true.std())) < 0.05
