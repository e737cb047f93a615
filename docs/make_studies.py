"""Puts what the two studies measured into docs/choices.md and docs/unpredictability.md, and draws their pictures.

    .venv/bin/python docs/make_studies.py

The numbers are those of benchmarks/results; only the strip of interpolations is drawn anew.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parent / "benchmarks" / "results"
VARIANCES = {"small": "β̃", "large": "β", "learned": "learned"}
TARGETS = {"eps": "ε", "mean": "μ̃", "x_0": "x_0"}
LOSSES = {"simple": "(17)", "variational": "(16)", "clean": "1"}

NOT_YET = "Not measured yet.\n"

Row = Mapping[str, Any]


def read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Markdown, numbers to the right."""
    headings = list(headings)
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def floors(row: Row) -> str:
    """Mean and deviation over the seeds of the distance in floors."""
    if row["finite"] < row["seeds"]:
        return f"diverged in {row['seeds'] - row['finite']} of {row['seeds']}"
    return f"{row['floors']:.2f} ± {row['floors_sd']:.2f}"


def choices_tables() -> dict[str, str]:
    """The tables of docs/choices.md by name."""
    rows = {(r["schedule"], r["T"], r["target"], r["loss"], r["variance"]): r for r in read("choices")["table"]}
    found = {}
    for schedule in ("linear-scaled", "cosine"):
        counts = sorted({key[1] for key in rows if key[0] == schedule})
        found[schedule] = table(
            ["T, the network gives", *(f"σ² = {word}" for word in VARIANCES.values())],
            [
                [f"{T}, {word}", *(floors(rows[schedule, T, target, _loss(v), v]) for v in VARIANCES)]
                for T in counts
                for target, word in TARGETS.items()
            ],
        )
    found["losses"] = table(
        ["T, the network gives", *(f"weight {word}" for word in LOSSES.values())],
        [
            [f"{T}, {word}", *(floors(rows["linear-scaled", T, target, loss, "small"]) for loss in LOSSES)]
            for T in (40, 1000)
            for target, word in TARGETS.items()
        ],
    )
    return found


def _loss(variance: str) -> str:
    return "hybrid" if variance == "learned" else "simple"


def unpredictability_tables() -> dict[str, str]:
    """The tables of docs/unpredictability.md by name."""
    found = read("unpredictability")
    noise = table(
        ["schedule", "signal in x_T", "same class", "by chance", "sure"],
        [[name, f"{r['signal']:.4f}", _share(r), f"{r['chance']:.3f}", f"{r['sure']:.2f}"]
         for name, r in found["noise"]["rows"].items()],
    )  # fmt: skip
    rows = found["picture"]["rows"]
    ways = {"one, eta = 1": "one x_t", "each, eta = 1": "fresh noise, η = 1", "each, eta = 0": "fresh noise, η = 0"}
    depths = list(dict.fromkeys(name.split(",")[0] for name in rows))
    lines = []
    for depth in depths:
        one, shares = rows[f"{depth}, noise: one, eta = 1"], [_share(rows[f"{depth}, noise: {way}"]) for way in ways]
        last = (f"{one['chance']:.3f}", f"{one['as_the_image']:.2f}", f"{one['sure']:.2f}")
        lines.append([depth, f"{one['signal']:.3f}", *shares, *last])
    picture = table(["t / T", "signal", *ways.values(), "by chance", "as the image", "sure"], lines)
    columns = {
        "sure": "sure", "of_the_two": "of the two", "ends_kept": "ends kept", "changes": "changes of class",
        "from_the_blend": "from the blend", "from_one_another": "from one another",
    }  # fmt: skip
    between = table(
        ["t / T, noise", *columns.values()],
        [[name.replace(" noise: one", " one for both").replace(" noise: each", " one each"),
          *(f"{r[key]:.2f}" for key in columns)] for name, r in found["between"]["rows"].items()],
    )  # fmt: skip
    return {"noise": noise, "picture": picture, "between": between}


def _share(row: Row) -> str:
    return f"{row['share']:.3f} ± {row['error']:.3f}"


def filled(page: str, tables: Mapping[str, str]) -> str:
    """A page with its tables replaced, each between its marks."""
    for name, text in tables.items():
        begin, end = f"<!-- {name}, by make_studies.py -->\n", "<!-- end -->"
        before, rest = page.split(begin)
        page = before + begin + text + end + rest.split(end, 1)[1]
    return page


