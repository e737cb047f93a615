"""fromnoise distil: a run from a run."""

from pathlib import Path

import pytest
from commands import call, done, write_pets, write_table

from fromnoise.model import load


def test_a_run_from_a_run(runs):
    write_table(Path("table.csv"))
    line = "distil table --out two --steps 2 --quiet --train.steps 3"
    done(line)
    model = load("two")
    assert (model.config.distil.teacher, model.steps(), model.calls()) == ("table", 2, 2)
    assert "2 network calls each" in done("sample two -n 2 --quiet --out a.npy").err
    done(line)  # the same line again goes on


def test_classes_are_told_to_teacher_and_student(runs):
    write_pets(Path("photos"))
    done("distil pets --out one --steps 1 --quiet --train.steps 2")
    assert load("one").sample(2, label="cat").shape == load("pets").sample(2, label="cat", steps=1).shape


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("distil table --out x --steps 8", "distil it into 1 to 7, not 8"),
        ("distil nothing --out x", "unknown model nothing"),
        ("distil table --out x --distil.solver ddpm --train.steps 1", "unknown solver without noise ddpm"),
    ],
)
def test_mistakes_are_one_line(runs, line, message):
    write_table(Path("table.csv"))
    said = call(line)
    assert said.code == 2
    assert message in said.err
