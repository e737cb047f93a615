"""Solvers that add noise, against exact moments: on Gaussian data every step is affine, so no samples are needed."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from fromnoise.process import VP, Denoised, GaussianMixture, at, linear, linear_scaled, table
from fromnoise.sampling import DDIM, Corrected, EulerMaruyama, Multistep, Noisy, path, sample, score, strided
from laws import TWINS

MEAN, VAR = 0.7, 0.3
LAW = GaussianMixture([1.0], [[MEAN]], [[[VAR]]])


def narrow(x, n):
    return Denoised(LAW(x, n).mean)


def moments(solver, levels, law):
    """Mean and variance at the end, from the true ones at the start, by the step's action on 0, 1 and noise 1."""
    zero, one = torch.zeros(1, 1).double(), torch.ones(1, 1).double()
    mean, var = levels[0].alpha * MEAN, levels[0].alpha ** 2 * VAR + levels[0].sigma ** 2
    for t, s in pairwise(levels):
        offset, scaled, noised = (
            solver.step(law, x, t, s, None, lambda x, z=z: z + 0 * x)[0] for x, z in ((zero, 0), (one, 0), (zero, 1))
        )
        mean, var = (scaled - offset) * mean + offset, (scaled - offset) ** 2 * var + (noised - offset) ** 2
    return float(mean), float(var)


def ends(make, schedule, steps, law):
    """Errors of the mean and of the variance after so many even steps down to t = 0.05 T."""
    times = torch.linspace(1.0, 0.05, steps + 1, dtype=torch.float64) * schedule.T
    levels = path(schedule, times.round(decimals=6).tolist())
    mean, var = moments(make(schedule), levels, law)
    return mean - float(levels[-1].alpha * MEAN), var - float(levels[-1].alpha ** 2 * VAR + levels[-1].sigma ** 2)


TABLES = pytest.mark.parametrize("schedule", [VP(), linear(1000)], ids=["vp", "linear"])


@TABLES
def test_euler_and_maruyama_have_weak_order_one(schedule):
    errors = [ends(EulerMaruyama, schedule, steps, LAW) for steps in (100, 200, 400)]
    for before, after in pairwise(errors):
        assert all(1.8 < one / two < 2.2 for one, two in zip(before, after, strict=True)), errors


@TABLES
def test_the_chain_has_weak_order_one_and_none_to_lose_with_the_variance(schedule):
    """Without Var[x_0|x_t] the mean is exact, the variance of order one; with it both are exact (docs/variance.md)."""
    errors = [ends(lambda _: DDIM(1.0), schedule, steps, narrow) for steps in (100, 200, 400)]
    assert all(abs(mean) < 1e-12 for mean, _ in errors)
    assert all(1.8 < before[1] / after[1] < 2.2 for before, after in pairwise(errors)), errors
    assert max(map(abs, ends(lambda _: DDIM(1.0), schedule, 7, LAW))) < 1e-12


def test_one_step_of_the_table_is_algorithm_2_to_second_order():
    """H section 7: no coincidence. In steps of size beta, the means differ by beta², the noises by beta^(3/2)."""
    x = torch.linspace(-2, 2, 9).double()[:, None]

    def gap(T, z):
        schedule = linear_scaled(T)
        levels = at(schedule, 0.3 * T), at(schedule, 0.3 * T - 1)
        ends = [
            solver.step(lambda x, n: Denoised(TWINS(x, n).mean), x, *levels, None, lambda x: z + 0 * x)[0]
            for solver in (EulerMaruyama(schedule), DDIM(1.0))
        ]
        return ends[0] - ends[1]

    coarse, fine = gap(1000, 0.0), gap(4000, 0.0)
    assert 14 < float(coarse.norm() / fine.norm()) < 18
    noise = [gap(T, 1.0) - gap(T, 0.0) for T in (1000, 4000)]
    assert 7 < float(noise[0].norm() / noise[1].norm()) < 9


def test_a_jagged_table_is_taken_step_by_step():
    """The noise of the step t → t − 1 is beta_t, whatever beta_(t+1) is."""
    schedule = table([0.004, 0.001] * 50)
    for t in (10, 11):
        ends = [
            EulerMaruyama(schedule).step(TWINS, torch.zeros(1, 1).double(), at(schedule, t), at(schedule, t - 1), None,
                                         lambda x, z=z: z + 0 * x)[0]
            for z in (0.0, 1.0)
        ]  # fmt: skip
        assert float(ends[1] - ends[0]) ** 2 == pytest.approx(float(schedule.beta[t]), rel=0.15)


def test_the_memory_of_the_sde_solver_helps():
    """SDE-DPM-Solver++ 2M: the law's error is much below the chain's on the same 40 steps."""
    x = torch.randn(40_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    errors = []
    for solver in (Multistep(1, Noisy()), Multistep(2, Noisy())):
        generator = torch.Generator().manual_seed(1)

        def randn(like, generator=generator):
            return torch.randn(like.shape, dtype=like.dtype, generator=generator)

        end = sample(LAW, solver, strided(linear(1000), 25), x, randn=randn)
        errors.append(abs(float(end.var()) - VAR) / VAR)
    assert errors[1] < 0.4 * errors[0], errors


@pytest.mark.parametrize("steps", [1, 30])
def test_langevin_draws_a_wrong_law_to_the_right_one(steps):
    """On N(0, 1) a step maps a variance to (1 − length)² var + 2 length, whose fixed point is 1 / (1 − length / 2)."""

    class Still:
        def step(self, denoise, x, t, s, state, randn):
            return x, state

    law, n = GaussianMixture([1.0], [[0.0]], [[[1.0]]]), at(linear(1000), 300)
    length = 2 * float(0.3 * n.sigma) ** 2
    true = 0.25
    for _ in range(steps):
        true = (1 - length) ** 2 * true + 2 * length
    generator = torch.Generator().manual_seed(0)

    def randn(like):
        return torch.randn(like.shape, dtype=like.dtype, generator=generator)

    x = 0.5 * torch.randn(50_000, 1, dtype=torch.float64, generator=generator)
    moved, _ = Corrected(Still(), steps, snr=0.3).step(law, x, n, n, None, randn)
    assert abs(float(moved.var()) / true - 1) < 4 * (2 / len(x)) ** 0.5
    assert steps == 1 or abs(true - 1 / (1 - length / 2)) < 0.05


def test_the_score_is_the_gradient_of_the_log_density():
    x = torch.linspace(-1, 1, 7).double()[:, None].requires_grad_()
    n = at(linear(1000), 200)
    (true,) = torch.autograd.grad(TWINS.log_prob(x, n).sum(), x)
    torch.testing.assert_close(score(TWINS, x.detach(), n), true, rtol=1e-10, atol=1e-10)
