"""fromnoise cascade: each stage a run that goes on, each makes larger what the one before draws; and mistakes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import IMAGES, done, refused
from PIL import Image

from fromnoise.errors import UserError
from fromnoise.model import Model, load
from fromnoise.tasks import cascaded, upscaled

LINE = IMAGES.replace("--data.size 8", "")


def test_stages_are_runs_and_the_same_line_draws_others(runs, trained):
    line = f"cascade {trained / 'photos'} --sizes 4 8 --out two -n 4 {LINE}"
    done(line)
    first = np.asarray(Image.open("two/samples.png"))
    small, large = load("two/4"), load("two/8")
    assert (small.facts.shape, large.facts.shape, large.config.process.small) == ((3, 4, 4), (3, 8, 8), 2)
    weights = Path("two/8").rglob("*.safetensors")
    before = {path: path.stat().st_mtime_ns for path in weights}
    done(line)
    assert np.array_equal(np.asarray(Image.open("two/samples.png")), first)
    done(f"{line} --seed 3")
    assert not np.array_equal(np.asarray(Image.open("two/samples.png")), first)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    stages = cascaded([small, large], 3, seed=1)
    assert [tuple(x.shape) for x in stages] == [(3, 3, 4, 4), (3, 3, 8, 8)]
    torch.testing.assert_close(stages[0], small.sample(3, seed=1))
    torch.testing.assert_close(stages[1], upscaled(large, stages[0], noise=0.1, seed=2))


def heard(model, monkeypatch):
    """The classes that a model's network is told, call by call, None where it is told none."""
    told, forward = [], model.network.forward

    def listening(x, time, label=None, *more):
        told.append(label)
        return forward(x, time, label, *more)

    monkeypatch.setattr(model.network, "forward", listening)
    return told


def test_all_stages_are_told_the_same_classes_and_upscaling_alone_none(runs, trained, monkeypatch):
    done(f"cascade {trained / 'photos'} --sizes 4 8 --out two -n 4 --process.conditional true {LINE}")
    small, large = load("two/4"), load("two/8")
    first, second = heard(small, monkeypatch), heard(large, monkeypatch)
    cascaded([small, large], 3, seed=1)
    for told in (first, second):
        assert told
        assert all(y.tolist() == [0, 1, 0] for y in told)
    second.clear()
    upscaled(large, torch.zeros(1, 3, 4, 4), 3)
    assert second
    assert not any(set(y.tolist()) & {0, 1} for y in second if y is not None)
    facts = dataclasses.replace(large.facts, classes=("dog", "cat"))
    with pytest.raises(UserError, match="different classes"):
        cascaded([small, Model(dataclasses.replace(large.config, facts=facts), large.network)], 3)


def test_stages_must_follow_one_another(runs):
    with pytest.raises(UserError, match="does not follow"):
        cascaded([load("pets"), load("pets")], 1)
    with pytest.raises(UserError, match="begins with a model of images"):
        cascaded([load("table")], 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--sizes 8 12", "each a multiple of the one before"),
        ("--sizes 8 4", "rise"),
        ("--sizes 4 8 --out PHOTOS/run", "write to another place"),
        ("--sizes 4 8 --data.size 8", "leave it out"),
        ("--sizes 4 8 --process.small 2", "leave it out"),
        ("--sizes 4 8 --noise -1", "at least 0"),
        ("", "--sizes"),
    ],
)
def test_a_mistake_is_one_line(runs, trained, words, says):
    refused(f"cascade {trained / 'photos'} --out two {words.replace('PHOTOS', str(trained / 'photos'))}", says)
