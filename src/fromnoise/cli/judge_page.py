"""The page of a judgement: what was judged, every number with its interval, copies, classes, samples as they came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fromnoise import figures
from fromnoise.figures import Heading, Picture, Table, Text

if TYPE_CHECKING:
    from fromnoise.cli.judge_data import Judged
    from fromnoise.data import Dataset
    from fromnoise.evaluation import Classes, Estimate, Judgement
    from fromnoise.figures.page import Block

SHOWN, PAIRS, ENDS = 64, 8, 16
"""Samples of the grid, of those nearest to training data, and of the surest and least sure."""
POINTS = 10_000


def write(
    out: Path, found: Judgement, samples: Judged, training: Dataset, known: Estimate | None, numbers: Mapping[str, Any]
) -> None:
    """Write index.html and report.md into the folder `out`."""
    from fromnoise.model.store import write_file

    title = f"Judgement of {numbers['model'] or 'samples'}"
    blocks = [
        *_opening(found, samples, numbers), *_numbers(found), *_copies(found, samples, training, known),
        *_classes(found, samples), *_cost(numbers["cost"]),
    ]  # fmt: skip
    figures.page(title, blocks, out / "index.html")
    write_file(out / "report.md", markdown(title, blocks).encode())


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


def _opening(found: Judgement, samples: Judged, numbers: Mapping[str, Any]) -> list[Block]:
    n, data = found.n, "held-out data" if found.held_out else "half of the training data (nothing was held back)"
    return [
        Text(f"{found.copies.verdict[0].upper()}{found.copies.verdict[1:]}."),
        Text(
            f"Judged: {samples.what}; {n['samples']:,} of them beside {n['data']:,} {data}. Compared by "
            f"{found.features.about}. Copies are sought among all {n['training']:,} training data."
        ),
        Picture(_drawn(samples), f"The first {min(SHOWN, len(samples.data))} samples, none left out."),
    ]


def _drawn(samples: Judged) -> Any:
    data = samples.data
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
    ]


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
    return [*blocks, Picture(picture, caption)]


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


def _cost(cost: Mapping[str, Any] | None) -> list[Block]:
    if cost is None:
        return []
    rows = [["parameters", cost["parameters"]], ["steps of a sample", cost["steps"]], ["network calls", cost["calls"]]]
    return [Heading("What it costs"), Table(rows, ("what", "result"))]
