"""Models that are missing, damaged, hostile, or asked for what they do not know."""

import pickle
import re
import shutil
from pathlib import Path

import pytest
import torch
from commands import POINTS, Touch, refused, write_table

CHECKPOINT = Path("checkpoints/step-00000002")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("nosuch", "nosuch"),
        ("./nosuch", "there is no run at ./nosuch"),
        ("''", "."),
        ("empty", "empty holds no model yet: no checkpoint and no model.safetensors"),
        ("table --solver dpm", "unknown solver dpm; did you mean ddpm"),
        ("table --steps 9", "at least 1 and at most 8, got 9"),
        ("table --label 0", "this model does not know classes; train one with --process.conditional true"),
        ("table --label cat", "this model does not know classes"),
        ("table --weight 2", "guidance needs classes; train a model with --process.conditional true"),
        ("pets --label ct", "unknown class ct; did you mean cat"),
        ("pets --label horse", "unknown class horse; known: cat, dog"),
        ("pets --label cat,dog", "cat,dog are several classes: give one"),
        ("pets --label cat,horse", "unknown class cat,horse"),
        ("pets --label 2", "labels run from 0 to 1 here: cat, dog"),
        ("pets --label -1", "labels run from 0 to 1 here: cat, dog"),
        ("pets --label ²", "unknown class ²"),
        ("pets --label=--1", "unknown class --1"),
        ("pets --label 99999999999999999999", "unknown class 99999999999999999999"),
        ("pets --label ''", "unknown class ; known: cat, dog"),
        ("sure --label cat --weight 2", "guidance needs a model trained with train.label_dropout above 0"),
        ("sure --weight 0", "guidance needs a model trained with train.label_dropout above 0"),
        ("table --network math:pi", "'math:pi' is not a network"),
        ("table --network nosuchmodule:Net", "no module named 'nosuchmodule'"),
        ("pets/config.toml", "pets/config.toml"),
    ],
)
def test_a_model_that_cannot_be_sampled_so(words, says, runs):
    Path("empty").mkdir()
    refused(f"sample {words} --quiet --out a.npz", re.compile(says).pattern)


def weights(run: str) -> Path:
    """The file of the weights that are sampled."""
    folder = Path(run) / CHECKPOINT
    return next(path for name in ("ema", "network") if (path := folder / f"{name}.safetensors").is_file())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda whole: whole[: len(whole) // 2], "is damaged or not a safetensors file"),
        (lambda whole: whole[:4], "is damaged or not a safetensors file"),
        (lambda whole: b"", "is damaged or not a safetensors file"),
        (lambda whole: b"\xff" * 64, "is damaged or not a safetensors file"),
        (lambda whole: pickle.dumps(Touch()), "pickled weights are never opened"),
    ],
    ids=["half", "a few bytes", "empty", "a huge header", "a pickle"],
)
def test_damaged_weights(content, says, runs):
    path = weights("table")
    path.write_bytes(content(path.read_bytes()))
    refused("sample table --out a.npz", says)
    refused(f"sample table/{CHECKPOINT} --out a.npz", says)
    write_table(Path("table.csv"))
    refused(f"train table.csv --out table {POINTS}",
            f"{CHECKPOINT} cannot be used .*; remove that folder to begin again")  # fmt: skip
    assert not Path("unpickled").exists()


def test_weights_saved_by_torch_are_not_unpickled(runs):
    torch.save({"weights": Touch()}, weights("table"))
    refused("sample table --out a.npz", "pickled weights are never opened")
    assert not Path("unpickled").exists()


def test_weights_of_another_network(runs):
    shutil.copy(weights("pets"), weights("table"))
    refused("sample table --out a.npz", "the weights of table do not fit its network")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "a = [", "config.toml is not a TOML file"),
        (lambda text: text + "\n[more]\na = 1", "unknown key more"),
        (lambda text: text.replace("[train]", "[train]\nlrr = 3"), "unknown key train.lrr; did you mean train.lr"),
        (lambda text: text[: text.index("[facts]")], r"has no \[facts\]"),
        (lambda text: text.replace('name = "mlp"', 'name = "os:system"'), "add --network os:system"),
        (lambda text: text.replace('name = "mlp"', 'name = "evil:Net"'), "add --network evil:Net"),
        (lambda text: text.replace("shape = [2]", "shape = [0]"), "facts.shape"),
        (lambda text: text.replace("shape = [2]", "shape = [3]"), "facts|do not fit"),
        (lambda text: text.replace("T = 8", "T = 0"), "T must be a whole number of steps"),
        (lambda text: text.replace("T = 8", "T = 1000000000000000"), "allocate|memory"),
        (lambda text: "", r"has no \[facts\]"),
    ],
    ids=range(11),
)
def test_a_hostile_config(change, says, runs, monkeypatch):
    """What a model's own file names is never imported: evil.py would leave a file."""
    Path("evil.py").write_text("open('imported', 'w')")
    monkeypatch.syspath_prepend(str(Path().resolve()))
    path = Path("table/config.toml")
    text = path.read_text()
    path.write_text(change(text))
    assert path.read_text() != text
    refused("sample table --out a.npz", says)
    assert not Path("imported").exists()


def test_a_run_that_lost_its_config(runs):
    Path("table/config.toml").unlink()
    refused("sample table --out a.npz", "cannot read table/config.toml: No such file")
    write_table(Path("table.csv"))
    refused(f"train table.csv --out table {POINTS}", "table is not empty and holds no run")
