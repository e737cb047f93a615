"""Whole trajectories beside diffusers' schedulers, in float64, on the same denoiser.

Where the peer chose otherwise, its choice is switched on in our code, and then reproduces its numbers.

    make parity
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch

from fromnoise.process import at, linear
from fromnoise.sampling import DDIM, Data, Heun, Multistep, Noise, Noisy, UniPC, path, strided, trajectory
from fromnoise.sampling.forms import integrals
from laws import ISLANDS

diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.parity

SCHEDULE, STEPS = linear(1000), 20
LEVELS = strided(SCHEDULE, STEPS)
TIMES = [int(level.t) - 1 for level in LEVELS[:-1]]  # theirs count from 0
CLOSE = {"rtol": 1e-6, "atol": 1e-8}


def law(x, n):
    return ISLANDS(x, n)._replace(var=None)


def start():
    return torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def randn(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return lambda x: torch.randn(x.shape, dtype=x.dtype, generator=generator)


def ours(solver, levels=LEVELS):
    return torch.stack(list(trajectory(law, solver, levels, start(), randn=randn())))


def exact_tables(scheduler):
    """The peer keeps its tables in float32: give it ours."""
    scheduler.betas, scheduler.alphas_cumprod = SCHEDULE.beta[1:], SCHEDULE.alpha_bar[1:]
    scheduler.alphas = 1 - scheduler.betas
    scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return scheduler


def eps_at(x, timestep):
    n = at(SCHEDULE, float(timestep) + 1)
    return (x - n.alpha * law(x, n).mean) / n.sigma


def theirs(scheduler, levels=LEVELS, **options):
    """The peer's trajectory, its noise levels replaced by the same numbers in float64."""
    scheduler.set_timesteps(STEPS)
    assert scheduler.timesteps.tolist() == TIMES
    if hasattr(scheduler, "sigmas"):
        scheduler.sigmas = torch.stack([level.nu for level in levels])
    x, states = start(), []
    for t in scheduler.timesteps:
        step = {name: make() for name, make in options.items()}
        x = scheduler.step(eps_at(x, t), t, x, **step).prev_sample
        states.append(x)
    return torch.stack(states)


def same(one, two):
    torch.testing.assert_close(one, two, **CLOSE)


def test_ddpm():
    scheduler = exact_tables(diffusers.DDPMScheduler(1000, clip_sample=False, timestep_spacing="trailing"))
    generator = torch.Generator().manual_seed(1)
    same(ours(DDIM(1.0)), theirs(scheduler, generator=lambda: generator))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim(eta):
    scheduler = exact_tables(diffusers.DDIMScheduler(1000, clip_sample=False, timestep_spacing="trailing"))
    generator = torch.Generator().manual_seed(1)
    same(ours(DDIM(eta)), theirs(scheduler, eta=lambda: eta, generator=lambda: generator))


class InDouble:
    """torch, but its float32 is float64: the peer casts every sample to float32, whatever it is given."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@pytest.fixture(autouse=True)
def in_double(monkeypatch):
    monkeypatch.setattr("diffusers.schedulers.scheduling_dpmsolver_multistep.torch", InDouble())


def dpm(order, **options):
    return exact_tables(
        diffusers.DPMSolverMultistepScheduler(
            1000, beta_start=1e-4, solver_order=order, timestep_spacing="trailing", **options
        )
    )


def test_dpmpp_2m():
    same(ours(Multistep(2)), theirs(dpm(2, solver_type="heun")))


@dataclass(frozen=True)
class Middle:
    """The peer's "midpoint": a line through two values is not integrated but taken in the middle of the step."""

    of: Data | Noisy
    rate: float = 1.0

    def __getattr__(self, name):
        return getattr(self.of, name)

    def weights(self, nodes: Sequence[float], start: float, end: float) -> Sequence[float]:
        if len(nodes) != 2:
            return self.of.weights(nodes, start, end)
        mass, middle = sum(self.of.weights(nodes, start, end)), (start + end) / 2
        one = (middle - nodes[1]) / (nodes[0] - nodes[1])
        return [mass * one, mass * (1 - one)]


def test_dpmpp_2m_with_the_peers_default():
    same(ours(Multistep(2, Middle(Data()))), theirs(dpm(2)))
    with pytest.raises(AssertionError):
        same(ours(Multistep(2)), theirs(dpm(2)))


@pytest.mark.parametrize(("kind", "form"), [("heun", Noisy()), ("midpoint", Middle(Noisy()))])
def test_sde_dpmpp_2m(kind, form):
    """The home step to sigma = 0 adds no noise on either side; the peer draws some all the same."""
    noise = randn()
    scheduler = dpm(2, solver_type=kind, algorithm_type="sde-dpmsolver++")
    same(ours(Multistep(2, form)), theirs(scheduler, variance_noise=lambda: noise(start())))


