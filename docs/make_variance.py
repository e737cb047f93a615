"""Makes the table of docs/variance.md and its picture: the ancestral chain's variance, by recursion.

    .venv/bin/python docs/make_variance.py

Data are N(0, v), the denoiser is exact, and so is the recursion: a step's slope and noise come from `reverse`.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from fromnoise.process import VARIANCES, Denoised, Level, Schedule, linear, linear_scaled, reverse
from fromnoise.sampling import strided

HERE = Path(__file__).parent
MARKS = "<!-- table, by make_variance.py -->\n", "<!-- end of the table -->\n"
CHOICES = {
    "β̃": lambda exact, n: VARIANCES["small"](n) + 0 * exact,
    "β": lambda exact, n: VARIANCES["large"](n) + 0 * exact,
    "Var": lambda exact, n: exact,
}
"""What each choice of σ_t² takes Var[x_0|x_t] for."""


def chain_error(schedule: Schedule, v: Tensor, choice: str) -> Tensor:
    """Relative error of the variance of finished samples, for data of variances v."""
    w = torch.ones_like(v)
    for t, s in pairwise(strided(schedule)):
        slope, std = one_step(v, choice, t, s)
        w = slope**2 * w + (0 if s.sigma == 0 else std**2)  # the last step is the posterior mean
    return w / v - 1


def one_step(v: Tensor, choice: str, t: Level, s: Level) -> tuple[Tensor, Tensor]:
    """x_s = slope x_t + std z, with the exact denoiser of N(0, v)."""
    spread = t.alpha**2 * v + t.sigma**2
    gain, exact = t.alpha * v / spread, t.sigma**2 * v / spread
    return reverse(torch.ones_like(v), Denoised(gain, CHOICES[choice](exact, t)), t, s)


def table() -> str:
    """Markdown: one row a variance of the data, errors in per cent."""
    v = torch.tensor([0.01, 0.03, 0.06, 0.1, 0.25, 0.5, 1.0, 2.0], dtype=torch.float64)
    columns = [chain_error(s, v, c) for s in (linear(1000), linear_scaled(40)) for c in CHOICES]
    names = [f"{c}, {T}" for T in ("T = 1000", "T = 40") for c in CHOICES]
    lines = ["| v | " + " | ".join(names) + " |", "|---:" * 7 + "|"]
    for i, value in enumerate(v.tolist()):
        lines.append(f"| {value:g} | " + " | ".join(f"{100 * c[i].item():+.2f} %" for c in columns) + " |")
    return "\n".join(lines) + "\n"


def picture(file: Path) -> None:
    """Two panels: the error against the data's variance at T = 40, and against T at variance 0.06."""
    import matplotlib.pyplot as plt

    style = {
        "β̃": dict(color="#c1443c", label=r"$\tilde\beta_t$ (H 4.10)"),
        "β": dict(color="#c98a1b", ls="--", label=r"$\beta_t$"),
        "Var": dict(color="#2a6f97", ls="-.", label=r"$\tilde\beta_t + b_t^2\,\mathrm{Var}[x_0|x_t]$"),
    }
    with plt.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.9), layout="constrained")
        v = torch.logspace(-2, 0.5, 60, dtype=torch.float64)
        steps = [21, 40, 80, 160, 320, 640, 1000, 2000]  # with T = 20 or fewer, β_T = 20/T would reach 1
        for choice, how in style.items():
            left.plot(v, 100 * chain_error(linear_scaled(40), v, choice), lw=1.8, **how)
            point = torch.tensor([0.06], dtype=torch.float64)
            errors = [100 * abs(chain_error(linear_scaled(T), point, choice).item()) for T in steps]
            right.plot(steps, errors, marker="o", ms=3, lw=1.8, **how)
        left.axhline(0, color="0.6", lw=0.8, zorder=0)
        left.set(xscale="log", xlabel="variance of the data", ylabel="error of the samples' variance, %")
        left.set_title("T = 40", loc="left", fontsize=9)
        right.set(xscale="log", yscale="log", xlabel="number of steps T", ylabel="size of the error, %")
        right.set_title("variance 0.06", loc="left", fontsize=9)
        left.legend(frameon=False, fontsize=8)
        figure.savefig(file, dpi=300)
        plt.close(figure)


def main() -> None:
    page = HERE / "variance.md"
    before, rest = page.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    page.write_text(before + MARKS[0] + table() + MARKS[1] + after)
    picture(HERE / "pictures" / "variance.png")


if __name__ == "__main__":
    main()
