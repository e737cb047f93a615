"""A blind test: the page tells nothing, a key that is kept, and answers that are scored."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import snapshot
from PIL import Image

from fromnoise.cli.blind import KEY, PAGE, SCORE, check_blind, score, write_blind
from fromnoise.data import Dataset
from fromnoise.errors import UserError

OUT = Path("report")


def pictures(seed: int, n: int = 30, channels: int = 1, side: int = 8) -> Dataset:
    """Noise, so that no two pictures are the same."""
    rows = np.random.default_rng(seed).integers(0, 256, (n, channels, side, side), dtype=np.uint8)
    return Dataset("images", rows.shape[1:], rows)


def shown(page: str) -> list[bytes]:
    """The files of the pictures that a page holds, in its order."""
    return [base64.b64decode(text) for text in re.findall('"([A-Za-z0-9+/=]{60,})"', page)]


def pixels(file: bytes) -> bytes:
    return np.asarray(Image.open(io.BytesIO(file))).tobytes()


def key() -> dict:
    return json.loads((OUT / KEY).read_text())


def answer(name: str, words: list, test: str | None = None, file: str | None = None) -> str:
    """Write a file of answers, as the page does; its name."""
    file = file or f"answers-{name}.json"
    Path(file).write_text(json.dumps({"test": test or key()["test"], "rater": name, "answers": words}))
    return file


def said(right: list[bool]) -> list[str]:
    """Answers that are right where they shall be."""
    return ["generated" if true == one else "real" for true, one in zip(key()["generated"], right, strict=True)]


@pytest.mark.parametrize("n", [2, 9, 20])
def test_half_of_the_pictures_are_real_and_the_key_knows_which(n: int, place) -> None:
    generated, real = pictures(0), pictures(1)
    test = write_blind(OUT, generated, real, n, seed=3, what="30 samples")
    found = key()
    assert found == {"test": test, "n": n, "seed": 3, "samples": "30 samples", "generated": found["generated"]}
    assert sum(found["generated"]) == n - n // 2
    files = shown((OUT / PAGE).read_text())
    assert len({*map(pixels, files)}) == len(files) == n
    kinds = {row.tobytes(): kind for kind, data in ((True, generated), (False, real)) for row in data.rows}
    assert [kinds[pixels(file)] for file in files] == found["generated"]


def test_the_page_does_not_know_which_are_real(place) -> None:
    """Real and generated change places: the page has the same pictures in another order, and nothing else is new."""
    one, other = pictures(0, n=10), pictures(1, n=10)
    pages = []
    for name, generated, real in (("a", one, other), ("b", other, one)):
        test = write_blind(Path(name), generated, real, 20, seed=0)
        pages.append((Path(name) / PAGE).read_text().replace(test, "TEST"))
    assert sorted(shown(pages[0])) == sorted(shown(pages[1]))
    assert shown(pages[0]) != shown(pages[1])
    assert sorted(pages[0].replace(",\n", "\n").splitlines()) == sorted(pages[1].replace(",\n", "\n").splitlines())


def test_a_picture_is_pixels_alone(place) -> None:
    """The same pixels are the same file, whichever kind they are and however they were kept."""
    real = pictures(0, n=8, channels=3)
    generated = Dataset("images", real.shape, (real.rows / 127.5 - 1).astype(np.float32))
    write_blind(OUT, generated, real, 16, seed=0)
    files = shown((OUT / PAGE).read_text())
    assert len(set(files)) == 8
    for file in files:
        image = Image.open(io.BytesIO(file))
        image.load()
        assert (image.info, image.size, image.mode) == ({}, (8, 8), "RGB")
        assert re.findall(rb"IHDR|IDAT|IEND|tEXt|iTXt|tIME|eXIf", file) == [b"IHDR", b"IDAT", b"IEND"]


def test_pictures_that_lie_by_class_come_in_no_order(place) -> None:
    """Real pictures that grow brighter and brighter as they lie would be told by that."""
    rows = np.arange(200, dtype=np.uint8).repeat(64).reshape(200, 1, 8, 8)
    data = Dataset("images", (1, 8, 8), rows)
    write_blind(OUT, pictures(0, n=100), data, 200, seed=0)
    files = [pixels(file) for file in shown((OUT / PAGE).read_text())]
    bright = [file[0] for file, true in zip(files, key()["generated"], strict=True) if not true]
    assert abs(np.corrcoef(bright, range(100))[0, 1]) < 0.3


def test_the_seed_decides_the_test(place) -> None:
    tests = [write_blind(Path(name), pictures(0), pictures(1), 10, seed) for name, seed in (("a", 0), ("b", 0))]
    assert tests[0] == tests[1]
    assert snapshot(Path("a")) == {f"a{name[1:]}": file for name, file in snapshot(Path("b")).items()}
    assert write_blind(Path("c"), pictures(0), pictures(1), 10, seed=1) != tests[0]


def test_no_key_is_lost(place) -> None:
    """The same test may be written again; another one would make answers worthless that people have given."""
    write_blind(OUT, pictures(0), pictures(1), 10, seed=0)
    before = snapshot()
    write_blind(OUT, pictures(0), pictures(1), 10, seed=0)
    for generated, n, seed in ((pictures(0), 12, 0), (pictures(0), 10, 1), (pictures(2), 10, 0)):
        with pytest.raises(UserError, match="the key of another test"):
            write_blind(OUT, generated, pictures(1), n, seed)
    with pytest.raises(UserError, match="the key of another test"):
        check_blind(OUT, 10, 1)
    assert snapshot() == before
    (OUT / KEY).unlink()
    with pytest.raises(UserError, match=r"has no blind-key.json beside it"):
        check_blind(OUT, 10, 0)
    (OUT / KEY).write_text("[1, 2]")
    with pytest.raises(UserError, match="is no file of a blind test"):
        check_blind(OUT, 10, 0)


def test_what_is_no_test_is_refused(place) -> None:
    points = Dataset("points", (2,), np.zeros((30, 2), np.float32))
    for generated, real, n, says in (
        (points, points, 10, "leave --blind out"),
        (pictures(0), pictures(1, side=9), 10, "in one shape"),
        (pictures(0, n=4), pictures(1), 10, "5 generated pictures, and there are 4"),
        (pictures(0), pictures(1, n=4), 10, "5 real pictures, and there are 4"),
    ):
        with pytest.raises(UserError, match=says):
            write_blind(OUT, generated, real, n, seed=0)
    assert snapshot() == {}


def test_answers_are_scored(place, capsys) -> None:
    """Ann is always right, Bob never; Cid says "real" of everything that he answers."""
    write_blind(OUT, pictures(0), pictures(1), 10, seed=0, what="mine")
    cid = [None, None, *["real"] * 8]
    files = [answer("Ann", said([True] * 10)), answer("Bob", said([False] * 10)), answer(" Cid \n", cid, file="c.json")]
    found = score(OUT, files)
    assert found == json.loads((OUT / SCORE).read_text())
    assert {name: found[name] for name in ("test", "n", "seed", "samples")} == {
        "test": key()["test"], "n": 10, "seed": 0, "samples": "mine",
    }  # fmt: skip
    ann, bob, third = found["raters"]
    assert (ann["rater"], ann["answered"], ann["right"], ann["p"]) == ("Ann", 10, 10, pytest.approx(2 / 2**10))
    assert ann["hit_rate"]["low"] == pytest.approx(0.025 ** (1 / 10))  # Clopper and Pearson's where all are right
    assert (bob["right"], bob["hit_rate"]["high"]) == (0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert (third["rater"], third["answered"]) == ("Cid", 8)
    assert third["right"] == 8 - sum(key()["generated"][2:])
    kappas = {tuple(pair["raters"]): (pair["kappa"]["value"], pair["answered"]) for pair in found["kappa"]}
    assert kappas == {("Ann", "Bob"): (-1.0, 10), ("Ann", "Cid"): (0.0, 8), ("Bob", "Cid"): (0.0, 8)}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[1].split() == ["Ann", "10", "of", "10", "10", "1.00", "[0.69,", "1.00]", "0.002"]
    assert lines[4].startswith("Ann and Bob: kappa -1.00 [-1.00, ")


def test_kappa_that_is_unknown_is_null_and_a_name_cannot_steer_the_terminal(place, capsys) -> None:
    write_blind(OUT, pictures(0), pictures(1), 4, seed=0)
    score(OUT, [answer("a\x1b[2J\ud800", ["real"] * 4, file="a.json"), answer("b", ["real"] * 4)])
    assert json.loads((OUT / SCORE).read_text())["kappa"][0]["kappa"]["value"] is None
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "a?[2J? and b: kappa unknown over 4" in told


HOSTILE = {
    "empty": (b"", "no JSON object"),
    "list": (b"[1, 2]", "no JSON object"),
    "cut": (b'{"test": "', "no JSON object"),
    "not text": (b"\xff\xfe\x00\xd8", "no JSON object"),
    "deep": (b"[" * 200_000, "no JSON object"),
    "long number": (b'{"test": ' + b"1" * 10_000 + b"}", "no JSON object"),
    "large": (b" " * 10_000_001, "too large"),
    "no name": (b'{"test": "T", "answers": ["real", "real"]}', "names no rater"),
    "blank name": (b'{"test": "T", "rater": " ", "answers": ["real", "real"]}', "names no rater"),
    "long name": (b'{"test": "T", "rater": "%s", "answers": []}' % (b"a" * 101), "names no rater"),
    "number for a name": (b'{"test": "T", "rater": 3, "answers": ["real", "real"]}', "names no rater"),
    "another test": (b'{"test": "S", "rater": "a", "answers": ["real", "real"]}', "another test"),
    "list for a test": (b'{"test": ["T"], "rater": "a", "answers": ["real", "real"]}', "another test"),
    "no answers": (b'{"test": "T", "rater": "a"}', "does not have 2 answers"),
    "few answers": (b'{"test": "T", "rater": "a", "answers": ["real"]}', "does not have 2 answers"),
    "text for answers": (b'{"test": "T", "rater": "a", "answers": "real"}', "does not have 2 answers"),
    "other words": (b'{"test": "T", "rater": "a", "answers": ["real", "fake"]}', "does not have 2 answers"),
    "true for a word": (b'{"test": "T", "rater": "a", "answers": ["real", true]}', "does not have 2 answers"),
    "lists for words": (b'{"test": "T", "rater": "a", "answers": [[], {}]}', "does not have 2 answers"),
    "nothing answered": (b'{"test": "T", "rater": "a", "answers": [null, null]}', "answers nothing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_answers_of_another_shape_are_one_line(name: str, place) -> None:
    content, says = HOSTILE[name]
    test = write_blind(OUT, pictures(0), pictures(1), 2, seed=0)
    Path("bad.json").write_bytes(content.replace(b'"T"', json.dumps(test).encode()).replace(b'["T"]', b"[]"))
    with pytest.raises(UserError, match=f"bad.json .*{says}") as told:
        score(OUT, [answer("good", ["real", "real"]), "bad.json"])
    assert "\n" not in str(told.value)
    assert not (OUT / SCORE).exists()


def test_the_same_rater_twice_no_file_and_no_test_are_one_line(place) -> None:
    with pytest.raises(UserError, match=r"blind-key.json is not there: write a test with --blind first"):
        score(OUT, ["a.json"])
    write_blind(OUT, pictures(0), pictures(1), 2, seed=0)
    files = [answer("Ann", ["real", "real"]), answer("ann ", ["real", "generated"], file="again.json")]
    with pytest.raises(UserError, match=r"again.json is the second of ann: give one file a rater"):
        score(OUT, files)
    os.mkfifo("pipe.json")  # reading it would wait forever
    for name in ("nowhere.json", ".", "pipe.json"):
        with pytest.raises(UserError, match=f"cannot read {name}: there is no such file"):
            score(OUT, [name])


@pytest.mark.parametrize(
    "change",
    [{"n": 3}, {"n": True}, {"generated": [1, 0]}, {"generated": []}, {"generated": None}, {"test": 1}],
    ids=str,
)
def test_a_damaged_key_is_one_line(change: dict, place) -> None:
    write_blind(OUT, pictures(0), pictures(1), 2, seed=0)
    file = answer("a", ["real", "real"])
    (OUT / KEY).write_text(json.dumps(key() | change))
    with pytest.raises(UserError, match="is no key of a blind test"):
        score(OUT, [file])


CHROMIUM = shutil.which("chromium")
BEFORE = """<script>  // as if the window had been closed after the first picture
localStorage.setItem("fromnoise-blind-TEST", JSON.stringify({answers: ["real", null, null, null, null], at: 1}));
</script>"""
AFTER = """<script>document.documentElement.style.width = "WIDTHpx";  // windows have a least width of their own
const found = {resumed: get("count").textContent, wide: [document.body.scrollWidth],
paper: getComputedStyle(document.body).backgroundColor, shown: [get("picture").src]};
const press = (key, more) => document.dispatchEvent(new KeyboardEvent("keydown", {key: key, ...more}));
const step = act => { act(); found.shown.push(get("picture").src); };
step(() => press("g"));
step(() => get("real").click());
step(() => { get("back").click(); get("generated").click(); });
press("r", {ctrlKey: true});
press("r", {repeat: true});
found.before_last = get("count").textContent;
step(() => { press("ArrowLeft"); press("R"); });
get("picture").decode().then(() => {
  found.size = [get("picture").naturalWidth, get("picture").clientWidth];
  found.look = getComputedStyle(get("picture")).imageRendering;
  get("stop").click();
  found.early = get("answered").textContent;
  get("return").click();
  press("G");
  press("R");
  found.unnamed = [get("save").disabled, get("text").value];
  get("name").value = "Ann  Ö/3";
  get("name").dispatchEvent(new Event("input"));
  found.text = get("text").value;
  found.kept = JSON.parse(localStorage.getItem("fromnoise-blind-TEST"));
  found.wide.push(document.body.scrollWidth);
  HTMLAnchorElement.prototype.click = function () { found.file = [this.download, this.href.slice(0, 5)]; };
  get("save").click();
  window.confirm = () => true;
  get("again").click();
  found.again = [get("count").textContent, get("name").value, get("answered").textContent];
  document.title = JSON.stringify(found);
});
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["desk", "phone at night"])
def test_a_person_answers_goes_back_comes_back_and_saves(width: int, dark: bool, place) -> None:
    """Headless Chromium clicks and types through a copy of the page, which was left after one answer."""
    test = write_blind(OUT, pictures(0), pictures(1), 5, seed=0)
    page = (OUT / PAGE).read_text().replace("<main>", BEFORE + "<main>").replace("</body>", AFTER)
    Path("copy.html").write_text(page.replace("TEST", test).replace("WIDTH", str(width)))
    plain = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    plain += ["--disable-component-update", "--no-first-run", "--enable-logging=stderr", "--virtual-time-budget=2000"]
    plain += [f"--user-data-dir={place}/profile", f"--window-size={width},900"]
    plain += ["--blink-settings=preferredColorScheme=0"] if dark else []
    address = Path("copy.html").absolute().as_uri()
    done = subprocess.run([str(CHROMIUM), *plain, "--dump-dom", address], capture_output=True, text=True, timeout=60)
    assert "CONSOLE" not in done.stderr
    found = json.loads(html.unescape(re.search("<title>(.*?)</title>", done.stdout, re.S).group(1)))
    sources = ["data:image/png;base64," + base64.b64encode(file).decode() for file in shown(page)]
    assert found["resumed"] == "picture 2 of 5"
    assert found["shown"] == [sources[k] for k in (1, 2, 3, 3, 3)]
    assert found["before_last"] == "picture 4 of 5"
    assert max(found["wide"]) <= width
    assert found["paper"] == ("rgb(22, 22, 22)" if dark else "rgb(255, 255, 255)")
    assert (found["size"], found["look"]) == ([8, 320], "pixelated")
    answers = ["real", "generated", "real", "generated", "real"]
    assert (found["early"], found["unnamed"]) == ("3 of 5 answered", [True, ""])
    assert json.loads(found["text"]) == {"test": test, "rater": "Ann  Ö/3", "answers": answers}
    assert found["kept"] == {"answers": answers, "at": 5, "stopped": False, "name": "Ann  Ö/3"}
    assert found["file"] == ["answers-Ann-Ö-3.json", "blob:"]
    assert found["again"] == ["picture 1 of 5", "", "0 of 5 answered"]
    Path("a.json").write_text(found["text"])
    assert score(OUT, ["a.json"])["raters"][0]["rater"] == "Ann Ö/3"
