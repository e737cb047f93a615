"""A blind test for people: one page of pictures, real or generated, its key, and the score of their answers."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fromnoise.cli.outputs import check_writable, plain, write_numbers
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from fromnoise.data import Dataset

PAGE, KEY, SCORE = "blind.html", "blind-key.json", "blind.json"
MOST_BYTES, MOST_NAME = 10_000_000, 100
"""Of a file of answers, and of the name of a rater in letters."""
SIDE = 320
"""Small pictures are enlarged by a whole number while they stay within so many pixels: a phone has 350."""
WORDS = {"real": False, "generated": True, None: None}


class Rated(NamedTuple):
    """A rater's name, and of each picture whether it was said to be generated; None where nothing was said."""

    rater: str
    answers: list[bool | None]


def check_blind(out: Path, n: int, seed: int) -> None:
    """Find out before the work that a test cannot be written into the folder `out`. Raises UserError.

    The key of another test is never overwritten: answers that people have given would be worth nothing without it.

    >>> check_blind(Path("nowhere"), 50, 0)
    """
    for name in (PAGE, KEY):
        check_writable(out / name)
    if (out / KEY).exists():
        key = _read_key(out)
        if (key["n"], key["seed"]) != (n, seed):
            raise _another(out)
    elif (out / PAGE).exists():
        raise UserError(f"{out / PAGE} has no {KEY} beside it and is not overwritten: give another --out")


def write_blind(out: Path, generated: Dataset, real: Dataset, n: int, seed: int, what: str = "") -> str:
    """Write a test of n pictures, half of them real, into the folder `out`: blind.html and blind-key.json.

    Which pictures, and their order, are drawn by the seed; of an odd n one more is generated. A rater of two tests
    should get them with two seeds: the same seed takes the same real pictures. Both kinds become bytes in one way,
    and nothing but their pixels is in the page. `what` says in the key what was generated. Returns the test's id, a
    hash of the pictures as they come. Raises UserError for data that are no pictures of one shape, for fewer than
    half of n of either, or where something else is there.

    >>> from tempfile import TemporaryDirectory
    >>> from fromnoise.data import Dataset
    >>> black = Dataset("images", (1, 8, 8), np.zeros((3, 1, 8, 8), np.uint8))
    >>> with TemporaryDirectory() as folder:
    ...     test = write_blind(Path(folder), black, black, n=4, seed=0)
    ...     sum(json.loads((Path(folder) / KEY).read_text())["generated"])
    2
    """
    from fromnoise.model.store import write_file

    check_blind(out, n, seed)
    pictures, truth = _drawn(generated, real, n, seed)
    encoded = [_png(picture[None]) for picture in pictures]
    test = hashlib.sha256(b"".join(encoded)).hexdigest()[:16]  # the truth is no part: it could be found by trying
    if (out / KEY).exists() and _read_key(out)["test"] != test:
        raise _another(out)
    key = {"test": test, "n": n, "seed": seed, "samples": what, "generated": truth}
    write_numbers(str(out / KEY), key)
    write_file(out / PAGE, _page(test, encoded, real.shape).encode())
    return test


def score(out: Path, files: Sequence[str]) -> dict[str, Any]:
    """Score files of answers to the test in the folder `out`: written there as blind.json, printed, and returned.

    Of each rater how many are answered and right, the hit rate with its interval and the probability that guessing
    is as far from 1/2; of each two raters kappa. Raises UserError for a file that is no answer to this test, or for
    two of the same rater.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     key = {"test": "a1", "n": 2, "seed": 0, "samples": "", "generated": [True, False]}
    ...     answers = {"test": "a1", "rater": "Ann", "answers": ["generated", None]}
    ...     for name, tree in ((KEY, key), ("ann.json", answers)):
    ...         _ = (Path(folder) / name).write_text(json.dumps(tree))
    ...     found = score(Path(folder), [f"{folder}/ann.json"])
    rater                       answered  right  hit rate and interval   p by guessing
    Ann                           1 of 2      1  1.00 [0.03, 1.00]       1
    >>> found["kappa"]
    []
    """
    check_writable(out / SCORE)
    key, rated = _read_key(out), {}
    for file in files:
        one = _read_answers(Path(file), key, out)
        if one.rater.casefold() in rated:
            raise UserError(f"{file} is the second of {plain(one.rater)}: give one file a rater")
        rated[one.rater.casefold()] = one
    found = _scored(key, list(rated.values()))
    write_numbers(str(out / SCORE), found)
    _tell(found)
    return found


