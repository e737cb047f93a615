"""fromnoise augment: class folders of drawn pictures, what they are worth, and mistakes in one line."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import done, refused
from PIL import Image

from fromnoise.data import load


@pytest.fixture
def few(runs, trained):
    """The pets, of which most cats are lost."""
    shutil.copytree(trained / "photos", "photos")
    for path in sorted(Path("photos/cat").glob("*"))[1:]:
        path.unlink()
    return "photos"


def test_the_folder_balances_the_data(few, trained):
    before = load(few, size=8)
    have = [int((before.labels == k).sum()) for k in range(2)]
    line = f"augment pets {few} --out more --steps 2 --seed 3 --json n.json --quiet"
    rng = np.random.default_rng(0)
    for path in [path for path in Path(few).rglob("*") if path.is_file()]:
        new = Path("new", path.relative_to(few)).with_suffix(".png")
        new.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(new)
    done(f"{line} --test new --trials 2 --train-steps 2")
    numbers = json.loads(Path("n.json").read_text())
    lacks = max(have) - have[before.classes.index("cat")]
    assert numbers["drawn"] == {"cat": lacks, "dog": 0}
    assert len(list(Path("more/cat").glob("*.png"))) == lacks
    assert not Path("more/dog").exists()
    assert len(numbers["trials"]) == 2
    assert set(numbers["balanced_accuracy"]) == set(numbers["trials"][0])
    done(f"augment pets {few} --out even --to 6 --steps 2 --quiet")
    assert len(list(Path("even/cat").glob("*.png"))) == 5
    said = done(f"augment pets {few} --out seen --to 12 --steps 2 --check --train-steps 3 --quiet")
    left_out, drawn = map(int, re.search(r"(\d+) of (\d+) drawn pictures left out", said.out + said.err).groups())
    assert drawn == 2 * 12 - sum(have)
    assert left_out + len(list(Path("seen").rglob("*.png"))) == drawn
    done(f"augment pets {few} --out led --to 6 --steps 2 --weight 4 --quiet")
    assert Path("led/cat/00000.png").read_bytes() != Path("even/cat/00000.png").read_bytes()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("augment pets photos --out photos", "not empty"),
        ("augment table photos --out more", "does not know classes"),
        ("augment pets photos --out more --to 1", "above 1"),
        ("augment pets photos --out more --test photos", "all pictures of --test photos are among the data"),
        ("augment pets none --out more", "none"),
        ("augment pets moons --out more", "2"),
        ("augment pets photos --out more --trials 1", "trials"),
    ],
)
def test_a_mistake_is_one_line(few, line, says):
    refused(line, says)
