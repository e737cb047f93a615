"""Solvers by the names that the command line uses, with what each costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fromnoise.process import Level, Schedule
from fromnoise.sampling.adaptive import Adaptive
from fromnoise.sampling.forms import Noise, Noisy
from fromnoise.sampling.multistep import IPNDM, Multistep, UniPC
from fromnoise.sampling.paths import karras, leading, quadratic, strided, uniform_in_lambda
from fromnoise.sampling.singlestep import Heun, Midpoint, RungeKutta
from fromnoise.sampling.solvers import DDIM, Solver
from fromnoise.sampling.stochastic import Corrected, EulerMaruyama


@dataclass(frozen=True)
class Choice:
    """A solver that can be asked for by name.

    make        schedule -> the solver
    order       of its error in the step (of its law, for a solver with noise)
    calls       network calls of a step; the last step home takes one. None: as many as the tolerance asks for
    noise       whether it adds noise on its way
    about       what it is, and from where
    no_signal   whether it can begin where the schedule leaves no signal at all

    >>> SOLVERS["heun"].calls
    2
    """

    make: Callable[[Schedule], Solver]
    order: int
    calls: int | None
    noise: bool
    about: str
    no_signal: bool = True


SOLVERS: dict[str, Choice] = {
    "ddpm": Choice(lambda _: DDIM(1.0), 1, 1, True, "the ancestral chain, Algorithm 2 of both papers"),
    "ddim": Choice(lambda _: DDIM(0.0), 1, 1, False, "the same without noise (Song et al. 2021)"),
    "dpmpp": Choice(lambda _: Multistep(2), 2, 1, False, "DPM-Solver++ 2M (Lu et al. 2022)"),
    "dpmpp3": Choice(lambda _: Multistep(3), 3, 1, False, "DPM-Solver++ 3M"),
    "dpmpp2s": Choice(Midpoint, 2, 2, False, "DPM-Solver++ 2S, without a memory"),
    "dpmpp-sde": Choice(lambda _: Multistep(2, Noisy()), 1, 1, True, "DPM-Solver++ 2M of the reverse SDE"),
    "unipc": Choice(lambda _: UniPC(2), 3, 1, False, "UniPC-2: predicts, and corrects for nothing (Zhao et al. 2023)"),
    "unipc3": Choice(lambda _: UniPC(3), 4, 1, False, "UniPC-3"),
    "deis": Choice(lambda _: Multistep(3, Noise()), 3, 1, False, "DEIS-3, in the noise (Zhang & Chen 2023)"),
    "deis4": Choice(lambda _: Multistep(4, Noise()), 4, 1, False, "DEIS-4"),
    "ipndm": Choice(lambda _: IPNDM(4), 2, 1, False, "Adams-Bashforth with fixed coefficients (Liu et al. 2022)"),
    "heun": Choice(lambda _: Heun(), 2, 2, False, "Heun's step; in the data where noise rules (Karras et al. 2022)"),
    "rk4": Choice(RungeKutta, 4, 4, False, "the classical Runge-Kutta step in alpha / sigma"),
    "em": Choice(EulerMaruyama, 1, 1, True, "Euler-Maruyama on the reverse SDE (Song et al. 2021)", False),
    "pc": Choice(lambda _: Corrected(DDIM(1.0)), 1, 2, True, "the chain, each step corrected by Langevin's dynamics"),
    "ode": Choice(Adaptive, 5, None, False, "the probability-flow ODE to a tolerance of 0.001"),
}
"""Every solver by name; `ddpm` is the ancestral chain of both papers. The orders are those that tests measure, given a
start of the same order; as named here the first steps are of the order that their memory allows."""

PATHS: dict[str, Callable[[Schedule, int], list[Level]]] = {
    "even": strided,
    "quadratic": quadratic,
    "leading": leading,
    "lambda": uniform_in_lambda,
    "karras": karras,
}
"""Paths by name, (schedule, steps) -> levels: even in time, in its root, without the noisiest levels, in lam, in
nu^(1/7)."""
