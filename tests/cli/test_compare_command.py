"""fromnoise compare, and judge --all: several judgements beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from commands import POINTS, done, refused

from fromnoise.cli.compare import better
from fromnoise.cli.judge_data import SAMPLES
from fromnoise.evaluation import Estimate


@pytest.fixture
def rolls(place):
    """One run that has hardly learned, with its checkpoints, and one that has learned nothing."""
    done(f"train moons --out learned {POINTS} --data.n 400 --train.steps 30 --train.keep 9 --train.checkpoint_every 10")
    done(f"train moons --out nothing {POINTS} --data.n 400 --train.steps 1")


def judged(**values: tuple[float, float, float]) -> SimpleNamespace:
    """As much of an outcome as `better` looks at: numbers by name, energy low ones good, recall high ones."""
    good = {"energy": "low", "recall": "high"}
    each = [
        SimpleNamespace(name=name, about=SimpleNamespace(name=name, better=good[name]), value=Estimate(*value))
        for name, value in values.items()
    ]

    class Found(dict):
        numbers = each

    return SimpleNamespace(found=Found({one.name: one for one in each}))


@pytest.mark.parametrize(
    ("energy", "expected"),
    [
        ([(1.0, 0.8, 1.2), (2.0, 1.5, 2.5), (3.0, 1.3, 4.0)], "a"),
        ([(1.0, 0.8, 1.6), (2.0, 1.5, 2.5), (3.0, 2.0, 4.0)], "not told apart"),
        ([(3.0, 2.0, 4.0), (2.5, 2.2, 2.8), (1.0, 0.5, 1.9)], "c"),
        ([(1.0, 0.8, 1.5), (2.0, 1.5, 2.5), (3.0, 2.0, 4.0)], "not told apart"),
        ([(1.0, float("nan"), float("nan")), (2.0, 1.5, 2.5), (3.0, 2.0, 4.0)], "not told apart"),
    ],
)
def test_the_better_run_is_better_than_all_beyond_both_intervals(energy, expected: str) -> None:
    runs = [judged(energy=value, recall=tuple(-end for end in (value[0], value[2], value[1]))) for value in energy]
    found = better(dict(zip("abc", runs, strict=True)))
    assert found == {"energy": expected, "recall": expected}


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
        ("compare learned other --out report", "say by what all are judged"),
        ("judge nothing --all --out report", "--train.keep 10"),
        ("judge --all --generated moons --reference moons --out report", "leave --generated out"),
    ],
)
def test_what_is_refused(rolls, line: str, expected: str) -> None:
    if "other" in line:
        done(f"train moons --out other {POINTS} --data.n 401 --train.steps 1")
    refused(line, expected)


def test_the_card_is_of_the_data_that_were_used(rolls) -> None:
    np.savetxt("others.csv", np.random.default_rng(0).standard_normal((700, 2)), delimiter=",")
    done("judge learned -n 150 --reference others.csv --out report --quiet")
    card = Path("report/data.md").read_text()
    assert "| name | others.csv |" in card
    assert "400" not in card


def test_samples_told_other_classes_are_drawn_anew(place) -> None:
    """The shares of the classes are the reference's."""
    done(f"train moons --out run {POINTS} --data.n 400 --process.conditional true")
    done("sample run -n 220 --label 0 --out few.csv")
    done("judge run -n 150 --out report --quiet")
    first = np.load(f"report/{SAMPLES}")["samples"]
    done("judge run -n 150 --reference few.csv --out report --quiet")
    assert not np.array_equal(first, np.load(f"report/{SAMPLES}")["samples"])