@dataclass(frozen=True)
class HalfCurved(Middle):
    """The peer's 3M: as above with two values; with three, half of the parabola's second-order part."""

    def weights(self, nodes: Sequence[float], start: float, end: float) -> Sequence[float]:
        if len(nodes) < 3:
            return super().weights(nodes, start, end)
        exact = np.array(integrals(nodes, start, end, 1.0))
        places = (np.polynomial.legendre.leggauss(24)[0] + 1) / 2 * (end - start) + start
        scale = np.polynomial.legendre.leggauss(24)[1] / 2 * (end - start) * np.exp(places - end)
        curved = float(np.sum(scale * (places - start) ** 2))
        second = [1 / np.prod([a - b for b in nodes if b != a]) for a in nodes]  # divided difference
        return (exact - 0.5 * curved * np.array(second)).tolist()


def test_dpmpp_3m_with_the_peers_choices():
    same(ours(Multistep(3, HalfCurved(Data()))), theirs(dpm(3)))
    with pytest.raises(AssertionError):
        same(ours(Multistep(3)), theirs(dpm(3)))


class LowerAtTheEnd:
    """The peer's last step but one is at most of order two."""

    def __init__(self, solver, low, time):
        self.solver, self.low, self.time = solver, low, time

    def step(self, denoise, x, t, s, state, randn):
        solver = self.low if float(t.t) == self.time else self.solver
        return solver.step(denoise, x, t, s, state, randn)


@pytest.mark.parametrize("order", [2, 3])
def test_unipc_with_the_peers_choices(order):
    """It puts 1/2 where a line is integrated, and lowers the order before the end."""
    scheduler = exact_tables(
        diffusers.UniPCMultistepScheduler(
            1000, beta_start=1e-4, solver_order=order, timestep_spacing="trailing", final_sigmas_type="zero"
        )
    )
    solver = LowerAtTheEnd(UniPC(order, Middle(Data())), UniPC(min(order, 2), Middle(Data())), float(LEVELS[-3].t))
    found = theirs(scheduler)
    same(ours(solver), found)
    with pytest.raises(AssertionError):
        same(ours(UniPC(order)), found)


def test_deis():
    """The peer has no way home from DEIS: it ends at the first level."""
    levels = [*LEVELS[:-1], *path(SCHEDULE, [1.0])]
    scheduler = exact_tables(
        diffusers.DEISMultistepScheduler(1000, beta_start=1e-4, solver_order=3, timestep_spacing="trailing")
    )
    same(ours(Multistep(3, Noise()), levels), theirs(scheduler, levels))


class HeunInNu:
    """The peer's: the trapezoidal rule in nu from pure noise on, where ours is in kappa while alpha < sigma."""

    def step(self, denoise, x, t, s, state, randn):
        eps = (x - t.alpha * denoise(x, t).mean) / t.sigma
        first = s.alpha * (x / t.alpha + (s.nu - t.nu) * eps)
        last = (first - s.alpha * denoise(first, s).mean) / s.sigma
        return s.alpha * (x / t.alpha + (s.nu - t.nu) * (eps + last) / 2), None


def test_ours_is_the_peers_heun_where_signal_rules():
    t, s = (at(SCHEDULE, time) for time in (200, 150))
    one, two = (solver.step(law, start(), t, s, None, randn())[0] for solver in (Heun(), HeunInNu()))
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_heun():
    """In the peer's units, x / alpha; it asks for the noise at x / sqrt(1 + nu²), which is x_t."""
    scheduler = exact_tables(
        diffusers.HeunDiscreteScheduler(1000, beta_start=1e-4, beta_end=0.02, timestep_spacing="trailing")
    )
    scheduler.set_timesteps(STEPS)
    nus = torch.stack([level.nu for level in LEVELS])
    scheduler.sigmas = torch.cat([nus[:1], nus[1:-1].repeat_interleave(2), nus[-1:]])
    y, states = start() / LEVELS[0].alpha, []
    for i, t in enumerate(scheduler.timesteps):
        n = at(SCHEDULE, float(t) + 1)
        y = scheduler.step(eps_at(n.alpha * y, t), t, y).prev_sample
        if i % 2 == 1 or i == len(scheduler.timesteps) - 1:
            states.append(y)
    alphas = torch.stack([level.alpha for level in LEVELS[1:]])
    same(ours(HeunInNu()), torch.stack(states) * alphas[:, None, None])


def test_the_path_is_the_peers():
    assert [int(a.t - b.t) for a, b in pairwise(LEVELS)] == [50] * STEPS
