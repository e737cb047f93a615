"""fromnoise tune: what it keeps, and that it is followed."""

import json
from pathlib import Path

import pytest
from commands import call, done, write_table

from fromnoise.evaluation import Quality
from fromnoise.model import load


@pytest.fixture
def table(runs):
    write_table(Path("table.csv"))


def test_a_run_is_sampled_as_was_found(table, monkeypatch):
    monkeypatch.setattr(
        "fromnoise.evaluation.tuning.Reference.limit", lambda self, seeds: Quality(1e9, 1.0)
    )  # all is good enough
    said = done("tune table -n 20 --calls 3 --solvers unipc --seeds 2 --quiet --out t.png --json t.json")
    assert "the chain, 8 steps" in said.out
    assert "20 x 22 network calls" in said.out
    numbers = json.loads(Path("t.json").read_text())
    assert numbers["chosen"]["solver"] == "unipc"
    assert Path("t.png").read_bytes()[:4] == b"\x89PNG"
    sample = load("table").config.sample
    assert (sample.solver, sample.steps, sample.path) == ("unipc", 3, numbers["chosen"]["path"])
    again = done("tune table -n 20 --calls 2 --solvers ddim --seeds 2 --quiet")
    assert f"(it was solver unipc path {sample.path} steps 3)" in again.err
    assert load("table").config.sample.steps == 2
    assert "2 network calls each" in done("sample table -n 2 --quiet --out a.npy").err
    Path("table/tuned.toml").unlink()
    assert load("table").config.sample.solver == "ddpm"


def test_a_bundled_model_is_only_measured(runs, monkeypatch):
    monkeypatch.setattr("fromnoise.evaluation.tuning.Reference.limit", lambda self, seeds: Quality(1e9, 1.0))
    said = done("tune swissroll -n 20 --calls 3 --solvers ddim --seeds 2 --reference 4 --quiet")
    assert "not a run of yours: give those options" in said.out


def test_nothing_is_written_where_nothing_is_good_enough(table, monkeypatch):
    monkeypatch.setattr("fromnoise.evaluation.tuning.Reference.limit", lambda self, seeds: Quality(-1.0, 1.0))
    assert "nothing that was tried" in done("tune table -n 20 --calls 3 --solvers ddim --seeds 2 --quiet").out
    assert not Path("table/tuned.toml").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("solver = [", "remove it to sample as the recipe says"), ("lr = 3", "holds lr, which tune never writes")],
)
def test_a_file_that_tune_did_not_write_is_refused(runs, text, message):
    Path("table/tuned.toml").write_text(text)
    said = call("sample table -n 2 --out a.npy")
    assert said.code == 2
    assert message in said.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tune table -n 20 --solvers dmpp", "did you mean dpmpp"),
        ("tune table --seeds 1", "at least 2"),
        ("tune table --out x.npz", "use .png, .svg or .pdf"),
        ("tune table -n 1000", "has only 40 samples"),
    ],
)
def test_mistakes_are_one_line(table, line, message):
    said = call(line)
    assert said.code == 2
    assert message in said.err
