"""A model adapted to edges follows them: far better than before it learned, and another drawing is another picture."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from PIL import Image, ImageDraw

import fromnoise as fn
from fromnoise.errors import UserError
from fromnoise.sampling import Observation
from fromnoise.tasks import drawing, restoring, traced
from fromnoise.tasks.trace import along, read_drawing
from fromnoise.training import adapted
from fromnoise.training.fit import facts_of
from fromnoise.training.loop import Loop
from runs import differing, drain, leave

QUICK = {"train.sample_every": 0, "train.precision": "fp32", "sample.precision": "fp32", "train.batch": 32}


@pytest.fixture(scope="module")
def model():
    """One that has hardly begun."""
    return drain(adapted("mnist", "mask").override(QUICK | {"train.steps": 2, "train.batch": 4}))[-1].model


@pytest.fixture(scope="module")
def digits():
    return fn.data.load("mnist", split="test", fit="pad", size=28).batch(range(24))


def test_some_steps_teach_it_masks(digits):
    """Of what is drawn, the bright part is the mask's far more than without the adapter."""
    changes = QUICK | {"train.steps": 120, "train.batch": 16, "train.ema": 0.95}
    model = drain(adapted("mnist", "mask").override(changes))[-1].model
    given = drawing(model, digits)
    how = {"seed": 1, "steps": 10, "weight": 0.0}
    after, before = traced(model, given, **how), fn.load("mnist").sample(24, **how)
    overlap = [
        ((drawing(model, x) * given).sum() / (drawing(model, x) + given).clamp(max=1).sum()).item()
        for x in (after, before)
    ]
    assert overlap[0] > 0.45
    assert overlap[1] < 0.3
    torch.testing.assert_close(traced(model, given[:1], 2, **how)[:1], after[:1], rtol=0, atol=1e-4)


def test_the_model_that_was_adapted_is_inside_as_it_was(model):
    own = fn.load("mnist").network.state_dict()
    for name, weight in model.network.base.state_dict().items():
        torch.testing.assert_close(weight, own[name], rtol=0, atol=0)


def test_saved_it_is_whole(model, digits, tmp_path):
    """It needs the run that it began from no more."""
    model.save(tmp_path / "alone")
    given, how = drawing(model, digits)[:2], {"seed": 0, "steps": 4, "label": 3}
    torch.testing.assert_close(traced(fn.load(tmp_path / "alone"), given, **how), traced(model, given, **how))


def test_it_goes_on_where_it_was_stopped(tmp_path):
    config = adapted("mnist", "edges").override(
        QUICK | {"train.steps": 4, "train.batch": 4, "train.checkpoint_every": 1}
    )
    drain(config, tmp_path / "whole")
    leave(config, tmp_path / "run", lambda event: getattr(event, "step", 0) == 2)
    drain(config, tmp_path / "run")
    assert differing(tmp_path / "whole", tmp_path / "run") == []


def test_without_a_label_no_class_is_told(model, digits):
    given, how = drawing(model, digits[:2]), {"seed": 0, "steps": 3, "precision": "fp32"}
    assert traced(model, given, **how).equal(traced(model, given, weight=0.0, **how))
    assert not traced(model, given, **how).equal(traced(model, given, label=[3, 5], **how))


@pytest.mark.parametrize("kind", ["edges", "mask", "sketch"])
@pytest.mark.parametrize("paper", [0, 255])
def test_a_drawing_of_any_size_keeps_its_lines(model, kind, paper, monkeypatch):
    """A thin line on a large sheet, wider than high, is there in one piece on black, whatever the paper."""
    monkeypatch.setattr(model, "config", model.config.override({"process.condition": kind}))
    sheet = Image.new("L", (900, 450), paper)
    ImageDraw.Draw(sheet).line([(100, 220), (800, 220)], fill=255 - paper, width=2 if kind != "mask" else 90)
    given = read_drawing(sheet, model)
    assert given.shape == (1, 1, 28, 28)
    assert given[0, 0, 0].max() == 0  # the padding is paper
    line = given[0, 0, 11:17, 6:22].amax(0)
    if kind == "mask" and paper:
        assert given[0, 0, 8].max() == 1  # a mask is not turned round
    else:
        assert bool((line > 0.3).all())
        assert given.mean() < 0.25


def test_pictures_while_training_are_of_the_class_of_their_drawing():
    """Of every process, also where there is one picture too many for them all."""
    config = adapted("mnist", "mask").override(QUICK | {"train.steps": 1, "train.samples": 3, "sample.steps": 1})
    data = fn.data.load("mnist", fit="pad", size=28)
    loop = Loop(dataclasses.replace(config, facts=dataclasses.replace(facts_of(data), given=(1, 28, 28))), data, None)
    assert loop._sample().labels.tolist() == data.labels[:3].tolist()
    asked = []
    for rank in (0, 1):
        loop.accelerator = SimpleNamespace(num_processes=2, process_index=rank, gather=lambda x: x)
        asked.append(loop._sample().samples.shape)
    assert asked == [(2, 1, 28, 28), (2, 1, 28, 28)]


def test_the_score_of_lines_within_a_pixel(model):
    lines = torch.zeros(1, 1, 28, 28)
    lines[..., 10, 4:24] = 1
    mask = fn.load("mnist")
    with pytest.raises(UserError, match="not adapted"):
        drawing(mask, lines)
    block = torch.where(lines > 0, 1.0, -1.0)
    assert along(model, block, lines) == pytest.approx(1.0)
    assert along(model, block.roll(1, 2), lines) == pytest.approx(1.0)
    assert along(model, block.roll(2, 2), lines) == 0
    both = block.clone()
    both[..., 20, 4:24] = 1  # half of what is found is not asked for
    assert along(model, both, lines) == pytest.approx(2 / 3)


def test_what_cannot_be(model, digits):
    with pytest.raises(UserError, match="use fromnoise trace"):
        next(restoring(model, Observation(digits[:1], lambda x: x, 0.1)))
    with pytest.raises(UserError, match="U-Net"):
        adapted("swissroll", "edges")
    with pytest.raises(UserError, match="edges or mask or sketch"):
        adapted("mnist", "colours")
    for key, value in (("schedule.T", 500), ("process.prediction", "eps"), ("process.condition", "")):
        with pytest.raises(UserError, match=r"leave \[schedule\]|given something"):
            drain(adapted("mnist", "edges").override(QUICK | {"train.steps": 1, key: value}))
    other = {"data.name": "mixture", "train.steps": 1}
    with pytest.raises(UserError):
        drain(adapted("mnist", "edges").override(QUICK | other))
    with pytest.raises(UserError, match="for pictures"):
        drain(fn.recipe("swissroll").override({"process.condition": "edges", "train.steps": 1}))
    with pytest.raises(UserError, match="rows of shape"):
        traced(model, torch.zeros(1, 1, 14, 14))
    with pytest.raises(UserError, match="given something"):
        model.sample(1)
