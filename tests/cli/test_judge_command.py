"""fromnoise judge: one page, one file of numbers, and what it refuses."""

from __future__ import annotations

import contextlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import POINTS, call, done, refused
from PIL import Image

from fromnoise.cli.judge_data import SAMPLES, held_back, natural_size
from fromnoise.cli.judge_page import says_nothing
from fromnoise.evaluation import Estimate, Number
from fromnoise.figures.page import _STYLE


def pictures(name: str, n: int, seed: int, side: int = 10) -> None:
    """Bright or dark squares somewhere, with their class."""
    random = np.random.default_rng(seed)
    x = random.integers(90, 130, (n, 1, side, side), dtype=np.uint8)
    labels = random.integers(0, 2, n)
    for k in range(n):
        i, j = random.integers(0, side - 4, 2)
        x[k, 0, i : i + 4, j : j + 4] = 240 if labels[k] else 10
    np.savez(name, samples=x, labels=np.array(["dark", "bright"])[labels])


@pytest.fixture
def roll(place):
    """A hardly trained run of points."""
    done(f"train moons --out roll {POINTS} --data.n 400")


def numbers(path: str) -> dict:
    return json.loads(Path(path).read_text())


def test_anybodys_pictures(place) -> None:
    for name, n, seed in (("mine.npz", 150, 0), ("train.npz", 250, 1), ("test.npz", 150, 2)):
        pictures(name, n, seed)
    said = done(
        "judge --generated mine.npz --reference train.npz --held-out test.npz --out report --json n.json --quiet"
    )
    found = numbers("n.json")
    assert found == numbers("report/judgement.json")
    assert found["features"]["name"] == "convolutions"
    assert found["n"] == {"samples": 150, "data": 150, "training": 250}
    assert found["classes"]["as_told"]["value"] > 0.9
    assert set(found["classes"]["by_class"]) == {"dark", "bright"}
    assert found["memorisation"]["copies"] <= 3
    assert found["memorisation"]["verdict"] in said.out
    for name in ("frechet", "kid", "precision", "recall", "density", "coverage", "told_apart"):
        row = found["numbers"][name]
        assert row["value"]["low"] <= row["value"]["value"] <= row["value"]["high"], name
    page = Path("report/index.html").read_text()
    assert page.count("<img ") == 7
    assert "http" not in page.replace(_STYLE, "").replace("http-equiv", "")
    text = Path("report/report.md").read_text()
    assert "| precision |" in text
    assert found["memorisation"]["verdict"][1:40] in text


def test_copies_are_counted_and_shown(place) -> None:
    pictures("train.npz", 300, 1)
    pictures("test.npz", 150, 2)
    x = np.load("train.npz")["samples"]
    np.savez("mine.npz", samples=np.concatenate([x[:60], np.load("test.npz")["samples"][:120]]))
    done("judge --generated mine.npz --reference train.npz --out report --quiet")
    found = numbers("report/judgement.json")
    assert found["memorisation"]["copies"] >= 60
    assert found["memorisation"]["verdict"].endswith(": memorised")
    assert found["memorisation"]["distance_without"] is not None
    assert found["held_out"] is False


@pytest.mark.parametrize("scale", ["minus one to one", "zero to one", "bytes"])
def test_pictures_as_numbers_and_as_files_are_the_same(scale: str, place) -> None:
    for name, n, seed in (("mine.npz", 120, 0), ("train.npz", 200, 1), ("test.npz", 120, 2)):
        pictures(name, n, seed)
    x = np.load("mine.npz")["samples"]
    Path("mine").mkdir()
    for k, one in enumerate(x):
        Image.fromarray(one[0]).save(f"mine/{k:05d}.png")
    as_numbers = {"minus one to one": x / 127.5 - 1, "zero to one": x / 255, "bytes": x.astype(np.float32)}[scale]
    np.save("mine.npy", as_numbers.astype(np.float32))
    rest = "--reference train.npz --held-out test.npz --quiet"
    done(f"judge --generated mine --out first {rest}")
    done(f"judge --generated mine.npy --out second {rest}")
    first, second = (numbers(f"{name}/judgement.json")["numbers"] for name in ("first", "second"))
    for name, row in first.items():
        assert second[name]["value"]["value"] == pytest.approx(row["value"]["value"], abs=0.02), name


