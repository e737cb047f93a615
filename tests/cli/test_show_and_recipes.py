"""fromnoise show, recipes and doctor."""

import importlib.util
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import done, write_pets, write_table
from PIL import Image

from fromnoise.folders import cache_folder
from fromnoise.training import recipes


@pytest.mark.parametrize("what", ["table.csv", "photos", "swissroll", "fields.npy"])
@pytest.mark.parametrize("view", ["data", "schedule", "forward"])
def test_each_view_of_each_kind(view, what, place):
    write_table(Path("table.csv"))
    write_pets(Path("photos"))
    np.save("fields.npy", np.random.default_rng(0).normal(size=(5, 8, 8)))
    few = "--data.n 500" if what == "swissroll" else ""
    said = done(f"show {view} {what} {few} -n 6 --out new/{view}.png")
    assert (said.out, said.err) == ("", f"wrote new/{view}.png\n")
    with Image.open(f"new/{view}.png") as picture:
        assert min(picture.size) > 50


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_each_format(suffix, begins, place):
    done(f"show schedule swissroll --out a.{suffix}")
    assert Path(f"a.{suffix}").read_bytes().startswith(begins)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_films_of_noising(suffix, place):
    write_pets(Path("photos"))
    done(f"show forward photos -n 4 --out a.{suffix}")
    done(f"show forward moons --data.n 300 --out b.{suffix}")
    for name in "ab":
        with Image.open(f"{name}.{suffix}") as film:
            assert film.n_frames > 5


def test_a_view_depends_on_its_seed_and_settings(place):
    write_table(Path("table.csv"))
    lines = ["", "--seed 1", "--schedule.T 100", ""]
    for i, words in enumerate(lines):
        done(f"show forward table.csv --out {i}.png {words}")
    made = [Path(f"{i}.png").read_bytes() for i in range(len(lines))]
    assert len({*made}) == 3
    assert made[0] == made[3]


def test_the_list_of_recipes(place):
    said = done("recipes --json recipes.json")
    assert [row.split()[0] for row in said.out.splitlines()] == list(recipes())
    assert all(len(row.split(maxsplit=1)[1]) > 10 for row in said.out.splitlines())
    assert {*json.loads(Path("recipes.json").read_text())} == {*recipes()}


@pytest.mark.parametrize("name", sorted(recipes()))
def test_a_recipe_in_full(name, place):
    """What is printed names every setting and means the same configuration."""
    from fromnoise.model import Config

    tree = tomllib.loads(done(f"recipes {name}").out)
    assert {"data", "schedule", "network", "process", "train", "sample"} <= {*tree}
    assert Config.from_dict(tree) == recipes()[name]


def test_doctor(place):
    said = done("doctor --json doctor.json")
    found = json.loads(Path("doctor.json").read_text())
    assert len(said.out.splitlines()) == len(found)
    assert found["python"].startswith("3.")
    assert found["matrix_product_fp32_TFLOPs"] > 0
    assert found["precision_for_images"] in ("fp32", "bf16")
    fp32, bf16 = (found[f"convolution_{name}_TFLOPs"] for name in ("fp32", "bf16"))
    assert found["convolution_gain"] == pytest.approx(bf16 / fp32)
    assert (found["precision_for_images"] == "bf16") == (found["convolution_gain"] > found["bf16_above_a_gain_of"])
    assert found["processor"]
    assert found["threads"] == torch.get_num_threads()
    assert found["cache"] == str(cache_folder())
    assert ("video" in found["extras"]) == (importlib.util.find_spec("imageio_ffmpeg") is not None)
    assert said.err == ""
