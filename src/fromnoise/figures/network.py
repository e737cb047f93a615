"""A U-Net as boxes (K Figure 4), from the shapes that a forward pass has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fromnoise.figures.sheet import arrow, sheet
from fromnoise.figures.style import GRAY, INK, PALETTE, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Block(NamedTuple):
    """One part of a U-Net and what comes out of it.

    `kind` is convolution, residual, down or up; the output is (channels, height, width); `skip` is the number of the
    block, among all, whose output is seen beside that of the block before, if there is one.

    >>> Block("residual", 64, 14, 14, attention=True).skip is None
    True
    """

    kind: str
    channels: int
    height: int
    width: int
    attention: bool = False
    skip: int | None = None


COLORS = {
    "convolution": PALETTE[6],
    "residual": PALETTE[5],
    "attention": PALETTE[0],
    "down": PALETTE[2],
    "up": PALETTE[4],
}
HATCHES = {"attention": "////", "down": "\\\\\\\\", "up": "...."}
NAMES = {
    "convolution": "convolution", "residual": "residual block", "attention": "residual block, attention",
    "down": "half the size", "up": "twice the size",
}  # fmt: skip
TALLEST, LOWEST, ROOM, LABEL = 1.15, 0.16, 0.1, 0.16
"""Inches: the tallest and the lowest box, between two skip connections, and for a line of words."""


def unet_figure(blocks: Sequence[Block], inlet: Sequence[int], outlet: Sequence[int]) -> Figure:
    """K Figure 4: the blocks of a U-Net in the order that data take, a row a size, skip connections as arrows.

    A box is as high as its picture and as thick as its channels are many, in proportion (though never too small to be
    seen); the number below is that of the channels. `inlet` and `outlet` are the shapes (C, H, W) of what goes in and
    comes out. Raises ValueError where no block is given or one is of no known kind.

    >>> blocks = [Block("convolution", 8, 4, 4), Block("residual", 8, 4, 4, skip=0), Block("convolution", 1, 4, 4)]
    >>> figure = unet_figure(blocks, (1, 4, 4), (1, 4, 4))
    >>> [text.get_text() for text in figure.axes[0].texts][:3]
    ['8', '8', '1']
    """
    if not blocks or any(block.kind not in NAMES for block in blocks):
        raise ValueError(f"blocks are of the kinds {', '.join(NAMES)}: {blocks}")
    levels = _levels(blocks)
    side, width, foot = 0.5, 6.8, 0.4
    slot = (width - 2 * side) / len(blocks)
    tall = [max(LOWEST, TALLEST * b.height / max(b.height for b in blocks)) for b in blocks]
    thick = [max(0.05, 0.62 * slot * b.channels / max(b.channels for b in blocks)) for b in blocks]
    rows = _rows(blocks, levels, tall)
    digits = max(len(str(block.channels)) for block in blocks)
    type_size = min(7.0, 90 * slot / digits)  # numbers of neighbours stay apart
    with style():
        figure, ax = sheet(width, rows[-1][0] + foot)
        top = rows[-1][0] + foot
        places = [(side + (k + 0.5) * slot, top - rows[level][1]) for k, level in enumerate(levels)]
        for k, block in enumerate(blocks):
            _box(ax, block, places[k], (thick[k], tall[k]), type_size)
        for k, level in enumerate(levels):
            if k == 0 or level > levels[k - 1]:
                x, y = places[k][0], places[k][1] - tall[k] / 2 - LABEL
                ax.text(x, y - 0.03, f"{blocks[k].height} × {blocks[k].width}", color=GRAY, ha="center", va="top")
        _flow(ax, places, thick)
        _skips(ax, blocks, levels, places, tall)
        for k, (shape, name, step) in {0: (inlet, "in", -1), -1: (outlet, "out", 1)}.items():
            x, y = places[k][0] + step * (thick[k] / 2 + 0.03), places[k][1]
            far = x + step * 0.22
            arrow(ax, [(far, y), (x, y)] if step < 0 else [(x, y), (far, y)])
            words = f"{name}: {' × '.join(map(str, shape))}"
            ax.text(far + step * 0.1, y, words, fontsize=7, rotation=90, ha="center", va="center")
        _legend(ax, blocks)
    return figure


def _levels(blocks: Sequence[Block]) -> list[int]:
    """How often each block's picture has been halved."""
    level, found = 0, []
    for block in blocks:
        level += (block.kind == "down") - (block.kind == "up")
        found.append(level)
    return found