def _another(out: Path) -> UserError:
    return UserError(f"{out / KEY} is the key of another test, whose answers need it: give another --out")


def _drawn(generated: Dataset, real: Dataset, n: int, seed: int) -> tuple[np.ndarray, list[bool]]:
    """The pictures (n, C, H, W) in bytes as they come, each at most once, and which of them are generated."""
    from fromnoise.figures import to_uint8

    if generated.kind != "images" or real.kind != "images":
        raise UserError("a blind test shows pictures, and these data are none: leave --blind out")
    if tuple(generated.shape) != tuple(real.shape):
        raise UserError(f"generated pictures are {generated.shape}, real ones {real.shape}: give both in one shape")
    random, rows, many = np.random.default_rng(seed), [], n - n // 2
    for data, some, name in ((generated, many, "generated"), (real, n // 2, "real")):
        if len(data) < some:
            raise UserError(f"--blind {n} takes {some} {name} pictures, and there are {len(data)}: make it smaller")
        rows.append(to_uint8(data.rows[np.sort(random.choice(len(data), some, replace=False))]))
    order = random.permutation(n)  # within a kind too: real pictures may lie by class, which would tell them
    return np.concatenate(rows)[order], (order < many).tolist()


def _png(picture: np.ndarray) -> bytes:
    """A picture (1, C, H, W) and nothing else: no maker and no description, which a person could read."""
    from fromnoise.figures import grid

    buffer = io.BytesIO()
    grid(picture, columns=1, scale=1, gap=0).save(buffer, "PNG")
    return buffer.getvalue()


def _read(path: Path, most: int) -> dict[str, Any]:
    """A JSON object from a file that anybody may have written. Raises UserError for anything else."""
    try:
        if not path.is_file():
            raise UserError(f"cannot read {path}: there is no such file")
        with open(path, "rb") as file:
            content = file.read(most + 1)
        tree = json.loads(content) if len(content) <= most else None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UserError:
        raise
    except (ValueError, RecursionError):  # deep brackets end in the latter
        tree = None
    if not isinstance(tree, dict):
        raise UserError(f"{path} is no file of a blind test: it holds no JSON object, or is too large")
    return tree


def _read_key(out: Path) -> dict[str, Any]:
    path = out / KEY
    if not path.exists():
        raise UserError(f"{path} is not there: write a test with --blind first, or give the --out of yours")
    key = _read(path, MOST_BYTES)
    truth: Any = key.get("generated")
    n = key.get("n")
    fits = isinstance(truth, list) and len(truth) > 0 and all(isinstance(true, bool) for true in truth)
    if not (fits and type(n) is int and n == len(truth) and isinstance(key.get("test"), str) and "seed" in key):
        raise UserError(f"{path} is no key of a blind test, or a damaged one: give another --out")
    return key


def _read_answers(path: Path, key: dict[str, Any], out: Path) -> Rated:
    """A file of answers. Raises UserError for another shape, or another test."""
    tree = _read(path, MOST_BYTES)
    name: Any = tree.get("rater")
    answers: Any = tree.get("answers")
    rater = " ".join(name.split()) if isinstance(name, str) else ""
    if not 0 < len(rater) <= MOST_NAME:
        raise UserError(f'{path} names no rater: write "rater": "NAME" into it, of at most {MOST_NAME} letters')
    if tree.get("test") != key["test"]:
        raise UserError(f"{path} answers another test than {out / PAGE}: give the --out of that one")
    # An answer may be a list or an object, which cannot be sought among the words.
    words = isinstance(answers, list) and all(one is None or isinstance(one, str) for one in answers)
    if not words or len(answers) != key["n"] or not set(answers) <= set(WORDS):
        raise UserError(f'{path} does not have {key["n"]} answers "real", "generated" or null: save it from the page')
    if not any(answers):
        raise UserError(f"{path} answers nothing: leave it out")
    return Rated(rater, [WORDS[one] for one in answers])


def _scored(key: dict[str, Any], rated: list[Rated]) -> dict[str, Any]:
    """The numbers of every rater and every two raters, as JSON has them."""
    from fromnoise.evaluation.raters import by_guessing, hit_rate, kappa

    truth, raters, pairs = key["generated"], [], []
    for one in rated:
        answered = [answer == true for answer, true in zip(one.answers, truth, strict=True) if answer is not None]
        rate, p = hit_rate(one.answers, truth), by_guessing(one.answers, truth)
        raters.append({"rater": one.rater, "answered": len(answered), "right": sum(answered)})
        raters[-1] |= {"hit_rate": rate._asdict(), "p": p}
    for a, b in combinations(rated, 2):
        both = sum(None not in answers for answers in zip(a.answers, b.answers, strict=True))
        pairs.append({"raters": [a.rater, b.rater], "answered": both, "kappa": kappa(a.answers, b.answers)._asdict()})
    about = {name: key.get(name) for name in ("test", "n", "seed", "samples")}
    return about | {"raters": raters, "kappa": pairs}


def _tell(found: dict[str, Any]) -> None:
    print(f"{'rater':24} {'answered':>11} {'right':>6}  {'hit rate and interval':22}  p by guessing")
    for one in found["raters"]:
        answered = f"{one['answered']} of {found['n']}"
        rate = _told(one["hit_rate"])
        print(f"{plain(one['rater']):24.24} {answered:>11} {one['right']:6}  {rate:22}  {one['p']:.2g}")
    for pair in found["kappa"]:
        a, b = map(plain, pair["raters"])
        print(f"{a} and {b}: kappa {_told(pair['kappa'])} over {pair['answered']} pictures that both answered")


def _told(number: dict[str, float]) -> str:
    if number["value"] != number["value"]:
        return "unknown"
    return f"{number['value']:.2f} [{number['low']:.2f}, {number['high']:.2f}]"


def _page(test: str, pictures: Sequence[bytes], shape: Sequence[int]) -> str:
    scale = max(1, SIDE // max(shape[1:]))
    data = ",\n".join(f'"{base64.b64encode(picture).decode("ascii")}"' for picture in pictures)
    look = "pixelated" if scale > 1 else "auto"
    return _PAGE.substitute(test=test, n=len(pictures), width=scale * shape[2], look=look, pictures=data)


# The policy forbids everything that is not in the file itself. The page knows the pictures, and no more of them.
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Real or generated?</title>
<style>
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #666; --line: #bbb; --paper: #fff; --key: #f1f1ef; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e2; --soft: #a0a0a0; --line: #555; --paper: #161616; --key: #262626; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--paper); color: var(--ink); text-align: center;
  font: 1.0625rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 1rem 1.25rem 2rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0.5rem 0; }
p { margin: 0.5rem 0; color: var(--soft); text-wrap: balance; }
img { display: block; width: ${width}px; max-width: 100%; height: auto; margin: 1rem auto; image-rendering: $look; }
progress { width: 100%; }
button, input, textarea { font: inherit; color: inherit; background: var(--key); border: 1px solid var(--line);
  border-radius: 8px; padding: 0.7rem 1rem; }
button { min-height: 3rem; cursor: pointer; }
button:disabled { opacity: 0.45; cursor: default; }
button[aria-pressed="true"] { outline: 3px solid var(--ink); }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 0.75rem; margin: 0.75rem 0; }
#real, #generated { min-height: 4.5rem; padding: 0.5rem; font-size: 1.2rem; }
#name, #text { width: 100%; margin: 0.5rem 0; }
#text { height: 9rem; font-size: 0.85rem; }
</style>
</head>
<body>
<main>
<h1>Real or generated?</h1>
<section id="asking">
<p>About half of the pictures are real, a model generated the others.</p>
<progress id="progress" max="$n" value="0"></progress>
<p id="count" aria-live="polite"></p>
<img id="picture" alt="">
<div class="two">
<button id="real">Real (R)</button>
<button id="generated">Generated (G)</button>
</div>
<div class="two">
<button id="back">Back (←)</button>
<button id="stop">Stop here</button>
</div>
</section>
<section id="end" hidden>
<p id="answered"></p>
<label for="name">Your name</label>
<input id="name" maxlength="100" autocomplete="name">
<div class="two">
<button id="return">Back (←)</button>
<button id="save">Save answers</button>
</div>
<p>Send the file to the person who asked you, or copy this text:</p>
<textarea id="text" readonly aria-label="your answers as text" placeholder="Write your name first."></textarea>
<button id="again">Forget these answers, for another person</button>
</section>
</main>
<script>
"use strict";
const test = "$test", place = "fromnoise-blind-" + test;
const pictures = [
$pictures
];
const n = pictures.length, get = id => document.getElementById(id);
const fresh = () => ({answers: Array(n).fill(null), at: 0, stopped: false, name: ""});
let state = fresh();
try { Object.assign(state, JSON.parse(localStorage.getItem(place))); } catch { /* some windows keep nothing */ }

function show() {
  const end = state.stopped || state.at >= n, name = state.name.trim();
  get("asking").hidden = end;
  get("end").hidden = !end;
  if (!end) {
    get("picture").src = "data:image/png;base64," + pictures[state.at];
    get("picture").alt = get("count").textContent = "picture " + (state.at + 1) + " of " + n;
    get("progress").value = state.at;
    get("back").disabled = state.at === 0;
    for (const word of ["real", "generated"]) get(word).setAttribute("aria-pressed", state.answers[state.at] === word);
  }
  get("answered").textContent = state.answers.filter(Boolean).length + " of " + n + " answered";
  if (get("name").value !== state.name) get("name").value = state.name;
  get("save").disabled = !name;
  get("text").value = name ? JSON.stringify({test: test, rater: name, answers: state.answers}) : "";
  try { localStorage.setItem(place, JSON.stringify(state)); } catch { /* as above */ }
}

function say(word) {
  if (state.stopped || state.at >= n) return;
  state.answers[state.at++] = word;
  show();
}

function back() {
  if (state.stopped) state.stopped = false;
  else if (state.at > 0) state.at--;
  show();
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([get("text").value], {type: "application/json"}));
  link.download = "answers-" + state.name.trim().replace(/[^\\p{L}\\p{N}]+/gu, "-") + ".json";
  link.click();
}

get("name").oninput = event => { state.name = event.target.value; show(); };
get("real").onclick = () => say("real");
get("generated").onclick = () => say("generated");
get("back").onclick = get("return").onclick = back;
get("stop").onclick = () => { state.stopped = true; show(); };
get("save").onclick = save;
get("again").onclick = () => { if (confirm("Forget these answers?")) { state = fresh(); show(); } };
document.onkeydown = event => {
  const typing = event.target.id === "name" || event.target.id === "text";
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "r" || event.key === "R") say("real");
  if (event.key === "g" || event.key === "G") say("generated");
  if (event.key === "ArrowLeft") back();
};
show();
</script>
</body>
</html>
""")
