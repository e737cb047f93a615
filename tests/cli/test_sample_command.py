"""fromnoise sample: every suffix holds the numbers of Model.sample."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import call, done, refused, write_table
from PIL import Image, ImageSequence

from fromnoise.figures import grid, to_uint8
from fromnoise.model import load


def drawn(run: str, n: int, **how) -> np.ndarray:
    return load(run).sample(n, **how).numpy()


def test_npz_npy_and_csv_of_a_table(runs):
    x = drawn("table", 7, seed=3)
    for suffix in ("npz", "npy", "csv"):
        said = done(f"sample table -n 7 --seed 3 --quiet --out out.{suffix}")
        assert said.err.startswith("7 samples of 8 steps, 8 network calls each, in ")
        assert said.err.endswith(f": out.{suffix}\n")
    archive = np.load("out.npz", allow_pickle=False)
    assert archive.files == ["samples", "made_by"]
    assert archive["samples"].dtype == np.float32
    assert np.array_equal(archive["samples"], x)
    assert np.array_equal(np.load("out.npy", allow_pickle=False), x)
    header, *rows = csv.reader(Path("out.csv").read_text().splitlines())
    assert header == ["kelvin", "metre"]
    assert np.array_equal(np.array(rows, np.float64).astype(np.float32), x)


def test_tables_are_in_their_own_units(runs):
    """Of the order of the data, 300 and 1e-3; untrained or not, the network's estimates are within a few scales."""
    x = drawn("table", 50)
    facts = load("table").facts
    assert np.all(np.abs(x - facts.centre) < 20 * np.array(facts.scale))
    assert abs(np.median(x[:, 0]) - 300) < 100
    assert abs(np.median(x[:, 1]) - 1e-3) < 1e-3


@pytest.mark.parametrize(("weight", "calls"), [("", 1), ("--weight 0", 1), ("--weight 2", 2)])
def test_calls_are_those_that_the_network_hears(runs, weight, calls):
    done(f"sample pets -n 2 --steps 3 --quiet --precision fp32 --out out.npz --json found.json {weight}")
    found = json.loads(Path("found.json").read_text())
    assert (found["steps"], found["calls"], found["precision"]) == (3, 3 * calls, "fp32")


def test_images_are_clipped_and_labelled(runs):
    done("sample pets -n 5 --quiet --out out.npz")
    archive = np.load("out.npz")
    assert (archive["samples"].shape, archive["samples"].dtype) == ((5, 3, 8, 8), np.float32)
    assert np.abs(archive["samples"]).max() <= 1
    assert np.array_equal(archive["samples"], drawn("pets", 5))
    assert archive["labels"].tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(("words", "how", "labels"), [
    ("--label dog", {"label": 1}, [1, 1, 1]),
    ("--label 0", {"label": 0}, [0, 0, 0]),
    ("--label cat --weight 2", {"label": 0, "weight": 2.0}, [0, 0, 0]),
    ("--weight 0", {"weight": 0.0}, None),  # drawn without a class
    ("--weight -0.5", {"weight": -0.5}, [0, 1, 0]),
    ("--solver ddim --steps 4", {"solver": "ddim", "steps": 4}, [0, 1, 0]),
    ("--seed 9223372036854775807", {"seed": 2**63 - 1}, [0, 1, 0]),
])  # fmt: skip
def test_what_is_asked_for_is_done(words, how, labels, runs):
    done(f"sample pets -n 3 --quiet --out out.npz {words}")
    archive = np.load("out.npz")
    assert np.array_equal(archive["samples"], drawn("pets", 3, **how))
    assert (archive["labels"].tolist() if "labels" in archive else None) == labels


def test_labels_and_guidance_matter(runs):
    """The ways above are different samples: the settings are not dropped on their way."""
    ways = ["--label dog", "--label cat", "--label cat --weight 3", "--solver ddim", "--steps 4", "--seed 1"]
    for i, words in enumerate(ways):
        done(f"sample pets -n 2 --quiet --out {i}.npz {words}")
    made = [np.load(f"{i}.npz")["samples"].tobytes() for i in range(len(ways))]
    assert len({*made}) == len(ways)


def test_a_class_called_by_a_number_is_meant_by_name(place, trained):
    import shutil

    shutil.copytree(trained / "pets", "pets")
    config = Path("pets/config.toml")
    config.write_text(config.read_text().replace('["cat", "dog"]', '["1", "0"]'))
    done("sample pets -n 1 --quiet --label 1 --out a.npz")
    assert np.load("a.npz")["labels"].tolist() == [0]


