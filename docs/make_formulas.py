"""Write docs/formulas.md, one table of all formulas: python docs/make_formulas.py

The functions and tests are those of the tables in mathematics.md, the faults those of tests/mutants.toml, and the
tests that find them those of mutants.md; the formulas themselves are written here, in the papers' notation.
"""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"

HEAD = """# All formulas

This page is written by `docs/make_formulas.py`. Each numbered formula of **K** (Kuras, *Diffusion Models*, 1–17) and
**H** (Higham, Higham and Grindrod, *Diffusion Models for Generative AI*, 3.1–4.10 and 6.1–6.6), and the two algorithms:
the function that computes it, the tests that hold it against what is known, and faults put into the code on purpose,
each with the first test that noticed it when [all of them were tried](mutants.md). Tests are named by their path below
`tests/`. One fault may break several formulas, and the test that notices it first need not be the formula's own.

The papers' notation: $\\alpha_t=1-\\beta_t$, $\\bar\\alpha_t=\\alpha_1\\cdots\\alpha_t$. The derivations are
[on the next page](mathematics.md). A star marks a formula that is printed otherwise, a dagger one that is printed so
and [should not be](slips.md).

"""

FORMULAS = {
    "K 1": r"f(x)=\frac1{\sigma\sqrt{2\pi}}e^{-\frac12\left(\frac{x-\mu}{\sigma}\right)^2}",
    "K 2": r"N(x;\mu,\sigma^2I)=\frac{e^{-\lVert x-\mu\rVert^2/2\sigma^2}}{(2\pi)^{d/2}\sigma^d}\;{}^*",
    "K 3": r"x_t=\sqrt{1-\beta_t}\,x_{t-1}+\sqrt{\beta_t}\,\epsilon_t",
    "K 4": r"q(x_t\mid x_{t-1})=N(x_t;\sqrt{1-\beta_t}\,x_{t-1},\beta_tI)",
    "K 5": r"q(x_{1:T}\mid x_0)=\prod_{t=1}^Tq(x_t\mid x_{t-1})",
    "K 6": r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon",
    "K 7": r"q(x_t\mid x_0)=N(x_t;\sqrt{\bar\alpha_t}\,x_0,(1-\bar\alpha_t)I)",
    "K 8": r"p_\theta(x_{t-1}\mid x_t)=N(x_{t-1};\mu_\theta(x_t,t),\Sigma_\theta(x_t,t))",
    "K 9": r"p_\theta(x_{0:T})=p(x_T)\prod_{t=1}^Tp_\theta(x_{t-1}\mid x_t)",
    "K 10": r"\mathbb E[-\log p_\theta(x_0)]\le"
    "\n"
    r"\mathbb E_q\Bigl[-\log\frac{p_\theta(x_{0:T})}{q(x_{1:T}\mid x_0)}\Bigr]=L",
    "K 11": r"L=\mathbb E_q\Bigl[D_{KL}(q(x_T\mid x_0)\Vert p(x_T))"
    "\n"
    r"+\sum_{t>1}D_{KL}(q(x_{t-1}\mid x_t,x_0)\Vert p_\theta(x_{t-1}\mid x_t))"
    "\n"
    r"-\log p_\theta(x_0\mid x_1)\Bigr]\;{}^*",
    "K 12": r"q(x_{t-1}\mid x_t,x_0)=N(x_{t-1};\tilde\mu_t,\tilde\beta_tI),"
    "\n"
    r"\tilde\mu_t=\frac1{\sqrt{\alpha_t}}\Bigl(x_t-\frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\epsilon\Bigr)",
    "K 13": r"p_\theta(x_{t-1}\mid x_t)=N(x_{t-1};\mu_\theta(x_t,t),\sigma_t^2I)",
    "K 14": r"L_{t-1}=\mathbb E_q\Bigl[\frac1{2\sigma_t^2}\lVert\tilde\mu_t-\mu_\theta(x_t,t)\rVert^2\Bigr]+C",
    "K 15": r"\mu_\theta(x_t,t)=\frac1{\sqrt{\alpha_t}}"
    r"\Bigl(x_t-\frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta(x_t,t)\Bigr)",
    "K 16": r"\mathbb E\Bigl[\frac{\beta_t^2}{2\sigma_t^2\alpha_t(1-\bar\alpha_t)}"
    r"\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2\Bigr]",
    "K 17": r"L_{\text{simple}}=\mathbb E_{t,x_0,\epsilon}\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2",
    "H 3.1": r"N(x;\mu,\sigma^2I)=\frac1{(2\pi)^{d/2}\sigma^d}\exp\Bigl(-\frac{(x-\mu)^T(x-\mu)}{2\sigma^2}\Bigr)",
    "H 3.2": r"x_t=\sqrt{1-\beta_t}\,x_{t-1}+\sqrt{\beta_t}\,\epsilon_t",
    "H 3.3": r"q(x_t\mid x_{t-1})=N(x_t;\sqrt{1-\beta_t}\,x_{t-1},\beta_tI)",
    "H 3.4": r"x_t=\sqrt{\alpha_t}\,x_{t-1}+\sqrt{1-\alpha_t}\,\epsilon_t",
    "H 3.5": r"x_t=\sqrt{\alpha_t\alpha_{t-1}}\,x_{t-2}"
    "\n"
    r"+\sqrt{\alpha_t}\sqrt{1-\alpha_{t-1}}\,\epsilon_{t-1}+\sqrt{1-\alpha_t}\,\epsilon_t",
    "H 3.6": r"x_t=\sqrt{\alpha_t\cdots\alpha_{k+1}}\,x_k+\sqrt{1-\alpha_t\cdots\alpha_{k+1}}\,\epsilon_{t,k}",
    "H 3.7": r"\bar\alpha_t=\prod_{i=1}^t\alpha_i",
    "H 3.8": r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\bar\epsilon_t",
    "H 3.9": r"q(x_t\mid x_0)=N(x_t;\sqrt{\bar\alpha_t}\,x_0,(1-\bar\alpha_t)I)",
    "H 4.1": r"q(x_{t-1}\mid x_t,x_0)=\frac{q(x_t\mid x_{t-1},x_0)\,q(x_{t-1}\mid x_0)}{q(x_t\mid x_0)}",
    "H 4.2": r"q(x_t\mid x_{t-1},x_0)=q(x_t\mid x_{t-1})=N(x_t;\sqrt{\alpha_t}\,x_{t-1},(1-\alpha_t)I)",
    "H 4.3": r"q(x_{t-1}\mid x_t,x_0)=\frac{N(x_t;\sqrt{\alpha_t}\,x_{t-1},(1-\alpha_t)I)\,"
    r"N(x_{t-1};\sqrt{\bar\alpha_{t-1}}\,x_0,(1-\bar\alpha_{t-1})I)}{N(x_t;\sqrt{\bar\alpha_t}\,x_0,(1-\bar\alpha_t)I)}",
    "H 4.4": r"\propto\exp\Bigl(-\frac{\lVert x_t-\sqrt{\alpha_t}\,x_{t-1}\rVert^2}{2(1-\alpha_t)}"
    "\n"
    r"-\frac{\lVert x_{t-1}-\sqrt{\bar\alpha_{t-1}}\,x_0\rVert^2}{2(1-\bar\alpha_{t-1})}"
    "\n"
    r"+\frac{\lVert x_t-\sqrt{\bar\alpha_t}\,x_0\rVert^2}{2(1-\bar\alpha_t)}\Bigr)",
    "H 4.5": r"q(x_{t-1}\mid x_t,x_0)=N(x_{t-1};\mu_q(x_t,x_0),\sigma_q^2(t)I)",
    "H 4.6": r"\sigma_q^2(t)=\frac{(1-\alpha_t)(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}",
    "H 4.7": r"\mu_q=\frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})\,x_t"
    r"+\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)\,x_0}{1-\bar\alpha_t}",
    "H 4.8": r"\mu_q\ \text{of (4.7) with}\ "
    r"x_0=\frac{x_t-\sqrt{1-\bar\alpha_t}\,\bar\epsilon_t}{\sqrt{\bar\alpha_t}}",
    "H 4.9": r"\mu_q=\frac1{\sqrt{\alpha_t}}\Bigl(x_t-\frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\bar\epsilon_t\Bigr)",
    "H 4.10": r"x_{t-1}=\frac1{\sqrt{\alpha_t}}\Bigl(x_t-\frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta\Bigr)"
    "\n"
    r"+\sigma_q(t)z\;{}^\dagger",
    "H 6.1": r"u_t=\Delta u+r(t)u,\quad\nabla u\cdot n=0",
    "H 6.2": r"J[u]=\int_\Omega\nabla u\cdot\nabla u\,dx\equiv R",
    "H 6.3": r"u_t=\Delta u+\frac uR\int_\Omega(\Delta u)^2dx",
    "H 6.4": r"u_t=\Delta u+r(t)u+\eta\mathcal W(x,t)",
    "H 6.5": r"u(x,0)=u_0(x)",
    "H 6.6": r"J[u]=\int_\Omega\lVert\nabla u(x,t)\rVert^2dx\equiv R",
}
ALGORITHMS = {"Algorithm 1": "training; H Algorithm 5.1", "Algorithm 2": "sampling; H Algorithm 5.2"}