def test_a_run_is_judged_by_samples_that_are_kept(roll, monkeypatch) -> None:
    monkeypatch.setattr("fromnoise.cli.judge_data.CHUNK", 70)
    done("judge roll -n 200 --seed 3 --out report --quiet")
    found = numbers("report/judgement.json")
    assert found["numbers"]["energy"]["value"]["low"] > found["numbers"]["energy"]["floor"]["high"]
    assert 0 <= found["membership"]["value"] <= 1
    assert found["cost"]["parameters"] > 0
    kept = np.load(f"report/{SAMPLES}")
    assert kept["samples"].shape == (200, 2)
    from fromnoise import load

    assert np.allclose(kept["samples"], load("roll").sample(200, seed=3), atol=1e-4)
    monkeypatch.setattr("fromnoise.model.Model.sample", None)  # nothing is drawn again
    done("judge roll -n 200 --seed 3 --out report --quiet")
    assert numbers("report/judgement.json")["numbers"] == found["numbers"]
    assert call("judge roll -n 200 --seed 4 --out report --quiet").code == 1


def test_samples_that_were_begun_go_on(roll, monkeypatch) -> None:
    from fromnoise import load

    monkeypatch.setattr("fromnoise.cli.judge_data.CHUNK", 40)
    model, drawn = load("roll"), []
    sample = type(model).sample

    def broken(self, n, **how):
        drawn.append(how["first"])
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return sample(self, n, **how)

    monkeypatch.setattr("fromnoise.model.Model.sample", broken)
    assert call("judge roll -n 160 --out report --quiet").code == 130
    done("judge roll -n 160 --out report --quiet")
    assert drawn == [0, 40, 80, 80, 120]


def test_samples_of_something_else_are_not_overwritten(roll) -> None:
    Path("report").mkdir()
    done("sample roll -n 5 --quiet --out report/samples.npz")
    refused("judge roll -n 100 --out report --quiet", "was not written by judge")
    Path("report/samples.npz").write_bytes(b"PK\x03\x04 cut off")
    refused("judge roll -n 100 --out report --quiet", "cannot be read")


def test_data_that_were_replaced_are_noticed_and_may_be_named(place) -> None:
    random = np.random.default_rng(0)
    np.savetxt("a.csv", random.normal(size=(300, 2)), delimiter=",")
    done(f"train a.csv --out run {POINTS}")
    Path("a.csv").rename("moved.csv")
    np.savetxt("a.csv", random.normal(size=(300, 2)), delimiter=",")
    refused("judge run -n 100 --out report --quiet", "not what the model was trained on any more")
    done("judge run -n 100 --reference moved.csv --out report --quiet")
    assert numbers("report/judgement.json")["n"]["training"] == 300


def test_what_is_held_back() -> None:
    assert held_back({"name": "mnist", "size": 28}) == {"name": "mnist", "size": 28, "split": "test"}
    assert held_back({"name": "moons", "seed": 4}) == {"name": "moons", "seed": 5}
    assert held_back({"name": "mnist", "split": "test"}) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("judge --out r", "give a RUN, or both"),
        ("judge --generated train.npz --out r", "give a RUN, or both"),
        ("judge roll", "--out"),
        ("judge roll --out train.npz", "is not a folder"),
        ("judge roll --out r -n 99", "at least 100"),
        ("judge roll --out r --features pixels", "pixels are not features of points"),
        ("judge --generated train.npz --reference train.npz --features digits --out r", "at least 28 x 28"),
        ("judge --generated train.npz --reference train.npz --features coordinates --out r", "not features of images"),
        ("judge --generated train.npz --reference train.npz --features magic --out r", "invalid choice"),
        ("judge --generated small.npz --reference train.npz --out r", "small.npz has samples of 1 x 8 x 8"),
        ("judge --generated few.npz --reference train.npz --out r", "at least 100 samples, got 20"),
        ("judge --generated odd.npy --reference train.npz --out r", "numbers from -7"),
        ("judge --generated nowhere --reference train.npz --out r", "nowhere"),
        ("judge nowhere --out r", "nowhere"),
        ("judge roll --generated table.csv --out r", "table.csv has samples of 3, the data have 2"),
    ],
)
def test_mistakes_are_one_line(line: str, says: str, roll) -> None:
    pictures("train.npz", 250, 0)
    pictures("small.npz", 250, 0, side=8)
    pictures("few.npz", 20, 0)
    np.save("odd.npy", np.linspace(-7, 900, 25_000).reshape(250, 1, 10, 10))
    Path("table.csv").write_text("a,b,c\n" + "1,2,3\n" * 200)
    refused(f"{line} --quiet", says)


