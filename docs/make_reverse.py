"""Draw docs/pictures/reverse.png, the picture of the README: python docs/make_reverse.py"""

from pathlib import Path

import numpy as np

import fromnoise as fn
from fromnoise.figures import grid, save, style
from fromnoise.figures.style import new_figure

HERE = Path(__file__).parent
ROLL_TIMES = (1000, 200, 80, 30, 0)
DIGIT_TIMES = (1000, 720, 480, 240, 0)


def walk(model, n: int, steps: int, times: tuple[int, ...]) -> list[tuple[int, np.ndarray]]:
    """The states of one trajectory at the given times."""
    states = [x.numpy() for x in model.trajectory(n, seed=3, steps=steps)]
    return [(t, states[round((1 - t / 1000) * steps)]) for t in times]


def draw(roll, digits):
    with style():
        figure, axes = new_figure(9.0, 4.0, 2, len(ROLL_TIMES))
        for ax, (t, x) in zip(axes[0], walk(roll, 3000, 1000, ROLL_TIMES), strict=True):
            ax.scatter(*x.T, s=0.6, linewidths=0, rasterized=True)
            ax.set(xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal", title=f"t = {t}")
            ax.set_axis_off()
        for ax, (t, x) in zip(axes[1], walk(digits, 16, 250, DIGIT_TIMES), strict=True):
            ax.imshow(np.asarray(grid(x.clip(-1, 1), columns=4, scale=4)), cmap="gray", vmin=0, vmax=255)
            ax.set_title(f"t = {t}")
            ax.set_axis_off()
    return figure


if __name__ == "__main__":
    save(draw(fn.load("swissroll"), fn.load("mnist")), HERE / "pictures" / "reverse.png")
