"""A learned law of times: the same mean under every law, the least variance, and nothing lost when a run stops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.errors import UserError
from fromnoise.model import checkpoints
from fromnoise.model.assembly import make_denoiser
from fromnoise.model.store import pack, read_tensors
from fromnoise.process import VP, cosine
from fromnoise.training import Saved
from fromnoise.training.learned import BINS, UNIFORM, LearnedTimes
from runs import differing, drain, gradient, leave, loop_of, points

U = (torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1_000_000


def taught(rms, steps: int = 1) -> LearnedTimes:
    """A law that has seen losses of this size at each number."""
    law = LearnedTimes()
    for _ in range(steps):
        u = law(U[::50])
        law.record(u, rms(u))
        law.settle()
        law.renew()
    return law


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=BINS, max_size=BINS), st.sampled_from([cosine(1000), cosine(7), VP()]))
def test_the_mean_of_a_loss_is_that_of_uniform_times_under_every_law(sizes, schedule):
    law, size = LearnedTimes(), torch.tensor(sizes, dtype=torch.float64)
    law.record((torch.arange(BINS) + 0.5) / BINS, size)
    law.settle()
    law.renew()
    u = law(U)
    assert float(u.min()) >= 0
    assert float(u.max()) < 1
    loss = lambda u: 1 + schedule.times(u) / schedule.T  # noqa: E731 - the loss of a time
    assert float((law.weight(u) * loss(u)).mean()) == pytest.approx(float(loss(U).mean()), rel=1e-4)
    assert 1 / BINS * float(law.weight(u).max()) <= 1 / (UNIFORM * BINS) + 1e-9


@pytest.mark.parametrize("rms", [lambda u: 0.01 + u**4, lambda u: (-10 * u).exp(), lambda u: torch.ones_like(u)])
def test_the_variance_is_nearly_the_least_that_a_law_can_have(rms):
    """E_p[(loss / p)²] is at least (∫ rms)², which uniform times exceed 2.6, 5 and 1 times; a tenth of the times are
    uniform in every law, so that it reaches at most 1 / 0.9 times the least, and the bins cost it 1 %."""
    law = taught(rms, 3)
    u = law(U)
    second, least = ((law.weight(u) * rms(u)) ** 2).mean(), rms(U).mean() ** 2
    assert least * (1 - 1e-4) <= second <= least / (1 - UNIFORM) * 1.01


def test_what_is_not_finite_or_not_seen_changes_nothing():
    law = LearnedTimes()
    law.record(torch.tensor([0.1, 0.2]), torch.tensor([float("nan"), float("inf")]))
    law.settle()
    law.renew()
    assert torch.equal(law.share, LearnedTimes().share)
    law.record(torch.tensor([0.01, 0.99]), torch.tensor([1.0, 3.0]))
    law.settle()
    law.renew()
    assert law.share[BINS // 2] == pytest.approx(1 / BINS)  # of the mean of what was seen
    assert law.share[0] < law.share[BINS // 2] < law.share[-1]


def test_a_law_forgets_what_is_long_past():
    law = taught(lambda u: 1 + 9 * (u < 0.5))
    for _ in range(5000):
        law.record(U[::10_000], 1 + 9 * (U[::10_000] >= 0.5))
        law.settle()
    law.renew()
    assert law.share[-1] > 4 * law.share[0]


def learning(**changes):
    return points(process__times="learned", train__batch=16, train__steps=150, train__checkpoint_every=70, **changes)


@pytest.mark.parametrize("at", [70, 140])
def test_a_run_that_stopped_is_the_run_that_did_not(tmp_path, at):
    """64 steps are prepared at once: both stops are inside such a block, whose law is no longer that of the losses."""
    drain(learning(), tmp_path / "whole")
    leave(learning(), tmp_path / "run", lambda e: isinstance(e, Saved) and e.step == at)
    drain(learning(), tmp_path / "run")
    assert differing(tmp_path / "run", tmp_path / "whole") == []
    share = read_tensors(checkpoints(tmp_path / "run")[-1] / "task.safetensors")["share"]
    assert share.max() > 1.5 * share.min()


def test_the_gradient_is_that_of_losses_weighted_by_the_law_that_drew_them():
    """In the middle of a block too, when much has been seen since."""
    loop = loop_of(learning())
    for _ in range(70):
        loop.step()
    assert loop.task.batches.blocks.steps == 64
    drew = LearnedTimes()
    drew.restore(loop.task.state())
    batch = loop.task.batch(70)
    denoise = make_denoiser(loop.bare, loop.config.process, loop.schedule, batch.labels)
    each = loop.task.each(denoise, batch.x_0, batch.level, batch.eps) * drew.weight(batch.u)
    assert drew.weight(batch.u).std() > 0.1
    (each.mean() / 2).backward()
    wanted = torch.cat([p.grad.flatten() for p in loop.bare.parameters()])
    loop.optimizer.zero_grad()
    found = gradient(loop)
    assert (found - wanted).norm() < 1e-5 * wanted.norm()


def test_it_goes_with_the_bound_as_uniform_times_do(tmp_path):
    drain(learning(process__loss="variational"), tmp_path / "run")


@pytest.mark.parametrize(
    "damage", [None, {"share": torch.ones(1)}, {"share": -torch.ones(BINS)}, {"seen": torch.ones(BINS)}, {}]
)
def test_a_damaged_law_is_one_line(tmp_path, damage):
    leave(learning(), tmp_path / "run", lambda e: isinstance(e, Saved))
    path = checkpoints(tmp_path / "run")[-1] / "task.safetensors"
    state = read_tensors(path)
    path.unlink()
    if damage is not None:
        path.write_bytes(pack(state | damage) if damage else b"no tensors")
    with pytest.raises(UserError, match=r"checkpoint .* cannot be used"):
        drain(learning(), tmp_path / "run")