def test_a_csv_names_the_classes(place):
    from commands import POINTS

    Path("data.csv").write_text('"a, b",名,label\n' + "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(9)))
    done(f"train data.csv --out run --process.conditional true {POINTS}")
    done("sample run -n 3 --quiet --out out.csv")
    header, *rows = csv.reader(Path("out.csv").read_text("utf-8").splitlines())
    assert header == ["a, b", "名", "label"]
    assert [row[2] for row in rows] == ["x", "y", "x"]
    assert np.array_equal(np.array([row[:2] for row in rows], np.float32), drawn("run", 3))
    assert "3 points of 2 numbers" in done(f"train out.csv --out again --process.conditional true {POINTS}").err


def test_points_without_names_get_some(place):
    from commands import POINTS

    done(f"train moons --out run --data.n 20 {POINTS}")
    done("sample run -n 2 --quiet --out out.csv")
    assert Path("out.csv").read_text().splitlines()[0] == "x0,x1"


def test_a_picture_of_images_is_their_grid(runs):
    done("sample pets -n 6 --quiet --out out.png")
    with Image.open("out.png") as picture:
        assert np.array_equal(
            np.asarray(picture.convert("RGB")), np.asarray(grid(drawn("pets", 6), columns=2))
        )  # a column a class


def test_a_picture_of_points(runs):
    done("sample table -n 20 --quiet --out OUT.PNG")
    with Image.open("OUT.PNG") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 100


def test_a_folder_of_pictures(runs):
    Path("empty").mkdir()
    for folder in ("new/deep", "empty"):
        done(f"sample pets -n 3 --quiet --out {folder}")
        assert sorted(path.name for path in Path(folder).iterdir()) == ["00000.png", "00001.png", "00002.png"]
        pixels = to_uint8(drawn("pets", 3)).transpose(0, 2, 3, 1)
        for i in range(3):
            with Image.open(f"{folder}/0000{i}.png") as picture:
                assert np.array_equal(np.asarray(picture), pixels[i])


@pytest.mark.parametrize("run", ["pets", "table"])
@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_a_film_has_a_frame_a_level(run, suffix, runs):
    done(f"sample {run} -n 4 --quiet --out film.{suffix}")
    with Image.open(f"film.{suffix}") as film:
        assert film.format == suffix.upper()
        assert film.n_frames == 9
    if (run, suffix) == ("pets", "webp"):  # lossless: the last frame is the grid of the samples, enlarged
        with Image.open("film.webp") as film:
            last = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)][-1]
        small = np.asarray(grid(drawn("pets", 4), scale=1, gap=0))
        scale = (last.shape[0] - 6) // small.shape[0]
        assert np.array_equal(last, np.asarray(grid(drawn("pets", 4), scale=scale)))


def test_a_film_in_mp4(runs):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    done("sample pets -n 4 --quiet --out film.mp4")
    frames, seconds = ffmpeg.count_frames_and_secs("film.mp4")
    assert frames >= 9
    assert seconds > 1


