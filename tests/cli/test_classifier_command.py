"""fromnoise train --classifier, and sample --classifier with it; and mistakes."""

import json
from pathlib import Path

import pytest
from commands import IMAGES, done, refused

from fromnoise.model import load


@pytest.fixture
def teller(runs, trained):
    done(f"train {trained / 'photos'} --out tells --classifier {IMAGES}")
    return "tells"


def test_a_classifier_leads_runs_with_and_without_classes(teller, trained):
    assert load(teller).config.process.prediction == "class"
    done(f"train {trained / 'photos'} --out plain {IMAGES}")
    for run in ("pets", "plain"):
        done(f"sample {run} -n 3 --classifier {teller} --label dog --out {run}.png --json {run}.json --quiet")
        assert json.loads(Path(f"{run}.json").read_text())["calls"] == 8 * 3
    done(f"sample plain -n 3 --classifier {teller} --weight 2 --interval -1 2 --out again.npz --quiet")


def test_a_mistake_is_one_line(teller, trained):
    refused(f"sample {teller} -n 1 --out a.png", "tells classes and draws nothing")
    refused("sample pets -n 1 --classifier pets --out a.png", "tells no classes")
    refused(f"sample pets -n 1 --classifier {teller} --label bird --out a.png", "bird")
    refused(f"sample pets -n 1 --classifier {teller} --weaker pets --out a.png", "give one of them")
    refused(f"sample table -n 1 --classifier {teller} --out a.png", "knows samples of 3 x 8 x 8, the model draws 2")
    refused(f"classify {teller} -n 1", "tells classes of noisy samples")
    refused(
        f"train {trained / 'photos'} --out pets --classifier {IMAGES}", "pets draws samples: leave --classifier out"
    )
    refused(f"train {trained / 'photos'} --out {teller} {IMAGES}", "tells is a classifier: add --classifier")
    refused(f"train {trained / 'table.csv'} --out t --classifier", "two classes or more")
