"""fromnoise anomalies: a picture of the strangest, scores, an AUROC by classes, and one line for a mistake."""

import json
from pathlib import Path

import pytest
from commands import done, refused
from PIL import Image


def test_scores_pictures_and_auroc(runs, trained):
    photos = trained / "photos"
    said = done(f"anomalies pets {photos} --normal cat --draws 1 --quiet --out scores.csv --json found.json")
    assert "AUROC of the" in said.out
    header, *rows = Path("scores.csv").read_text().splitlines()
    assert header == "number,score"
    assert len(rows) == json.loads(Path("found.json").read_text())["n"]
    assert 0 <= json.loads(Path("found.json").read_text())["auroc"] <= 1
    done(f"anomalies pets {photos} -n 3 --draws 1 --quiet --out strange.png")
    assert Image.open("strange.png").width > 100


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("anomalies pets PHOTOS --out x.jpg", "use .png or .csv"),
        ("anomalies pets PHOTOS --strength 0 --out x.png", "above 0"),
        ("anomalies pets PHOTOS --normal dgo --out x.png", "did you mean dog"),
        ("anomalies pets PHOTOS --normal cat dog --out x.png", "all are normal"),
        ("anomalies pets PHOTOS --out PHOTOS/cats.csv --json PHOTOS/cats.csv", "written twice"),
        ("anomalies table --out x.png", "this one knows points"),
    ],
)
def test_a_mistake_is_one_line(runs, trained, line, says):
    refused(line.replace("PHOTOS", str(trained / "photos")), says)
