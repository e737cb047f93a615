"""The page of a judgement: what was judged, every number with its interval, copies, classes, samples as they came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fromnoise import figures
from fromnoise.cli.judging import FOREIGN
from fromnoise.evaluation import share
from fromnoise.evaluation.cost import GRAMS, SDXL
from fromnoise.evaluation.judgement import which
from fromnoise.figures import Heading, Picture, Table, Text
from fromnoise.training.fit import digest

if TYPE_CHECKING:
    from fromnoise.cli.judge_data import Judged
    from fromnoise.cli.judging import Outcome, Sides
    from fromnoise.data import Dataset
    from fromnoise.evaluation import Classes, Estimate, Judgement, Number
    from fromnoise.figures.page import Block

SHOWN, PAIRS, ENDS = 64, 8, 16
"""Samples of the grid, of those nearest to training data, and of the surest and least sure."""
POINTS = 10_000
LISTED = 20
MOST_CLASSES = 100
UNKNOWN = (
    "Where the data come from, whose they are, whether those in them agreed, and who is missing: no number says it. "
    "Write it down beside this card before you give the model away."
)


def write(out: Path, of: Sides, whole: Outcome, curves: Sequence[tuple[int, Outcome]] = ()) -> None:
    """Write index.html, report.md and the data card data.md into the folder `out`."""
    from fromnoise.model.store import write_file

    found, samples, known, numbers = whole
    title, card = f"Judgement of {numbers['model'] or 'samples'}", data_card(of)
    blocks = [
        *_opening(of, whole), *_numbers(found), *_curves(curves),
        *_copies(found, samples, of.training, known), *_classes(found, samples), *_cost(numbers["cost"]),
        Heading("The data"), *card,
    ]  # fmt: skip
    figures.page(title, blocks, out / "index.html")
    write_file(out / "report.md", markdown(title, blocks).encode())
    write_file(out / "data.md", markdown("The data", card).encode())


def data_card(of: Sides, about: str = UNKNOWN) -> list[Block]:
    """What is known of the training data, and `about` them what no number says."""
    data = of.training
    held = "none: halves of the training data stand in" if of.held_out is None else f"{len(of.held_out):,}"
    rows = [
        *([key, str(value)] for key, value in of.source.items()),
        ["kind", data.kind],
        ["number", f"{len(data):,}"],
        ["shape of each", " x ".join(map(str, data.shape))],
        *([["columns", ", ".join(data.columns)]] if data.columns else []),
        ["digest", digest(data)],
        ["held-out data", held],
    ]
    blocks: list[Block] = [Table(rows, ("what", "")), Text(about)]
    if data.labels is not None and len(data.classes) <= MOST_CLASSES:
        counts = np.bincount(data.labels, minlength=len(data.classes))
        each = [
            [name, f"{count:,}", f"{count / len(data):.1%}"] for name, count in zip(data.classes, counts, strict=True)
        ]
        blocks.append(Table(each, ("class", "number", "share")))
    return blocks


def markdown(title: str, blocks: list[Block]) -> str:
    """The words and tables of a page, without its pictures.

    >>> markdown("A", [Heading("B"), Table([["x", 1]], ["name", "value"])]).splitlines()[4:]
    ['| name | value |', '|---|---|', '| x | 1 |']
    """
    parts = [f"# {title}"]
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"{'#' * block.level} {block.text}")
        elif isinstance(block, Text):
            parts.append(block.text)
        elif isinstance(block, Table):
            lines = [block.header, ["---"] * len(block.header), *block.rows]
            rows = [f"|{'|'.join(str(cell) for cell in line)}|" if line[0] == "---" else _row(line) for line in lines]
            parts.append("\n".join([*rows, *([f"\n{block.caption}"] if block.caption else [])]))
    return "\n\n".join(parts) + "\n"


def _row(cells: Any) -> str:
    words = (" ".join(str(cell).split()).replace("|", "/").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(words)} |"


def _opening(of: Sides, whole: Outcome) -> list[Block]:
    found, samples, _, numbers = whole
    n, data = found.n, "held-out data" if found.held_out else "half of the training data (nothing was held back)"
    used = "" if n["samples"] == len(samples.data) else f"; {n['samples']:,} of them"
    shown = min(SHOWN if samples.data.kind == "images" else POINTS, len(samples.data))
    beside = of.training if of.held_out is None else of.held_out
    return [
        Text(f"{found.copies.verdict[0].upper()}{found.copies.verdict[1:]}."),
        *([Text(f"{FOREIGN}.")] if numbers["foreign"] else []),
        Text(
            f"Judged: {samples.what}{used}, beside {n['data']:,} {data}. Compared by "
            f"{found.features.about}. Copies are sought among all {n['training']:,} training data.{_size(samples.data)}"
        ),
        Picture(drawn(samples.data), f"The first {shown:,} samples, none left out."),
        Picture(drawn(_first(beside, shown)), "As many of the data that they are compared with, by chance."),
    ]


def _first(data: Dataset, n: int) -> Dataset:
    """n of the data by chance: files often lie sorted by class."""
    return data.take(np.random.default_rng(0).permutation(len(data))[:n])


def _size(data: Dataset) -> str:
    if data.kind != "images":
        return ""
    return f" All pictures are compared with {data.shape[1]} x {data.shape[2]} pixels."


def drawn(data: Dataset) -> Any:
    """The first samples as a figure or a picture."""
    if data.kind == "images":
        return figures.draw_samples(data.batch(range(min(SHOWN, len(data)))), "images")
    rows = torch.from_numpy(data.units.to_own(data.batch(range(min(POINTS, len(data)))).double().numpy()))
    return figures.draw_samples(rows, data.kind, columns=data.columns)


def _numbers(found: Judgement) -> list[Block]:
    rows = [
        [number.about.name, told(number.value), told(number.floor), told(number.ceiling), number.about.better]
        for number in found.numbers
    ]
    header = ("what", "samples", "floor: fresh data", "ceiling: noise", "better")
    level = found.numbers[0].value.level
    blind = [number.about.name for number in found.numbers if says_nothing(number)]
    return [
        Heading("How near, how good, how diverse"),
        Table(rows, header, f"In brackets the interval that holds the true number in {level:.0%} of cases."),
        Text("; ".join(f"{number.about.name}: {number.about.text}" for number in found.numbers) + "."),
        Text(
            "Read each number between its floor, which training data reach in the place of the samples, and its "
            "ceiling, which noise does. All but the Fréchet and the kernel distances depend on how many samples there "
            "are. Precision alone says little: one outlier among the data has a large neighbourhood, in which even "
            "noise may lie; density is less misled by it."
        ),
        *(
            [Text(f"Here noise comes as far as fresh data in {', '.join(blind)}: read nothing into it.")]
            if blind
            else []
        ),
    ]


def says_nothing(number: Number) -> bool:
    """Whether noise is not beyond fresh data in this number, both intervals thought of; False where there are none."""
    high, low = (number.ceiling, number.floor) if number.about.better == "low" else (number.floor, number.ceiling)
    return high.low <= low.high


def told(number: Estimate | None) -> str:
    """A number with its interval, to two digits of what is uncertain.

    >>> from fromnoise.evaluation import Estimate
    >>> told(Estimate(0.5, 0.45, 0.55)), told(Estimate(0.01234, 0.0101, 0.0145)), told(Estimate(0.0, 0.0, 0.0))
    ('0.500 [0.450, 0.550]', '0.0123 [0.0101, 0.0145]', '0 [0, 0]')
    """
    if number is None or not math.isfinite(number.high - number.low):
        return "too few"
    half = (number.high - number.low) / 2
    size = half or abs(number.value) / 100
    digits = min(6, max(0, 1 - math.floor(math.log10(size)))) if size else 0
    return f"{number.value:.{digits}f} [{number.low:.{digits}f}, {number.high:.{digits}f}]"


def _copies(found: Judgement, samples: Judged, training: Dataset, known: Estimate | None) -> list[Block]:
    copied = found.copies
    expected = copied.expected
    kind = "held-out data" if found.held_out else "training data beside all others"
    rows: list[list[Any]] = [
        ["copies among the samples", f"{copied.count:,}"],
        [f"as many {kind} would give", f"{expected.value:.2g}, {expected.low:.0f} to {expected.high:.0f} by chance"],
        ["probability of so many or more by chance", f"{copied.p:.2g}"],
    ]
    if found.without is not None:
        rows.append(["distance of the samples that are no copies", told(found.without)])
    if known is not None:
        rows.append(
            ["membership: training told from held-out data by the denoising error (1/2 is chance)", told(known)]
        )
    blocks: list[Block] = [
        Heading("How new"),
        Table(rows, ("what", "result")),
        Text(_what_is_a_copy(samples.data.kind, kind, copied.rare)),
    ]
    if samples.data.kind == "images":
        blocks.append(_pairs(found, samples, training))
    name = "distance to the nearest, over the next ones'"
    picture = figures.distances_figure(copied.near.relative, copied.held_out.relative, copied.ends[1], name, kind)
    caption = f"How near samples and {kind} come to training data, by the second of the two numbers."
    listed = [
        [f"{copy['sample']:,}", f"{copy['training']:,}", f"{copy['distance']:.3g}", f"{copy['relative']:.2f}"]
        for copy in which(found, LISTED)
    ]
    header = ("sample", "training", "distance", "over the next ones'")
    numbered = "Numbers count from 0, in folders by the order of names; all copies are in judgement.json."
    return [*blocks, Picture(picture, caption), *([Table(listed, header, numbered)] if listed else [])]


def _what_is_a_copy(kind: str, others: str, rare: float) -> str:
    share = f"{rare:.2%} of {others}" + (" (few were held out, so copies hardly stand out)" if rare > 0.002 else "")
    if kind != "images":
        return (
            f"A sample looks like a copy if it is nearer to a training row than all but {share}: by its distance, or "
            "by that over its mean distance to the next fifteen."
        )
    return (
        "A sample looks like a copy if it is nearer to a training picture, shifted by up to a pixel or mirrored, than "
        f"all but {share}: by the distance of its pixels, or by that over its mean distance to the next fifteen."
    )


def _pairs(found: Judgement, samples: Judged, training: Dataset) -> Block:
    near = found.copies.near
    order = (near.relative + (~found.copies.copied) * 10).argsort()[:PAIRS]
    shown = samples.data.batch(found.places[order.numpy()])
    picture = figures.nearest_figure(
        shown, training.batch(near.nearest[order].numpy()), found.copies.copied[order].tolist()
    )
    return Picture(picture, "Copies first, framed, then the samples that are nearest, against the next ones.")


def _classes(found: Judgement, samples: Judged) -> list[Block]:
    classes = found.classes
    if classes is None:
        return []
    rows: list[list[Any]] = [
        ["samples of which it is surer than 0.9", told(classes.sure)],
        ["the same of data", told(classes.sure_data)],
        ["data that it classifies rightly", told(classes.accuracy)],
        ["mean gap between its confidence and its accuracy", f"{classes.calibration:.3f}"],
        ["probability of such an imbalance of classes by chance", f"{classes.p:.2g}"],
    ]
    if classes.as_told is not None:
        rows.append(["samples that are of the class that was told", told(classes.as_told)])
    each = [
        [name, f"{count:,}", f"{100 * part:.1f} %", told(far)]
        for name, count, part, far in zip(classes.names, classes.counts, classes.shares, classes.distances, strict=True)
    ]
    blocks: list[Block] = [
        Heading("By class"),
        Text("As a classifier sees them that was trained on real data alone."),
        Table(rows, ("what", "result")),
        Picture(_counts(found, classes), "Samples in each class."),
        Table(each, ("class", "samples", "of data", "Fréchet distance within the class")),
    ]
    if samples.data.kind == "images":
        order = classes.confidence.argsort()
        for text, some in (("surest", order.flip(0)[:ENDS]), ("least sure", order[:ENDS])):
            shown = samples.data.batch(found.places[some.numpy()])
            blocks.append(Picture(figures.grid(shown, 8), f"The {len(some)} of which it is {text}."))
    return blocks


def _counts(found: Judgement, classes: Classes) -> Any:
    return figures.counts_figure(classes.names, classes.counts, classes.shares, found.n["data"])


def _curves(curves: Sequence[tuple[int, Outcome]]) -> list[Block]:
    if not curves:
        return []
    steps, outcomes = zip(*curves, strict=True)
    rows = [
        [f"{step:,}", *(told(at.found[number.name].value) for number in outcomes[0].found.numbers)]
        for step, at in curves
    ]
    header = ("step", *(number.about.name for number in outcomes[0].found.numbers))
    return [
        Heading("Over training"),
        Table(rows, header),
        Picture(
            figures.checkpoints_figure(steps, panels(outcomes)),
            "Every checkpoint, judged like the last; dashed what fresh data reach. The bands hold the true number in "
            "95 % of cases.",
        ),
    ]


def panels(outcomes: Sequence[Outcome]) -> list[figures.Panel]:
    """Every number of several judgements, and the share of copies."""
    found = []
    for first in outcomes[0].found.numbers:
        values = [at.found[first.name].value[:3] for at in outcomes]
        found.append(figures.Panel(first.about.name, values, outcomes[-1].found[first.name].floor[:3]))
    copied = [share(at.found.copies.count, at.found.n["samples"])[:3] for at in outcomes]
    return [*found, figures.Panel("share of copies", copied, None)]


def _cost(cost: Mapping[str, Any] | None) -> list[Block]:
    if cost is None:
        return []
    return [
        Heading("What it costs"),
        Table([[*row] for row in costs(cost)], ("what", "result")),
        Text(
            f"For comparison: 1,000 pictures of SDXL were measured at {SDXL:,.0f} g of CO2 (Luccioni, Jernite and "
            "Strubell 2024), with the power stations of the place where they were drawn. Energy is measured where "
            "codecarbon is installed (fromnoise[energy]), and is that of the whole machine while samples were drawn."
        ),
    ]


def costs(cost: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a model's samples take, in words."""
    return [
        ("parameters", f"{cost['parameters']:,}"),
        ("weights in memory", f"{cost['weight_bytes'] / 1e6:.3g} MB"),
        ("FLOPs of a network call", f"{cost['call_flops']:.3g}"),
        ("steps of a sample", f"{cost['steps']:,}"),
        ("network calls of a sample", f"{cost['calls']:,}" if cost["calls"] else "found on its way"),
        ("FLOPs of 1,000 samples", _known(cost["flops"], "")),
        ("time of 1,000 samples", _known(cost["seconds"], " s")),
        ("energy of 1,000 samples", _known(cost["kwh"] * 1000, " Wh")),
        (f"CO2 of 1,000 samples, at {GRAMS:.0f} g a kWh", _known(cost["grams"], " g")),
        ("memory of the process that drew them, at most", _known(cost["peak_bytes"] / 1e6, " MB")),
    ]


def _known(value: float, unit: str) -> str:
    return f"{value:.3g}{unit}" if math.isfinite(value) else "not measured"
