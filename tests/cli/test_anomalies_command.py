"""fromnoise anomalies: a picture of the strangest, scores, an AUROC by classes, and one line for a mistake."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import done, refused
from PIL import Image

from fromnoise.data import load as load_data
from fromnoise.model import load
from fromnoise.tasks.anomalies import surprise


def test_scores_pictures_and_auroc(runs, trained):
    photos = trained / "photos"
    said = done(f"anomalies pets {photos} --normal cat --draws 1 --quiet --out scores.csv --json found.json")
    assert "AUROC of the" in said.out
    header, *rows = Path("scores.csv").read_text().splitlines()
    assert header == "number,file,score"
    found = json.loads(Path("found.json").read_text())
    assert len(rows) == found["n"]
    rows = [row.split(",") for row in rows]
    scores = {name: float(score) for _, name, score in rows}
    assert scores == pytest.approx(found["scores"], rel=1e-5)
    strangest = said.out.split("the strangest: ")[1].split("\n")[0].split(", ")
    assert strangest == sorted(scores, key=scores.get, reverse=True)[:5]
    data = load_data(str(photos), size=8)
    numbers = [int(number) for number, _, _ in rows]
    assert [data.names[number] for number in numbers] == list(scores)
    own = surprise(load("pets"), data.batch(numbers), draws=1, seed=0)
    assert list(scores.values()) == pytest.approx(own.tolist(), rel=1e-4)
    cat = data.labels[numbers] == data.classes.index("cat")
    values = np.array(list(found["scores"].values()))
    normal, others = values[cat][:, None], values[~cat]
    wanted = ((normal < others) + 0.5 * (normal == others)).mean()
    assert found["auroc"] == pytest.approx(wanted)
    one = load_data(str(photos / next(iter(scores))), size=8)
    np.testing.assert_array_equal(one.rows[0], data.rows[numbers[0]])
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
        ("anomalies pets PHOTOS --out PHOTOS/strange.png", "write to another place"),
    ],
)
def test_a_mistake_is_one_line(runs, trained, line, says):
    refused(line.replace("PHOTOS", str(trained / "photos")), says)
