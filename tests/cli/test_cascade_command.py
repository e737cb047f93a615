"""fromnoise cascade: each stage a run that goes on, each makes larger what the one before draws; and mistakes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import IMAGES, done, refused
from PIL import Image

from fromnoise.errors import UserError
from fromnoise.model import load
from fromnoise.tasks import cascaded

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
        ("--sizes 4 8 --data.size 8", "leave it out"),
        ("--sizes 4 8 --process.small 2", "leave it out"),
        ("--sizes 4 8 --noise -1", "at least 0"),
        ("", "--sizes"),
    ],
)
def test_a_mistake_is_one_line(runs, trained, words, says):
    refused(f"cascade {trained / 'photos'} --out two {words}", says)