def _rows(blocks: Sequence[Block], levels: Sequence[int], tall: Sequence[float]) -> list[tuple[float, float]]:
    """Of each level its end and its middle, in inches from the top: below the skips, above the labels."""
    rows, end = [], 0.04
    for level in range(max(levels) + 1):
        own = [k for k in range(len(blocks)) if levels[k] == level]
        skips = sum(blocks[k].skip is not None for k in own)
        high = max(tall[k] for k in own)
        begin = end + ROOM * (skips + 1)
        end = begin + high + 2 * LABEL + 0.06
        rows.append((end, begin + high / 2))
    return rows


def _box(ax: Axes, block: Block, at: tuple[float, float], size: tuple[float, float], type_size: float) -> None:
    from matplotlib.patches import Rectangle

    thick, tall = size
    kind = "attention" if block.attention else block.kind
    look: Any = {
        "facecolor": COLORS[kind],
        "edgecolor": INK,
        "linewidth": 0.6,
        "hatch": HATCHES.get(kind, ""),
        "zorder": 2,
    }
    ax.add_patch(Rectangle((at[0] - thick / 2, at[1] - tall / 2), thick, tall, **look))
    ax.text(at[0], at[1] - tall / 2 - 0.04, str(block.channels), fontsize=type_size, ha="center", va="top")


def _flow(ax: Axes, places: Sequence[tuple[float, float]], thick: Sequence[float]) -> None:
    """From each block to the next: straight, or down and up between two rows."""
    for k in range(1, len(places)):
        (x, y), (next_x, next_y) = places[k - 1], places[k]
        begin, end = x + thick[k - 1] / 2, next_x - thick[k] / 2
        half = (begin + end) / 2
        points = [(begin, y), (end, y)] if y == next_y else [(begin, y), (half, y), (half, next_y), (end, next_y)]
        arrow(ax, points, mutation_scale=5, linewidth=0.8)


def _skips(
    ax: Axes,
    blocks: Sequence[Block],
    levels: Sequence[int],
    places: Sequence[tuple[float, float]],
    tall: Sequence[float],
) -> None:
    """Brackets above each row, the inner ones below the outer ones."""
    for level in range(max(levels) + 1):
        ends = [k for k, block in enumerate(blocks) if block.skip is not None and levels[k] == level]
        for j, k in enumerate(ends):
            begin = blocks[k].skip
            assert begin is not None
            (x, y), (end_x, end_y) = places[begin], places[k]
            over = max(y + tall[begin] / 2, end_y + tall[k] / 2) + ROOM * (j + 1)
            points = [(x, y + tall[begin] / 2), (x, over), (end_x, over), (end_x, end_y + tall[k] / 2)]
            arrow(ax, points, GRAY, mutation_scale=5, linewidth=0.8, zorder=1)


def _legend(ax: Axes, blocks: Sequence[Block]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = {"attention" if block.attention else block.kind for block in blocks}
    handles: list[Patch | Line2D] = [
        Patch(facecolor=COLORS[kind], edgecolor=INK, linewidth=0.6, hatch=HATCHES.get(kind, ""), label=name)
        for kind, name in NAMES.items()
        if kind in shown
    ]
    if any(block.skip is not None for block in blocks):
        handles.append(Line2D([], [], color=GRAY, linewidth=0.8, label="skip connection"))
    ax.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=6, columnspacing=1.2, handlelength=1.3,
        borderaxespad=0.6, handletextpad=0.5,
    )  # fmt: skip
