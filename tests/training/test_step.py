"""One step against plain autograd, the averaged weights and the learning rate against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fromnoise.errors import UserError
from fromnoise.process import at
from fromnoise.training import Finished, Stepped
from fromnoise.training.draws import batch_index, draw
from fromnoise.training.ema import Averaged
from fromnoise.training.loop import Loop
from runs import drain, gradient, loop_of, pictures, points


def awake(loop: Loop) -> Loop:
    """The same loop, its last layer no longer zero, so that every weight has a gradient."""
    with torch.no_grad():
        for p in loop.bare.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return loop


@pytest.mark.parametrize("loss", ["simple", "clean", "velocity", "min-snr"])
def test_the_gradient_is_that_of_the_papers_loss(loss):
    """Algorithm 1 written out again: mean over batch and elements of w(t) (x̂_0 − x_0)²."""
    config = points(process__loss=loss, process__conditional=False)
    loop = awake(loop_of(config))
    found = gradient(loop)
    loop.bare.zero_grad()
    batch = loop.task.batch(0)
    x_0, n = batch.x_0, at(loop.schedule, batch.level.t, batch.x_0)
    x_t = n.alpha * x_0 + n.sigma * batch.eps
    v = loop.bare(x_t, batch.level.t / 20)
    snr = n.alpha**2 / n.sigma**2
    weight = {"simple": snr, "clean": 1.0, "velocity": 1 / n.sigma**2, "min-snr": snr.clamp(max=5)}[loss]
    (weight * (n.alpha * x_t - n.sigma * v - x_0) ** 2).mean().backward()
    expected = torch.cat([p.grad.flatten() for p in loop.bare.parameters()])
    assert (found - expected).norm() < 1e-5 * expected.norm()


def test_sum_is_mean_times_the_number_of_elements():
    mean, total = (gradient(awake(loop_of(points(train__reduction=how)))) for how in ("mean", "sum"))
    assert (total - 8 * 2 * mean).norm() < 1e-5 * total.norm()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("parts", [2, 8])
def test_accumulating_parts_is_the_whole_batch(reduction, parts):
    whole, sliced = (
        gradient(awake(loop_of(points(train__reduction=reduction, train__accumulate=n)))) for n in (1, parts)
    )
    assert (whole - sliced).norm() < 1e-6 * whole.norm()


@pytest.mark.parametrize(("hidden", "shown"), [(0.0, {0, 1}), (1.0, {2})])
def test_label_dropout_hides_labels_behind_the_number_of_classes(hidden, shown):
    loop, seen = loop_of(points(train__label_dropout=hidden)), set()
    classes = len(loop.task.batches.data.classes)
    loop.bare.register_forward_pre_hook(lambda net, args: seen.update(args[2].tolist()))
    for _ in range(4):
        loop.step()
    assert seen <= set(range(classes)) if hidden == 0 else seen == {classes}
    assert len(seen) == (classes if hidden == 0 else 1)


def test_flips_mirror_about_half_of_the_pictures_left_to_right(tmp_path):
    loop = loop_of(pictures(tmp_path).override({"network.every": 0}), network="nets:Stumbling")
    steps = loop.task.batches.blocks.steps  # which are drawn as one large batch
    draws, index = draw(0, 0, 8 * steps, (1, 8, 8), True, 0.2, torch.device("cpu")), batch_index(0, 0, 8, 37)
    seen = []
    loop.task.loss = lambda denoise, part: (
        seen.append(part.x_0) or loop.bare.net.last.weight.sum() + 0 * part.x_0[:, 0, 0, 0]
    )
    loop.step()
    for x_0, flip, row in zip(torch.cat(seen), draws.flip[:8], loop.task.batches.data.batch(index), strict=True):
        assert torch.equal(x_0, row.flip(-1) if flip else row)


def test_flips_are_refused_for_points():
    with pytest.raises(UserError, match=r"train\.flip mirrors images, and these data are points"):
        drain(points(train__flip=True))


@settings(deadline=None, max_examples=30)
@given(decay=st.floats(0, 0.9999), steps=st.integers(1, 30))
def test_averaged_weights_follow_their_closed_form(decay, steps):
    """After K updates: w_0 ∏ keep_k + Σ_k (1 − keep_k) w_k ∏_{j>k} keep_j."""
    net = nn.Linear(1, 1, bias=False)
    values = [float(np.sin(k)) for k in range(steps + 1)]
    nn.init.constant_(net.weight, values[0])
    averaged = Averaged(net, decay)
    for k in range(steps):
        nn.init.constant_(net.weight, values[k + 1])
        averaged.update(net, k)
    keep = np.array([min(decay, (1 + k) / (10 + k)) for k in range(steps)])
    after = np.append(np.cumprod(keep[::-1])[::-1], 1.0)
    expected = values[0] * after[0] + sum((1 - keep[k]) * values[k + 1] * after[k + 1] for k in range(steps))
    assert averaged.network.weight.item() == pytest.approx(expected, abs=1e-6)


def test_averaged_buffers_are_copied_and_weights_have_no_gradient():
    net = nn.BatchNorm1d(2)
    averaged = Averaged(net, 0.9)
    net(torch.randn(9, 2))
    averaged.update(net, 100)
    assert torch.equal(averaged.network.running_mean, net.running_mean)
    assert not any(p.requires_grad for p in averaged.network.parameters())
    assert not averaged.network.training


@pytest.mark.parametrize("decay", ["none", "linear", "cosine"])
def test_the_rate_warms_up_and_falls_as_written(decay):
    config = points(train__steps=40, train__warmup=5, train__decay=decay, train__lr=0.3, train__log_every=1)
    rates = [event.lr for event in drain(config) if isinstance(event, Stepped)]
    for step, rate in enumerate(rates):
        fall = {"none": 1, "linear": 1 - step / 40, "cosine": math.cos(math.pi * step / 80) ** 2}[decay]
        assert rate == pytest.approx(0.3 * min(1, (step + 1) / 5) * fall, rel=1e-12)


def test_the_rate_is_what_the_optimiser_uses():
    """The first step of Adam moves every weight by lr · g / (|g| + 1e-8): by lr itself, to 1e-5."""
    loop = awake(loop_of(points(train__lr=0.01, train__warmup=4)))
    before = [p.detach().clone() for p in loop.bare.parameters()]
    loop.step()
    moved = torch.cat([(p.detach() - b).abs().flatten() for p, b in zip(loop.bare.parameters(), before, strict=True)])
    assert moved.max() == pytest.approx(0.01 / 4, rel=1e-4)
    assert moved.median() == pytest.approx(0.01 / 4, rel=1e-2)


def test_clipping_bounds_the_norm_and_reports_it_unclipped():
    free, bound = (awake(loop_of(points(train__clip=clip))) for clip in (0.0, 1e-3))
    whole, clipped = gradient(free), gradient(bound)
    assert clipped.norm() == pytest.approx(1e-3, rel=1e-3)
    assert torch.nn.functional.cosine_similarity(whole, clipped, dim=0) > 1 - 1e-6
    events = [drain(points(train__clip=clip, train__steps=1)) for clip in (0.0, 1e-3)]
    norms = [event.grad_norm for found in events for event in found if isinstance(event, Stepped)]
    assert norms[0] == norms[1] > 1e-3


def test_the_logged_loss_is_the_mean_over_the_steps_between():
    often, seldom = (
        [event.loss for event in drain(points(train__steps=12, train__log_every=n)) if isinstance(event, Stepped)]
        for n in (1, 4)
    )
    assert seldom == pytest.approx(np.reshape(often, (3, 4)).mean(1), rel=1e-12)


def test_bf16_runs_near_fp32_and_precision_may_change_within_a_process():
    losses = {}
    for precision in ("fp32", "bf16", "fp32"):
        *_, stepped, finished = drain(points(train__precision=precision, train__steps=20))
        assert all(p.dtype == torch.float32 for p in finished.model.network.parameters())
        losses.setdefault(precision, []).append(stepped.loss)
    assert losses["fp32"][0] == losses["fp32"][1]
    assert losses["bf16"][0] == pytest.approx(losses["fp32"][0], rel=0.05)
    assert losses["bf16"][0] != losses["fp32"][0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can do fp16")
def test_fp16_without_a_gpu_is_one_line():
    with pytest.raises(UserError, match=r"train\.precision fp16 needs a GPU; use fp32, or bf16"):
        drain(points(train__precision="fp16"))


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_weight_decay_is_the_optimisers_own(optimizer):
    loop = awake(loop_of(points(train__optimizer=optimizer, train__weight_decay=0.5)))
    before = [p.detach().clone() for p in loop.bare.parameters()]
    own = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer]
    plain = own([p.requires_grad_() for p in before], lr=1e-2, weight_decay=0.5)
    loop.step()
    other = awake(loop_of(points()))
    gradient(other)
    for p, q in zip(before, other.bare.parameters(), strict=True):
        p.grad = q.grad
    plain.step()
    for p, q in zip(before, loop.bare.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), q.detach())


def test_a_batch_that_does_not_divide_is_one_line():
    with pytest.raises(UserError, match=r"train\.batch \(8\) must be a multiple of train\.accumulate \(3\)"):
        points(train__accumulate=3)


def test_how_long_must_be_said():
    with pytest.raises(UserError, match=r"--train\.steps N or --train\.epochs N"):
        drain(points(train__steps=0))


def test_epochs_are_passes_through_the_data():
    events = drain(points(train__epochs=2.5, train__batch=10))
    assert events[0].steps == events[-1].step == math.ceil(2.5 * 50 / 10)
    assert isinstance(events[-1], Finished)


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drain(points(train__steps=3))
    assert torch.equal(torch.rand(3), expected)
