"""The ODE to a tolerance: it is met, samples do not see one another, and it says when it cannot."""

from __future__ import annotations

import pytest
import torch

from fromnoise.errors import UserError
from fromnoise.process import VP, Denoised, Flow, at, cosine, linear
from fromnoise.sampling import Adaptive, RungeKutta, path, sample, trajectory
from fromnoise.sampling.singlestep import level_at
from laws import ISLANDS, TWINS

SCHEDULES = {"linear": linear(1000), "cosine": cosine(1000), "vp": VP(), "flow": Flow()}


def ends(schedule, x, law=TWINS, **tolerance):
    levels = [at(schedule, schedule.T), level_at(schedule, 3.0)]
    return Adaptive(schedule, **tolerance).step(law, x, *levels, None, torch.randn_like)[0]


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_tolerance_is_met_and_rules_the_error(schedule):
    x = torch.randn(6, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tables = schedule.T > 1  # their lam has corners, at every whole time
    true = ends(schedule, x, rtol=1e-10 if not tables else 1e-9, atol=1e-10 if not tables else 1e-9)
    errors = [float((ends(schedule, x, rtol=tol, atol=tol) - true).abs().max()) for tol in (1e-3, 1e-5, 1e-7)]
    assert all(error < 20 * tol for error, tol in zip(errors, (1e-3, 1e-5, 1e-7), strict=True)), errors


def test_another_method_agrees():
    schedule, x = Flow(), torch.randn(6, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    levels = [level_at(schedule, lam) for lam in torch.linspace(-3, 3, 401, dtype=torch.float64)]
    *_, true = trajectory(TWINS, RungeKutta(schedule, 4), levels, x)
    *_, found = trajectory(TWINS, Adaptive(schedule, 1e-9, 1e-9), [levels[0], levels[-1]], x)
    torch.testing.assert_close(found, true, rtol=1e-6, atol=1e-6)


def test_a_sample_does_not_depend_on_its_batch_mates():
    x = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = ends(VP(), x, ISLANDS)
    for i in range(len(x)):
        torch.testing.assert_close(ends(VP(), x[i : i + 1], ISLANDS)[0], together[i], rtol=1e-12, atol=1e-12)


def test_the_length_of_steps_is_remembered_along_a_path():
    calls = []

    def counted(x, n):
        calls.append(1)
        return TWINS(x, n)

    schedule, x = VP(), torch.randn(4, 1, dtype=torch.float64)
    sample(counted, Adaptive(schedule), path(schedule, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.0]), x)
    assert len(calls) < 120


def test_what_cannot_be_met_is_said():
    def rough(x, n):
        return Denoised(torch.sin(1e7 * x))

    with pytest.raises(UserError, match="not solved to its tolerance in 50 steps"):
        ends(VP(), torch.randn(2, 1, dtype=torch.float64), rough, rtol=1e-8, atol=1e-8, tries=50)


@pytest.mark.parametrize("tolerance", [{"rtol": 0.0}, {"atol": -1.0}])
def test_tolerances_are_positive(tolerance):
    with pytest.raises(ValueError, match="tolerances must be positive"):
        Adaptive(VP(), **tolerance)


def test_float32_stays_float32():
    x = ends(Flow(), torch.randn(3, 1))
    assert x.dtype == torch.float32
    assert bool(x.isfinite().all())