def test_a_film_without_the_extra(runs, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    said = call("sample pets -n 4 --quiet --out film.mp4")
    assert said.code == 2
    assert said.err == (
        "fromnoise: MP4 needs the video extra: pip install 'fromnoise[video]', or name a .webp or .gif\n"
    )
    assert not Path("film.mp4").exists()


def test_numbers_as_json(runs):
    for out, calls in (("a.npz", 4), ("a.webp", 4)):
        done(f"sample table -n 3 --seed 5 --steps 4 --quiet --out {out} --json a.json")
        numbers = json.loads(Path("a.json").read_text())
        assert {key: numbers[key] for key in ("out", "n", "calls", "seed")} == {
            "out": out, "n": 3, "calls": calls, "seed": 5,
        }  # fmt: skip
        assert numbers["seconds"] > 0


def test_a_model_by_checkpoint_and_saved(runs):
    load("table").save("saved")
    done("sample table/checkpoints/step-00000002 -n 3 --quiet --out a.npy")
    done("sample saved -n 3 --quiet --out b.npy")
    done("sample table -n 3 --quiet --out c.npy")
    assert np.array_equal(np.load("a.npy"), np.load("b.npy"))
    assert np.array_equal(np.load("a.npy"), np.load("c.npy"))


def test_a_model_of_the_hub(runs, monkeypatch):
    """By owner/name; no more than two files are asked for."""
    import huggingface_hub

    load("table").save("saved")
    asked = {}

    def give(name, allow_patterns):
        asked[name] = allow_patterns
        return str(Path("saved").resolve())

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    done("sample owner/roll -n 3 --quiet --out a.npy")
    assert asked == {"owner/roll": ["config.toml", "model.safetensors"]}
    assert np.array_equal(np.load("a.npy"), drawn("table", 3))


def test_one_sample_does_not_depend_on_the_others(runs):
    done("sample table -n 1 --seed 2 --quiet --out a.npy")
    done("sample table -n 9 --seed 2 --quiet --out b.npy")
    assert torch.allclose(torch.tensor(np.load("a.npy")), torch.tensor(np.load("b.npy"))[:1], rtol=1e-5)


def test_a_file_that_is_there_is_replaced_whole(runs):
    """A file that the line names is the user's to overwrite; the folder has nothing else after it."""
    Path("deep").mkdir()
    Path("deep/a.csv").write_text("old")
    done("sample table -n 2 --quiet --out deep/a.csv")
    assert Path("deep/a.csv").read_text().startswith("kelvin,metre\n")
    assert [path.name for path in Path("deep").iterdir()] == ["a.csv"]


def test_a_bar_is_shown_unless_quiet(runs, monkeypatch):
    from fromnoise.cli import sample

    seen = []

    def bar(title, quiet):
        import contextlib

        seen.append((title, quiet))
        return contextlib.nullcontext(lambda *update: seen.append(update))

    monkeypatch.setattr(sample, "bar", bar)
    write_table(Path("table.csv"))
    done("sample table -n 2 --steps 4 --out a.npy")
    done("sample table -n 2 --steps 4 --out a.gif --quiet")
    steps = [(i, 4, "") for i in range(1, 5)]
    assert seen == [("sampling", False), *steps, ("sampling", True), (0, 4, ""), *steps]


def test_a_film_is_in_the_units_of_the_data(runs, monkeypatch):
    """What the film is given: all states, the network's own, and what turns the last one into the samples."""
    from fromnoise import figures

    given = {}

    def film(states, path, **how):
        given.update(how, states=list(states), path=path)

    monkeypatch.setattr(figures, "film", film)
    done("sample table -n 3 --seed 4 --quiet --out a.gif")
    assert (given["kind"], given["total"], len(given["states"]), given["path"]) == ("points", 9, 9, Path("a.gif"))
    assert np.array_equal(given["to_own"](given["states"][-1]).numpy(), drawn("table", 3, seed=4))


def test_solvers_are_listed_with_their_order_and_cost():
    said = call("sample --solver help")
    assert said.code == 0
    lines = {line.split()[0]: line.split() for line in said.out.splitlines()}
    assert lines["unipc"][1:4] == ["3", "1", "no"]
    assert lines["heun"][1:4] == ["2", "2", "no"]


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ("--solver heun --steps 5", "9 network calls each"),
        ("--solver unipc --steps 5 --path lambda", "5 network calls each"),
        ("--solver ode --steps 2", "as many network calls as they took"),
    ],
)
def test_calls_are_told(runs, options, calls):
    assert calls in done(f"sample table -n 3 --quiet --out out.npy {options}").err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--solver dmpp", "unknown solver dmpp; did you mean dpmpp?"),
        ("--path lamda", "unknown path lamda; did you mean lambda?"),
        ("--path karras --steps 1", "path karras: such a path takes at least 2 steps, got 1"),
    ],
)
def test_a_way_that_there_is_not(runs, options, message):
    said = call(f"sample table -n 3 --quiet --out out.npy {options}")
    assert said.code == 2
    assert message in said.err


