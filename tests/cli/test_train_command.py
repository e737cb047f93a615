"""fromnoise train, from data of every kind to a run folder that samples, and on again."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import IMAGES, POINTS, done, write_image, write_pets, write_table

from fromnoise.model import load, read_config
from fromnoise.training import log


def test_a_table(place):
    write_table(Path("my table.csv"))
    said = done(f"train 'my table.csv' --out 'my run' {POINTS} --json run.json")
    first, last = said.err.splitlines()
    assert first.startswith("40 points of 2 numbers, ")
    assert first.endswith(" parameters in fp32, 2 steps: beginning")
    assert last.startswith("done: 2 steps in ")
    assert last.endswith("Next: fromnoise sample 'my run' -n 64 --out samples.png")
    assert said.out == ""
    facts = load("my run").facts
    assert (facts.kind, facts.shape, facts.n, facts.columns) == ("points", (2,), 40, ("kelvin", "metre"))
    numbers = json.loads(Path("run.json").read_text())
    assert {*numbers} == {"run", "step", "steps", "loss", "seconds", "parameters", "interrupted"}
    assert (numbers["run"], numbers["step"], numbers["steps"], numbers["interrupted"]) == ("my run", 2, 2, False)
    assert numbers["loss"] == pytest.approx(log.read(Path("my run"))[-1]["loss"])


def test_a_line_that_changes_how_samples_are_drawn_says_so(place):
    write_table(Path("table.csv"))
    line = f"train table.csv --out run {POINTS}"
    done(f"{line} --sample.solver ddim --sample.steps 3 --sample.batch 7 --precision fp32")
    said = done(line).err.splitlines()
    assert said[0] == (
        "samples of this run are drawn otherwise from now on, solver ddim -> ddpm, steps 3 -> 0; "
        "to keep what it was: --sample.solver ddim --sample.steps 3"
    )
    assert "all done already" in said[1]
    assert "drawn otherwise" not in done(line).err
    Path("run/tuned.toml").write_text('solver = "ddim"\n')  # it decides, whatever the line says
    assert "drawn otherwise" not in done(f"{line} --sample.solver heun").err


def test_the_same_line_goes_on(place):
    """Once done nothing more happens; with more steps it goes on, and ends as a run of that length."""
    write_table(Path("table.csv"))
    line = f"train table.csv --out run {POINTS} --train.decay none"  # a decay depends on the number of steps
    done(line)
    weights = (Path("run/checkpoints/step-00000002/network.safetensors")).read_bytes()
    said = done(line, "--json", "run.json")
    assert said.err.splitlines()[0].endswith("2 steps: all done already")
    assert json.loads(Path("run.json").read_text())["loss"] is None  # and not NaN, which is no JSON
    assert (Path("run/checkpoints/step-00000002/network.safetensors")).read_bytes() == weights
    said = done(f"{line} --train.steps 5")
    assert said.err.splitlines()[0].endswith("5 steps: going on from step 2")
    done(f"{line.replace('run', 'whole')} --train.steps 5")
    one, two = (Path(run, "checkpoints/step-00000005/network.safetensors").read_bytes() for run in ("run", "whole"))
    assert one == two


def test_settings_are_written_as_given(place):
    write_table(Path("table.csv"))
    done(f"train table.csv --out run {POINTS} --train.lr 3e-4 --process.prediction x_0 --train.keep_steps [1,2]")
    config = read_config(Path("run/config.toml"))
    assert (config.train.lr, config.process.prediction, config.train.keep_steps) == (3e-4, "x_0", (1, 2))
    assert (config.schedule["T"], config.network["width"], config.data["name"]) == (8, 8, "table.csv")


def test_folders_are_classes(trained):
    facts = load(trained / "pets").facts
    assert (facts.kind, facts.shape, facts.n, facts.classes) == ("images", (3, 8, 8), 12, ("cat", "dog"))


def test_one_image_and_a_picture_while_training(place):
    write_image(Path("a.png"))
    said = done(f"train a.png --out run {IMAGES} --train.sample_every 2 --train.samples 4")
    assert "1 image of 3x8x8" in said.err
    assert Path("run/samples/step-00000002.png").is_file()


@pytest.mark.parametrize(
    ("array", "shape", "kind"),
    [
        (np.random.default_rng(0).integers(0, 255, (5, 8, 8, 3), dtype=np.uint8), (3, 8, 8), "image"),
        (np.random.default_rng(0).integers(0, 255, (5, 1, 8, 8), dtype=np.uint8), (1, 8, 8), "image"),
        (np.random.default_rng(0).normal(size=(5, 2, 8, 8)), (2, 8, 8), "field"),
        (np.random.default_rng(0).normal(size=(5, 8, 8)).astype(np.float32), (1, 8, 8), "field"),
    ],
    ids=["colour", "gray", "field of two channels", "field"],
)
def test_arrays_of_images_and_fields(array, shape, kind, place):
    np.savez("data.npz", samples=array, labels=np.arange(5) % 2)
    said = done(f"train data.npz --out run {IMAGES.replace('--data.size 8', '')} --process.conditional true")
    assert said.err.startswith(f"5 {kind}s of {'x'.join(map(str, shape))}, ")
    done("sample run -n 3 --quiet --out out.npz")
    made = np.load("out.npz")
    assert made["samples"].shape == (3, *shape)
    assert made["labels"].tolist() == [0, 1, 0]
    done("sample run -n 3 --quiet --out out.png")


def test_the_recipe_of_the_paper(place):
    said = done("train swissroll-kuras --out run --quiet --train.steps 3 --data.n 500 --sample.steps 0")
    assert said.err.startswith("500 points of 2 numbers, ")
    config = read_config(Path("run/config.toml"))
    assert (config.schedule["T"], config.network["name"]) == (40, "fnn")
    done("sample run -n 5 --quiet --out out.npy")
    assert np.load("out.npy").shape == (5, 2)


def test_a_printed_recipe_is_a_recipe(place):
    Path("mine.toml").write_text(done("recipes swissroll-kuras").out)
    short = "--quiet --train.steps 2 --data.n 100"
    done(f"train mine.toml --out one {short}")
    done(f"train swissroll-kuras --out two {short}")
    assert Path("one/config.toml").read_bytes() == Path("two/config.toml").read_bytes()
    one, two = (Path(run, "checkpoints/step-00000002/network.safetensors").read_bytes() for run in ("one", "two"))
    assert one == two


def test_a_network_of_ones_own(place, monkeypatch):
    """Imported because the line names it; a model that only names it in its file does not import it."""
    write_table(Path("table.csv"))
    Path("ownnet.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, shape, classes=0, outputs=1, extra_channels=0, width: int = 4):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(shape[0], outputs * shape[0])\n"
        "    def forward(self, x, time, label=None, extra=None):\n"
        "        return self.layer(x)\n"
    )
    monkeypatch.syspath_prepend(str(Path().resolve()))
    short = "--quiet --schedule.T 8 --sample.steps 0 --train.batch 4 --train.steps 2"
    said = done(f"train table.csv --out run {short} --network ownnet:Net --network.width 6")
    assert "6 parameters" in said.err
    done("sample run -n 2 --quiet --out a.npy --network ownnet:Net")


def test_strict_is_content_with_whole_images(place):
    write_pets(Path("photos"))
    done(f"train photos --out run --strict {IMAGES}")
    assert read_config(Path("run/config.toml")).data["strict"] is True


def test_quiet_says_what_matters_only(place):
    write_table(Path("table.csv"))
    assert len(done(f"train table.csv --out run {POINTS}").err.splitlines()) == 2


def test_other_processes_are_silent(place, monkeypatch):
    """Of several processes only the first speaks; RANK says which one this is."""
    from fromnoise.cli import outputs

    monkeypatch.setenv("RANK", "1")
    assert not outputs.speaks()
    monkeypatch.setenv("RANK", "0")
    assert outputs.speaks()


def test_steps_that_were_left_out_are_told(place):
    """A rate beyond all reason overflows: the steps are named, and training stops after `patience` of them."""
    from commands import call

    write_table(Path("table.csv"))
    said = call(f"train table.csv --out run {POINTS} --train.steps 50 --train.lr 1e38 --train.patience 3")
    assert said.code == 2, said.err
    assert "the gradient was not finite and the step was left out (1 so far)" in said.err
    assert said.err.splitlines()[-1].startswith("fromnoise: the gradient was not finite for 3 steps in a row")


def test_what_makes_it_slow_is_told_and_one_word_sets_the_precision(place, monkeypatch):
    """Without compiled kernels pictures take several times as long; --precision holds for sampling, too."""
    from fromnoise.networks import native

    monkeypatch.setattr(native, "why_none", lambda: "there is no C compiler")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = done("train mnist --out run --precision fp32 --train.steps 1 --train.batch 2 --network.width 8")
    first = said.err.splitlines()[0]
    assert " parameters in fp32, " in first
    assert "slowly without compiled kernels (there is no C compiler)" in first
    config = tomllib.loads(Path("run/config.toml").read_text())
    assert config["train"]["precision"] == config["sample"]["precision"] == "fp32"
    write_table(Path("table.csv"))
    assert "slowly" not in done(f"train table.csv --out points {POINTS}").err
    again = done("train mnist --out run --precision fp32 --train.steps 1 --train.batch 2 --network.width 8")
    assert "slowly" not in again.err  # there is nothing to do
