"""fromnoise likelihood: what it says, what it writes, and what it refuses."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import call, done, write_pets, write_table

from fromnoise import evaluation
from fromnoise.data import load as load_data
from fromnoise.model import load


def data_of(name):
    data = load_data(name)
    return torch.as_tensor(data.units.to_own(data.batch(range(len(data))).double().numpy())).float()


@pytest.fixture
def data(runs):
    """The runs' own data, which a run only names."""
    write_table(Path("table.csv"))
    write_pets(Path("photos"))


def test_points_are_counted_in_their_own_units(data):
    """A table in kelvin and metres: the density's units are those of the columns' scales."""
    said = done("likelihood table -n 40 --terms 10 --steps 6 --quiet --json n.json --out values.csv")
    numbers = json.loads(Path("n.json").read_text())
    rows = list(csv.DictReader(Path("values.csv").read_text().splitlines()))
    assert len(rows) == 40
    for name in ("bound_nats", "flow_nats"):
        assert np.mean([float(row[name]) for row in rows]) == pytest.approx(numbers[name], rel=1e-5)
    model = load("table")
    x_0 = model.from_own(data_of("table.csv"))
    true = evaluation.flow(model, x_0, steps=6).total.double().mean() + math.log(
        model.facts.scale[0] * model.facts.scale[1]
    )
    assert numbers["flow_nats"] == pytest.approx(float(true), rel=1e-4)
    assert numbers["flow_bits_per_dimension"] == pytest.approx(numbers["flow_nats"] / (2 * math.log(2)), rel=1e-5)
    assert "the training data; 2 dimensions" in said.out
    assert "different models" in said.out


def test_other_data_are_measured_in_the_models_units(data):
    """A part of the table, whose own centre and scale are others."""
    head, *rows = Path("table.csv").read_text().splitlines()
    Path("part.csv").write_text("\n".join([head, *sorted(rows)[:9]]) + "\n")
    done("likelihood table part.csv --terms 0 --steps 6 --quiet --json n.json")
    model, x = load("table"), data_of("part.csv")
    assert not torch.allclose(x.mean(0), torch.tensor(model.facts.centre), rtol=0.01)
    true = evaluation.flow(model, model.from_own(x), steps=6).total.double().mean() + model.volume()
    numbers = json.loads(Path("n.json").read_text())
    assert numbers["flow_nats"] == pytest.approx(float(true), rel=1e-4)
    assert (numbers["n"], numbers["classes_told"]) == (9, False)


def test_classes_are_told_where_they_are_the_models_own(data):
    done("likelihood pets -n 3 --terms 4 --steps 0 --quiet --json told.json")
    Path("photos").rename("others")
    for folder in list(Path("others").iterdir()):
        folder.rename(folder.with_name(f"{folder.name}-too"))
    done("likelihood pets others -n 3 --terms 4 --steps 0 --quiet --json untold.json")
    told, untold = (json.loads(Path(f"{name}.json").read_text()) for name in ("told", "untold"))
    assert (told["classes_told"], untold["classes_told"]) == (True, False)
    assert told["bound_nats"] != untold["bound_nats"]


def test_images_and_a_picture(data):
    said = done("likelihood pets -n 4 --terms 4 --steps 2 --quiet --out terms.png")
    assert Path("terms.png").read_bytes()[:4] == b"\x89PNG"
    assert "8-bit values" in said.out
    assert "2 probes leave" in said.out


def test_a_toy_law_is_drawn_anew(data):
    said = done("likelihood swissroll -n 5 --terms 0 --steps 2 --quiet")
    assert "swissroll, seed 1" in said.out
    assert "bound" not in said.out


def test_columns_go_by_their_names(data):
    """A table with its columns in another order is the same table; one with other columns is another."""
    line = "-n 9 --terms 0 --steps 4 --quiet --json"
    head, *rows = Path("table.csv").read_text().splitlines()
    first, second, *rest = head.split(",")
    swapped = [",".join([row.split(",")[1], row.split(",")[0], *row.split(",")[2:]]) for row in [head, *rows]]
    Path("swapped.csv").write_text("\n".join(swapped) + "\n")
    done(f"likelihood table table.csv {line} own.json")
    done(f"likelihood table swapped.csv {line} swapped.json")
    own, other = (json.loads(Path(f"{name}.json").read_text())["flow_nats"] for name in ("own", "swapped"))
    assert other == pytest.approx(own, rel=1e-5)
    Path("named.csv").write_text("\n".join([",".join(["mass", second, *rest]), *rows]) + "\n")
    said = call("likelihood table named.csv")
    assert said.code == 2
    assert f"the data have the columns mass, {second}; the model knows {first}, {second}" in said.err


def test_classes_go_by_their_names(data):
    """Some of the model's classes are told as well; of others it says so."""
    for folder in sorted(Path("photos").iterdir())[1:]:
        folder.rename(Path(".") / f"{folder.name}-away")
    done("likelihood pets photos -n 2 --terms 4 --steps 0 --quiet --json some.json")
    assert json.loads(Path("some.json").read_text())["classes_told"] is True
    (kept,) = Path("photos").iterdir()
    kept.rename(Path("photos") / "unicorn")
    said = done("likelihood pets photos -n 2 --terms 4 --steps 0 --quiet")
    assert "knows no class unicorn: it is told none" in said.err


def test_one_value_has_no_error_and_too_few_are_told(data):
    assert "+-" not in done("likelihood table -n 1 --terms 4 --steps 2 --quiet").out
    said = done("likelihood table -n 100 --terms 0 --steps 4 --quiet").out
    assert "40 samples of table.csv, the training data, all there are" in said
    assert "half the steps of the ODE change a sample's -log p by" in said


def test_few_steps_of_the_ode_are_told_by_half_as_many(data):
    """Four steps are far from enough, and say so; sixty are."""
    changes = []
    for steps in (4, 60):
        done(f"likelihood swissroll -n 20 --terms 0 --steps {steps} --quiet --json n.json")
        changes.append(json.loads(Path("n.json").read_text())["flow_half_steps_nats"])
    assert changes[0] > 0.3 > 0.1 > changes[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("likelihood table --terms 0 --steps 0", "leave nothing to compute"),
        ("likelihood table moonss", "moons"),
        ("likelihood swissroll mnist", "samples of 1 x 32 x 32, the model is one of 2"),
        ("likelihood table --train.lr 1", "--train.lr is not an option of the data"),
        ("likelihood table --out x.npz", "use .png, .svg, .pdf or .csv"),
        ("likelihood table -n 0", "at least 1"),
        ("likelihood table --terms 0 --steps 2 -n 2 --quiet --out x.png", "a .csv to write to"),
    ],
)
def test_mistakes_are_one_line(data, line, message):
    said = call(line)
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