def steering_tables() -> dict[str, str]:
    """The tables of docs/howto/steer.md by name."""
    biases = table(
        ["method", "mean off by", "spread", "Wasserstein distance"],
        [[r["method"], f"{r['mean_error']:.2f} ± {r['mean_se']:.2f}", f"{r['spread']:.2f}", f"{r['distance']:.2f}"]
         for r in read("observations")["rows"]],
    )  # fmt: skip
    rows = [
        [f"{name}, {hole}", str(r["calls"]), str(r["n"]), f"{r['right']:.3f} ± {r['right_se']:.3f}",
         f"{r['confident']:.2f}", f"{r['differs']:.2f}"]
        for hole, part in read("restoring").items()
        for name, r in [*part["rows"].items()]
    ]  # fmt: skip
    for hole, part in read("restoring").items():
        rows += [[f"as seen, {hole}", "0", "1,000", f"{part['seen']:.3f}", "", ""]]
    found = read("guidance")
    weights = table(
        ["weight", "as asked", "sure", "distance", "diverse"],
        [[r["weight"], f"{r['as_asked']:.3f}" if "as_asked" in r else "",
          *(f"{r[key]:.3f}" for key in ("confident", "frechet", "diverse"))] for r in found["rows"]],
    )  # fmt: skip
    led = table(
        ["weight", "as asked", "95 % interval"],
        [[f"{r['weight']:g}", f"{r['as_asked']:.3f}", f"{r['interval'][0]:.2f} to {r['interval'][1]:.2f}"]
         for r in found["universal"]],
    )  # fmt: skip
    headings = ["method, hole", "calls", "n", "right", "sure", "seeds differ by"]
    columns = {"as_asked": "as asked", "confident": "sure", "frechet": "distance", "diverse": "diverse"}
    told = columned(found["classifier"], {"weight": "weight"} | columns)
    restored = table(headings, rows)
    return {"guidance": weights, "universal": led, "classifier": told, "observations": biases, "restoring": restored}


def columned(rows: Iterable[Row], columns: Mapping[str, str]) -> str:
    """Some columns of rows, numbers with three digits behind the point, those near 0 with two of their own."""

    def said_of(value: Any) -> str:
        near = isinstance(value, float) and 1e-4 <= abs(value) < 1e-2
        return f"{value:.2g}" if near else f"{value:.3f}" if isinstance(value, float) else str(value)

    said = [[said_of(row[key]) for key in columns] for row in rows]
    return table(columns.values(), said)


def enlarging_tables() -> dict[str, str]:
    """The tables of docs/howto/enlarge.md by name."""
    columns = {"way": "way", "psnr": "PSNR", "ssim": "SSIM", "right": "right", "frechet": "distance", "floor": "floor",
               "seconds_each": "s each"}  # fmt: skip
    found = {}
    for name in ("digits", "flowers", "flowers-32", "cascade"):
        rows = read("upscaling").get(name, {"rows": []})["rows"]
        told = {key: said for key, said in columns.items() if rows and key in rows[0]}
        found[name] = columned(rows, told) if rows else NOT_YET
    return found


def adapting_tables() -> dict[str, str]:
    """The table of docs/howto/adapt.md."""
    columns = {"condition": "along", "adapter": "adapter", "f1": "F1", "f1_near": "within a pixel", "right": "right",
               "confident": "sure", "frechet": "distance", "floor": "floor"}  # fmt: skip
    return {"adapters": columned((row for part in read("adapters").values() for row in part["rows"]), columns)}


def using_tables() -> dict[str, str]:
    """The tables of docs/howto/uses.md by name."""
    left = [r | dict(zip(("low", "high"), r["interval"], strict=True)) for r in read("outliers").values()]
    strokes = read("uses")["strokes"]
    said = (
        f"Strokes of ten pixels planted into test digits: AUROC {strokes['auroc']:.2f}; where the map is largest, "
        f"{100 * strokes['overlap']:.0f} % of the pixels are of the stroke (n = {strokes['n']}, by chance "
        f"{100 * strokes['by_chance']:.0f} %; `benchmarks/uses.py`).\n"
    )
    trials = read("augmenting")["rows"] if (RESULTS / "augmenting.json").exists() else []
    gains = {
        "way": "trained on",
        "value": "balanced accuracy",
        "gain": "over the few repeated",
        "low": "from",
        "high": "to",
    }
    return {
        "outliers": columned(left, {"digit": "left out", "auroc": "AUROC", "low": "from", "high": "to"}),
        "strokes": said,
        "augmenting": columned(trials, gains) if trials else NOT_YET,
    }


PAGES = {
    "choices": choices_tables,
    "unpredictability": unpredictability_tables,
    "howto/steer": steering_tables,
    "howto/enlarge": enlarging_tables,
    "howto/adapt": adapting_tables,
    "howto/uses": using_tables,
}


