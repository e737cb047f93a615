"""fromnoise figures: both papers' figures from a run, with captions."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import done, refused, write_pets, write_table
from PIL import Image

import fromnoise as fn
from fromnoise.cli import figures_drawn
from fromnoise.cli.figures import FIGURES
from fromnoise.cli.figures_data import Source, many_runs, runs_from_one, runs_from_picture
from fromnoise.evaluation import judge_digits
from fromnoise.figures import to_uint8
from fromnoise.model import Model, make_network
from fromnoise.process import at
from fromnoise.sampling import Streams


@pytest.fixture
def pets(runs):
    """The runs of images and of points, their data beside them."""
    write_pets(Path("photos"))
    write_table(Path("table.csv"))
    return "--run pets --points table --quiet"


@pytest.fixture(params=[True, False], ids=["classes", "none"])
def digits(place, request):
    """A tiny, untrained model of digits, told a class or none."""
    changes = {"network.width": 4, "network.multiples": [1], "network.patch": 4, "schedule.T": 8}
    told = {"process.conditional": request.param, "sample.weight": 1.35 if request.param else 1.0}
    config = fn.load("mnist").config.override(changes | told)
    torch.manual_seed(0)
    network = make_network(config, config.facts)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    model = Model(config, network)
    model.save("digits")
    return Source("digits", model)


def test_the_list(place):
    said = done("figures list")
    assert [line.split()[0] for line in said.out.splitlines()] == list(FIGURES)
    assert all(len(line) > 25 for line in said.out.splitlines())


def test_all_draws_what_fits_and_says_what_does_not(pets, monkeypatch):
    import fromnoise.pde

    monkeypatch.setattr(fromnoise.pde, "Problem", functools.partial(fromnoise.pde.Problem, steps=64))
    said = done(f"figures all --out figs --seed 7 {pets}")
    left_out, wrote = said.err.splitlines()
    drawn = [name for name in FIGURES if name != "h4"]
    assert left_out.startswith("left out: h4 (")
    assert f"{len(drawn)} figures" in wrote
    films = {"h2.webp", "h3.webp", "reverse.webp"}
    assert {path.name for path in Path("figs").iterdir()} == {"captions.md", *films, *(f"{n}.png" for n in drawn)}
    told = Path("figs/captions.md").read_text()
    sections = dict(part.split("\n\n", 1) for part in told.split("## ")[1:])
    assert list(sections) == drawn
    for name, caption in sections.items():
        assert "seed 7" in caption or "o seed." in caption, name
        assert caption.strip().endswith(".")
        with Image.open(f"figs/{name}.png") as picture:
            assert picture.text["Description"] == caption.strip()
            assert picture.width <= 6.8 * 200 + 1
    schedule = fn.load("pets").config.schedule["name"]
    facts = f"Run pets, schedule {schedule}, T = 8, seed 7. Ancestral solver (ddpm), 8 steps"
    assert all(facts in sections[name] for name in ("h3", "h5", "h6"))


def test_the_same_line_gives_the_same_bytes_and_another_seed_does_not(pets):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        done(f"figures h2 h5 k4 --out {folder} --seed {seed} {pets}")
    made = {folder: {path.name: path.read_bytes() for path in Path(folder).iterdir()} for folder in "abc"}
    assert made["a"] == made["b"]
    assert made["a"]["h5.png"] != made["c"]["h5.png"]
    assert made["a"]["k4.png"] == made["c"]["k4.png"]


def test_formats_and_replacing(place):
    Path("o").mkdir()
    Path("o/k2.pdf").write_text("old")
    done("figures k2 k2 --out o --quiet --format png svg pdf svg")
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for suffix, head in begins.items():
        assert Path(f"o/k2.{suffix}").read_bytes().startswith(head)
    assert Path("o/captions.md").read_text().count("## k2") == 1


def test_every_run_of_h5_begins_alike_and_ends_otherwise(pets):
    source = Source("pets", fn.load("pets"))
    x_T, states = runs_from_one(source)
    assert all(torch.equal(x, x_T) for x in states[0])
    assert not any(torch.equal(states[-1][i], states[-1][j]) for i in range(9) for j in range(i))
    figure = figures_drawn.h5(source).figure
    results, origin = figure.axes[0].images
    assert np.array_equal(origin.get_array(), to_uint8(x_T).transpose(1, 2, 0))
    pixels = np.asarray(results.get_array())
    for i, x in enumerate(to_uint8(states[-1])):
        row, column = i // 3 * 10, i % 3 * 10
        assert np.array_equal(pixels[row : row + 8, column : column + 8], x.transpose(1, 2, 0))


@pytest.mark.parametrize("t", [None, 3.0])
def test_h6_begins_from_the_noised_picture(pets, t):
    source = Source("pets", fn.load("pets"), 2)
    x_0 = source.pictures(1)[0]
    x_t, states = runs_from_picture(source, x_0, t)
    level = at(source.model.schedule, 8.0 if t is None else t)
    eps = (x_t - level.alpha.float() * x_0) / level.sigma.float()
    assert torch.allclose(eps[None], Streams(2, 2000)(x_0[None]), atol=1e-5)
    assert all(torch.equal(x, x_t) for x in states[0])
    assert len(states) == (9 if t is None else 4)
    left = figures_drawn.h6(source, t).figure.axes[0].images[1:]
    assert np.array_equal(left[0].get_array(), to_uint8(x_0).transpose(1, 2, 0))
    assert np.array_equal(left[1].get_array(), to_uint8(x_t).transpose(1, 2, 0))


def test_h3_is_the_walk_of_the_unconditional_model(pets):
    """With no guidance at all, weight 0, a model walks the same way through its own `trajectory`."""
    source = Source("pets", fn.load("pets"), 5)
    _, states = many_runs(source, 9)
    for ours, theirs in zip(states, source.model.trajectory(9, seed=5, solver="ddpm", weight=0.0), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_h4_counts_as_the_classifier_does(digits):
    drawn = figures_drawn.h4(digits)
    told = digits.classes(500)
    assert told is None or torch.bincount(told, minlength=10).min() > 30
    judged = judge_digits(digits.model.sample(500, seed=digits.seed, label=told))
    counts = torch.bincount(judged.digit, minlength=10).tolist()
    words = [text.get_text() for text in drawn.figure.axes[0].texts]
    assert [text for text in words if text.startswith("n = ")] == [f"n = {n}" for n in counts]
    unsure = int((judged.confidence < 0.9).sum())
    assert f"Of {unsure} it is less than 90% sure" in drawn.caption
    if told is None:
        assert "no class told" in drawn.caption
    else:
        assert f"{int((judged.digit == told).sum())} came out as told" in drawn.caption


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("h9 --out o", "unknown figure h9; did you mean h"),
        ("scedule --out o", "unknown figure scedule; did you mean schedule"),
        ("k2", "--out DIR"),
        ("k2 --out o --format jpg", "invalid choice"),
        ("h1 --run table --out o", "h1: this figure is of images, table is a run of points: see --run"),
        ("k4 --run table --out o", "k4: this figure is of images"),
        ("reverse --points pets --out o", "reverse: this figure is of points, pets is a run of images: see --points"),
        ("h4 --run pets --out o", "h4 is for digits"),
        ("h3 --run sure --out o", "sure needs a class"),
        ("h1 --run pets --out o", "the training data of pets cannot be read"),
        ("h1 --run nowhere --out o", "nowhere"),
        ("k2 --out table/config.toml", "is not a folder"),
        ("k2 --out table/config.toml/o", "is not a folder"),
    ],
)
def test_mistakes_are_one_line_before_any_work(line, says, runs):
    refused(f"figures {line}", says)


def test_a_folder_in_the_way_is_a_mistake(place):
    Path("o/k2.png").mkdir(parents=True)
    refused("figures k2 --out o", "it is a folder")


def test_captions_of_other_figures_stay():
    """A second call adds its own, in the order of the papers, and takes none away."""
    done("figures k2 --out o --quiet")
    before = Path("o/captions.md").read_text()
    Path("o/captions.md").write_text(before.replace("## k2", "## h1\n\nA caption of before.\n\n## k2"))
    done("figures k2 --out o --quiet")
    told = Path("o/captions.md").read_text()
    assert told == before.replace("## k2", "## h1\n\nA caption of before.\n\n## k2")
