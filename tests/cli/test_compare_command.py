"""fromnoise compare, and judge --all: several judgements beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import POINTS, done, refused


@pytest.fixture
def rolls(place):
    """One run that has hardly learned, with its checkpoints, and one that has learned nothing."""
    done(f"train moons --out learned {POINTS} --data.n 400 --train.steps 30 --train.keep 9 --train.checkpoint_every 10")
    done(f"train moons --out nothing {POINTS} --data.n 400 --train.steps 1")


def numbers(path: str) -> dict:
    return json.loads(Path(path).read_text())


@pytest.mark.slow
def test_two_runs_are_judged_alike(rolls) -> None:
    said = done("compare learned nothing -n 300 --out report --json c.json --quiet")
    found = numbers("c.json")
    assert found == numbers("report/comparison.json")
    assert list(found["runs"]) == ["learned", "nothing"]
    for k, name in enumerate(found["runs"], 1):
        assert numbers(f"report/{k}-{name}/judgement.json") == found["runs"][name]
        assert Path(f"report/{k}-{name}/index.html").is_file()
    assert "sliced Wasserstein-2: " in said.out
    assert "| clearly the better |" in Path("report/report.md").read_text()
    first = {path: path.stat().st_mtime_ns for path in Path("report").glob("*/samples.npz")}
    done("compare learned nothing -n 300 --out report --quiet")
    assert {path: path.stat().st_mtime_ns for path in Path("report").glob("*/samples.npz")} == first  # not drawn anew


@pytest.mark.slow
def test_every_checkpoint_is_judged(rolls) -> None:
    done("judge learned -n 200 --all --out report --quiet")
    curves = numbers("report/judgement.json")["checkpoints"]
    steps = [int(path.name[5:]) for path in sorted(Path("learned/checkpoints").iterdir())]
    assert [at["step"] for at in curves] == steps
    assert curves[-1]["numbers"] == numbers("report/judgement.json")["numbers"]
    assert curves[0]["numbers"] != curves[-1]["numbers"]
    assert "Over training" in Path("report/index.html").read_text()


def test_a_data_card_lies_beside_the_page_and_costs_are_told(rolls) -> None:
    done("judge learned -n 150 --out report --quiet")
    card = Path("report/data.md").read_text()
    assert "| number | 400 |" in card
    assert "| name | moons |" in card
    cost = numbers("report/judgement.json")["cost"]
    assert cost["flops"] == 1000 * cost["calls"] * cost["call_flops"] > 0
    assert cost["seconds"] > 0
    assert cost["kwh"] is None or cost["kwh"] > 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("compare learned --out report", "compare takes two RUNs or more"),
        ("compare learned learned --out report", "learned stands there twice"),
        ("compare learned other --out report", "say by what all are judged with --reference"),
        ("judge nothing --all --out report", "--train.keep 10"),
        ("judge --all --generated moons --reference moons --out report", "leave --generated out"),
    ],
)
def test_what_is_refused(rolls, line: str, expected: str) -> None:
    if "other" in line:
        done(f"train moons --out other {POINTS} --data.n 401 --train.steps 1")
    refused(line, expected)