def test_samples_given_the_rows_of_a_file():
    Path("pairs.csv").write_text("dose,age,effect\n" + "".join(f"{i % 3},{20 + i},{i}\n" for i in range(40)))
    done(
        "train pairs.csv --out pairs --quiet --data.given dose,age --train.steps 2 --train.batch 4 --schedule.T 4 "
        "--network.width 8"
    )
    Path("one.csv").write_text("dose,age\n1,30\n2,50\n")
    done("sample pairs -n 5 --given one.csv --quiet --out out.csv")
    assert Path("out.csv").read_text().startswith("dose,age,effect\n1,30,")
    table = np.loadtxt("out.csv", skiprows=1, delimiter=",")
    assert table[:, :2].tolist() == [[1, 30], [2, 50], [1, 30], [2, 50], [1, 30]]
    drawn = table[:, 2]
    exact = load("pairs").sample(5, given=torch.tensor([[1.0, 30.0], [2.0, 50.0]]))[:, 0]
    assert np.allclose(drawn, exact)
    Path("two.csv").write_text("age,extra,dose\n30,7,1\n50,7,2\n")  # other places, and one column too many
    done("sample pairs -n 5 --given two.csv --quiet --out again.csv")
    assert np.array_equal(np.loadtxt("again.csv", skiprows=1, delimiter=",")[:, 2], drawn)
    Path("short.csv").write_text("age\n30\n")
    refused("sample pairs --given short.csv --quiet --out a.csv", "has no column 'dose'")
    refused("sample pairs -n 5 --quiet --out a.csv", "given something: say what with --given FILE, rows of 2 numbers")
    refused("sample swissroll --given one.csv --quiet --out a.csv", "given nothing: leave --given out")
    refused("sample pairs --given none.csv --quiet --out a.csv", "no such file of rows: none.csv")
    np.save("three.npy", np.zeros((2, 3)))
    refused("sample pairs --given three.npy --quiet --out a.csv", r"rows of shape \(3,\)")
    refused("likelihood pairs --quiet", "not measured yet")
    refused("tune pairs -n 20 --quiet", "no one law to tune for")


def test_the_given_array_of_an_npz_is_meant():
    """Not its samples; and where none is called so, none is guessed."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40, 2))
    np.savez("pairs.npz", x=x, y=y)
    done("train pairs.npz --out pairs --quiet --data.given y --train.steps 2 --train.batch 4 --network.width 8")
    done("sample pairs -n 3 --steps 3 --given pairs.npz --quiet --out out.npy")
    assert np.allclose(np.load("out.npy"), load("pairs").sample(3, steps=3, given=torch.from_numpy(y)), atol=1e-5)
    np.savez("other.npz", x=x, z=y)
    refused("sample pairs --given other.npz --quiet --out a.npy", "has no array 'y'")


def test_files_say_that_they_were_generated_by_which_weights_and_seed(runs):
    """PNG, single pictures and .npz alike; other weights have another digest, and data are still read from them."""
    done("sample pets -n 3 --seed 5 --steps 2 --label 1 --quiet --out a.npz")
    done("sample pets -n 3 --seed 5 --steps 2 --quiet --out a.png")
    done("sample pets -n 3 --seed 5 --steps 2 --quiet --out many")
    done("sample table -n 1 --quiet --out b.npz")
    ours, theirs = (json.loads(str(np.load(f"{name}.npz")["made_by"])) for name in "ab")
    assert ours["generated"].startswith("by fromnoise")
    assert (ours["seed"], ours["steps"], ours["label"]) == (5, 2, 1)
    assert ours["model"] != theirs["model"]
    assert f'"model": "{ours["model"]}"' in Image.open("a.png").text["Description"]
    assert Image.open("many/00002.png").text["Description"].startswith("number 2, {")
    from fromnoise.data import load as load_data

    assert len(load_data("a.npz")) == 3


def test_guidance_has_a_place_a_limit_and_a_weaker_model(runs):
    done("sample pets -n 4 --weight 3 --seed 2 --quiet --out strong.npz --precision fp32")
    line = "sample pets -n 4 --seed 2 --quiet --precision fp32 --weight 3"
    for name, more in (("nowhere", "--interval 40 50"), ("itself", "--weaker pets")):
        done(f"{line} {more} --out {name}.npz")
        found, plain = np.load(f"{name}.npz")["samples"], drawn("pets", 4, seed=2, weight=1.0, precision="fp32")
        assert np.allclose(found, plain, atol=1e-5)
    done(f"{line} --rescale 1 --out rescaled.npz")
    assert not np.array_equal(np.load("rescaled.npz")["samples"], np.load("strong.npz")["samples"])
    refused(f"{line} --interval 3 1 --out x.npz", "begins below its end")
    refused(f"{line} --weaker table --out x.npz", "checkpoint of this run")
    refused("sample pets --weight 1 --rescale 1 --out x.npz", "other than 1")