def keys(text: str) -> list[str]:
    """The formulas that a text names: "K 12; H 4.5–4.7" -> K 12, H 4.5, H 4.6, H 4.7."""
    found, paper = [], ""
    for part in re.split(r"[;,]", text):
        if algorithm := re.match(r"\s*(Algorithm \d)", part):
            found.append(algorithm[1])
            continue
        match = re.match(r"\s*(?:([KH]) )?(\d+(?:\.\d+)?)(?:–(\d+(?:\.\d+)?))?(?: \(|$)", part)
        if not match or not (match[1] or paper):
            continue
        paper = match[1] or paper
        first, last = match[2], match[3] or match[2]
        head, dot, low = first.rpartition(".")
        found += [f"{paper} {head}{dot}{i}" for i in range(int(low), int(last.rpartition(".")[2]) + 1)]
    return [key for key in found if key in FORMULAS or key in ALGORITHMS]


def written() -> dict[str, tuple[list[str], list[str]]]:
    """Of each formula the functions and the tests that mathematics.md names."""
    found: dict[str, tuple[list[str], list[str]]] = {key: ([], []) for key in (*FORMULAS, *ALGORITHMS)}
    for line in (HERE / "mathematics.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 4 or not keys(cells[0]):
            continue
        functions = [name for code in re.findall(r"`([^`]+)`", cells[2]) if (name := function(code))]
        for key in keys(cells[0]):
            found[key][0].extend(name for name in functions if name not in found[key][0])
            found[key][1].extend(name for name in tests(cells[3]) if name not in found[key][1])
    return found


def function(code: str) -> str | None:
    """`reverse(x_t, ...)` -> process.reverse, by the first room that has it; None for what is no public name."""
    name = re.match(r"[\w.]+", code)[0]
    for full in (f"process.{name}", f"pde.{name}", name):
        room, _, rest = full.partition(".")
        with_room = f"fromnoise.{room}"
        try:
            value = importlib.import_module(with_room)
            for part in rest.split("."):
                value = getattr(value, part)
        except (ImportError, AttributeError):
            continue
        return full
    return None


def tests(cell: str) -> list[str]:
    """`exact: gaussian_density`, `another` -> process/test_exact.py::test_gaussian_density, ..."""
    found, place = [], ""
    for code in re.findall(r"`([^`]+)`", cell):
        where, colon, name = code.rpartition(": ")
        if colon:
            room, slash, file = where.rpartition("/")
            place = f"{room if slash else 'process'}/test_{file}.py"
        found.append(f"{place}::test_{name}")
    return found


def faults() -> dict[str, list[tuple[str, str]]]:
    """Of each formula the faults put into it, each with the test that noticed ("" if that was not tried yet)."""
    rows = re.findall(r"^\| (.+) \| .+? \| `(\S+?)(?:\[.*\])?` \|$", (HERE / "mutants.md").read_text("utf-8"), re.M)
    noticed = dict(rows)
    found: dict[str, list[tuple[str, str]]] = {key: [] for key in (*FORMULAS, *ALGORITHMS)}
    for fault in tomllib.loads((TESTS / "mutants.toml").read_text("utf-8"))["mutation"]:
        for key in keys(fault["formula"]):
            found[key].append((fault["name"], noticed.get(fault["name"], "")))
    return found


def row(key: str, shown: str, functions: list[str], named: list[str], broken: list[tuple[str, str]]) -> str:
    """One line of the table."""
    lines = [f"{name}: `{test}`" if test else f"{name} (not tried yet)" for name, test in broken]
    cells = [
        key,
        shown,
        ", ".join(f"`{name}`" for name in functions) or "none",
        ", ".join(f"`{name}`" for name in named) or "none",
        "<br>".join(lines).replace("|", "\\|") or "none",
    ]
    return f"| {' | '.join(cells)} |"


def text() -> str:
    """The page."""
    known, broken = written(), faults()
    lines = ["| number | formula | function | test | fault: the test that noticed |", "|---|---|---|---|---|"]
    for key, shown in {**{k: f"${'$<br>$'.join(v.splitlines())}$" for k, v in FORMULAS.items()}, **ALGORITHMS}.items():
        lines.append(row(key, shown, *known[key], broken[key]))
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "formulas.md").write_text(text(), "utf-8")
