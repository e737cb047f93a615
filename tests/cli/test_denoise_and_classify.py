"""fromnoise denoise and classify: what they write, and one line for a mistake."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import done, refused, write_image
from PIL import Image


def test_a_guess_and_draws(runs):
    write_image(Path("noisy.png"))
    done("denoise pets noisy.png --noise 0.2 -n 3 --out clean --json clean.json")
    drawn = np.stack([np.asarray(Image.open(file)) for file in sorted(Path("clean").glob("*.png"))])
    assert len(drawn) == 4
    assert np.ptp(drawn[1:], axis=0).max() > 0
    assert json.loads(Path("clean.json").read_text())["noise"] == 0.2
    done("denoise pets noisy.png --noise 0.2 -n 0 --label dog --quiet --out one.png")


def test_classes_are_written_with_their_errors(runs, trained):
    said = done(f"classify pets {trained / 'photos'} -n 6 --draws 2 --quiet --out classes.csv --json found.json")
    assert "% right, 95 % interval" in said.out
    header, *rows = csv.reader(Path("classes.csv").read_text().splitlines())
    assert header == ["number", "file", "class", "true", "error cat", "error dog"]
    assert len(rows) == json.loads(Path("found.json").read_text())["n"]
    for row in rows:
        errors = [float(value) for value in row[4:]]
        assert row[2] == ("cat", "dog")[errors.index(min(errors))]
        assert Path(row[1]).parts[0] == row[3]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("denoise pets noisy.png --noise 0 --out x.png", "above 0"),
        ("denoise pets noisy.png --noise 1e9 --out x.png", "at most"),
        ("denoise table noisy.png --noise 1 --out x.png", "this one knows points"),
        ("denoise pets noisy.png --out x.png", "--noise"),
        ("classify table", "does not know classes"),
        ("classify pets photos --out x.png", "use .csv"),
        ("classify pets photos --train.lr 3", "not an option of the data"),
    ],
)
def test_a_mistake_is_one_line(runs, line, says):
    write_image(Path("noisy.png"))
    refused(line, says)