CHROMIUM = shutil.which("chromium")
SEEN = """<script>document.documentElement.style.width = "WIDTHpx";  // windows have a least width of their own
document.title = JSON.stringify({wide: document.body.scrollWidth,
paper: getComputedStyle(document.body).backgroundColor,
broken: [...document.images].filter(image => !image.naturalWidth).length});
</script></body>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page, written once."""
    folder = tmp_path_factory.mktemp("page")
    with contextlib.chdir(folder):
        for name, n, seed in (("mine.npz", 150, 0), ("train.npz", 250, 1), ("test.npz", 150, 2)):
            pictures(name, n, seed)
        done("judge --generated mine.npz --reference train.npz --held-out test.npz --out report --quiet")
    return folder / "report" / "index.html"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_seen_without_overflow(width: int, dark: bool, page: Path, place) -> None:
    """Headless Chromium measures a copy of the page that may run a script; the page itself gives no console error."""
    whole = page.read_text()
    policy = whole.index("<meta http-equiv"), whole.index("<title>")
    Path("copy.html").write_text(
        (whole[: policy[0]] + whole[policy[1] :]).replace("</body>", SEEN.replace("WIDTH", str(width)))
    )
    plain = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    plain += [f"--user-data-dir={place}/profile", f"--window-size={width},900", "--enable-logging=stderr"]
    plain += ["--disable-sync", "--no-first-run", *(["--blink-settings=preferredColorScheme=0"] if dark else [])]
    pages = [one.as_uri() for one in (Path("copy.html").absolute(), page)]
    both = [
        subprocess.run([str(CHROMIUM), *plain, "--dump-dom", page], capture_output=True, text=True, timeout=60)
        for page in pages
    ]
    found = json.loads(html.unescape(re.search("<title>(.*?)</title>", both[0].stdout, re.S).group(1)))
    assert found["wide"] <= width
    assert found["broken"] == 0
    assert found["paper"] == ("rgb(22, 22, 22)" if dark else "rgb(255, 255, 255)")
    assert "CONSOLE" not in both[1].stderr


def test_pictures_are_compared_in_the_size_that_they_have(place) -> None:
    """A folder of digits of 28 x 28 pixels beside `mnist`, which has other defaults: copies would be missed."""
    from fromnoise.data import load

    rows = load("mnist", size=28).rows[:120, 0]
    Path("mine").mkdir()
    for k, row in enumerate(rows):
        Image.fromarray(row).save(f"mine/{k:03d}.png")
    Path("mine/000.png").write_bytes(b"broken")
    done("judge --generated mine --reference mnist --features pixels --out report --quiet")
    assert numbers("report/judgement.json")["memorisation"]["copies"] >= 118
    assert "28 x 28 pixels" in Path("report/report.md").read_text()
    np.savez("mine.npz", samples=rows[:, None])
    assert natural_size("mine.npz") == natural_size("mine") == (28, 28)
    assert natural_size("mnist") is None
    Image.new("L", (1024, 512)).save("wide.png")
    assert natural_size("wide.png") == (128, 256)


@pytest.mark.parametrize(
    ("name", "floor", "ceiling", "expected"),
    [
        ("kid", (0.1, 0.0, 0.2), (0.5, 0.4, 0.6), False),
        ("kid", (0.1, 0.0, 0.45), (0.5, 0.4, 0.6), True),
        ("recall", (0.9, 0.8, 1.0), (0.5, 0.4, 0.6), False),
        ("recall", (0.9, 0.8, 1.0), (1.0, 0.9, 1.0), True),
        ("kid", (0.1, 0.0, 0.2), (float("nan"),) * 3, False),
    ],
)
def test_numbers_in_which_noise_is_as_good_as_data_are_named(name, floor, ceiling, expected) -> None:
    assert says_nothing(Number(name, Estimate(*floor), Estimate(*floor), Estimate(*ceiling))) == expected