def choices_figure() -> Any:
    """The distance against T: a panel for each schedule and target, a line for each variance."""
    from fromnoise.figures.style import PALETTE, new_figure, style

    rows = [
        row for row in read("choices")["table"] if row["loss"] in ("simple", "hybrid") and row["finite"] == row["seeds"]
    ]
    with style():
        figure, axes = new_figure(7.0, 4.2, 2, 3, sharex=True, sharey=True)
        for line, schedule in zip(axes, ("linear-scaled", "cosine"), strict=True):
            for ax, (target, word) in zip(line, TARGETS.items(), strict=True):
                for k, (variance, name) in enumerate(VARIANCES.items()):
                    some = [
                        row
                        for row in rows
                        if (row["schedule"], row["target"], row["variance"]) == (schedule, target, variance)
                    ]
                    how = {"color": PALETTE[k], "marker": "os^"[k], "markersize": 3, "linewidth": 1.2}
                    spread = [row["floors_sd"] for row in some]
                    ax.errorbar(
                        [r["T"] for r in some], [r["floors"] for r in some], spread, label=f"σ² = {name}", **how
                    )
                ax.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
                ax.set(xscale="log", yscale="log", xticks=[10, 40, 200, 1000], xticklabels=["10", "40", "200", "1000"])
                ax.set(yticks=[1, 2, 4], yticklabels=["1", "2", "4"])
                ax.minorticks_off()
                ax.set_title(f"{schedule}, {'$x_0$' if target == 'x_0' else word}")
            line[0].set_ylabel("distance, floors")
        for ax in axes[1]:
            ax.set_xlabel("T")
        axes[0, 2].legend()
    return figure


def agreement_figure() -> Any:
    """The share of pairs of one class against the depth to which the image was noised."""
    from fromnoise.figures.style import PALETTE, new_figure, style

    rows = read("unpredictability")["picture"]["rows"]
    ways = {
        "one, eta = 1": "one $x_t$",
        "each, eta = 1": "fresh noise, $\\eta$ = 1",
        "each, eta = 0": "fresh noise, $\\eta$ = 0",
    }
    with style():
        figure, axes = new_figure(4.6, 2.9, 1, 1)
        ax = axes[0, 0]
        for k, (way, words) in enumerate(ways.items()):
            some = [(float(name.split(",")[0]), r) for name, r in rows.items() if name.endswith(way)]
            x, y, error = zip(*((depth, r["share"], 2 * r["error"]) for depth, r in some), strict=True)
            ax.errorbar(x, y, error, color=PALETTE[k], marker="os^"[k], markersize=3, linewidth=1.2, label=words)
        chance = [(float(name.split(",")[0]), r["chance"]) for name, r in rows.items() if name.endswith("one, eta = 1")]
        ax.plot(*zip(*chance, strict=True), color="0.5", linestyle=":", label="by chance")
        ax.set(xlabel="depth t / T", ylabel="pairs of one class", ylim=(0, 1.02))
        ax.legend()
    return figure


def strip_figure() -> Any:
    """Interpolations of one pair of test digits: a row for each depth, a column for each share."""
    import numpy as np
    import torch

    import fromnoise as fn
    from fromnoise.figures import grid
    from fromnoise.figures.style import new_figure, style
    from fromnoise.process import at
    from fromnoise.sampling import Streams

    sys.path.insert(0, str(HERE.parent / "benchmarks"))
    study = runpy.run_path(str(HERE.parent / "benchmarks" / "unpredictability.py"))
    model, schedule = fn.load("mnist", device="cpu"), study["SCHEDULES"]["cosine, T = 1000"]
    pictures, _ = study["chosen_images"]("test", 400)
    a, b = pictures[2:3], pictures[17:18]
    shares = [k / 8 for k in range(9)]
    lines = [torch.cat([(1 - share) * a + share * b for share in shares])]
    for depth in study["BETWEEN"]:
        level, eps = at(schedule, depth * schedule.T), Streams(5, 0, 1)(a)
        x = torch.cat([study["diffuse_with"]((1 - s) * a + s * b, level, eps) for s in shares])
        noises = Streams(7, 0, 1)
        levels = study["even"](schedule, depth * schedule.T)
        lines.append(
            study["back"](model.guided(None, 1.0), x, levels, 1.0, lambda like, n=noises: n(like[:1]).expand_as(like))
        )
    with style():
        figure, axes = new_figure(5.4, 3.6, 1, 1)
        ax = axes[0, 0]
        picture = np.asarray(grid(torch.cat(lines).numpy(), columns=len(shares), scale=3))
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, aspect="auto")
        tall = picture.shape[0] / len(lines)
        names = ["pixels", *("t = T" if depth == 1 else f"t = {depth:g} T" for depth in study["BETWEEN"])]
        ax.set_yticks([tall * (k + 0.5) for k in range(len(lines))], names)
        wide = picture.shape[1] / len(shares)
        ax.set_xticks([wide * (k + 0.5) for k in (0, 2, 4, 6, 8)], ["0", "¼", "½", "¾", "1"])
        ax.set_xlabel("λ")
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return figure


if __name__ == "__main__":
    from fromnoise.figures import save

    for name, tables in PAGES.items():
        file = HERE / f"{name}.md"
        file.write_text(filled(file.read_text("utf-8"), tables()), "utf-8")
    save(choices_figure(), HERE / "pictures" / "choices.png")
    save(agreement_figure(), HERE / "pictures" / "agreement.png")
    save(strip_figure(), HERE / "pictures" / "between.png")
