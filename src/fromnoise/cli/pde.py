"""fromnoise pde: H section 6, a field that diffuses, is rescaled and kicked by noise."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.outputs import FILMS, check_writable, note
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.pde import Grid, Problem

EPILOG = """\
u_t = u_xx + r(t) u + eta W on [0, 1] with no-flux ends, r such that the integral of u_x^2 stays R (Higham, Higham and
Grindrod, section 6). The suffix of --out says what is written: .png .svg .pdf the profiles at steps 2, 4, 8, ... of
one field for each eta (their Figure 7), .webp .gif .mp4 a film of 8 fields, .npz the pairs u(0), u(T) of n fields.
--shares draws instead how noise takes the energy from the first mode, for each reading of eta W. --learn-backward
learns the map from u(T) back to the fields u(0) that it may have come from, into a folder, and judges it; settings of
training may follow, as --train.steps 4000.

examples:
  fromnoise pde --out figure7.png
  fromnoise pde --eta 10000 -n 1000 --out pairs.npz
  fromnoise pde --eta 300 --forcing literal --out film.webp
  fromnoise pde --shares --out transition.png
  fromnoise pde --eta 10000 --learn-backward --out runs/backward
"""
FIGURE_7 = (0.0, 10_000.0, 12_500.0, 15_000.0)
PICTURES = (".png", ".svg", ".pdf")
PARTS = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.25)
"""Of η_c, at which shares are simulated."""
FINER = (25, 50, 100, 200, 400)
"""Cells of the grids on which η_c is compared."""
BACKWARD_STEPS, BACKWARD_PAIRS, FEWEST = 2048, 60_000, 200
"""Of --learn-backward unless told: after a time of 0.03 four modes of u(0) can still be told."""
COARSE = 32
"""Cells of the grid on which shares are simulated unless told: a time of 1 takes 6,800 steps there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write, by suffix")
    parser.add_argument(
        "--eta", type=finite, nargs="+", help="amplitudes of the noise; 0 10000 12500 15000 unless given"
    )
    parser.add_argument("--forcing", default="cell", help="what eta W means: literal, cell (default), white or smooth")
    parser.add_argument("--scheme", default="explicit", help="explicit (default) or exponential, for any --dt")
    parser.add_argument("--cells", type=whole(2), help="of the grid (default 100; of --shares 32)")
    parser.add_argument("--dt", type=finite, help="the time step; 0.15 dx^2 unless given")
    parser.add_argument(
        "--steps", type=whole(1), help="how many (default 16384; of --shares a time of 1; of --learn-backward 2048)"
    )
    parser.add_argument("-n", type=whole(1), help="pairs that an .npz holds (default 100), or are learned from (60000)")
    parser.add_argument("--fields", help="the first fields: gaussian (default) or fronts (of --learn-backward)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the first fields and of the noise (default 0)")
    parser.add_argument("--shares", action="store_true", help="draw the first mode's share against eta")
    parser.add_argument("--learn-backward", action="store_true", help="learn the map from u(T) to u(0), into a folder")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Solve."""
    path = Path(args.out)
    _check_out(path, args)
    etas = list(args.eta or FIGURE_7)
    if min(etas) < 0:
        raise UserError(f"--eta is an amplitude and not negative, got {min(etas):g}")
    if max(etas) > 1e9:
        raise UserError(f"--eta is at most 1e9, got {max(etas):g}")
    if args.dt is not None and args.dt <= 0:
        raise UserError(f"--dt is a step in time and above 0, got {args.dt:g}")
    problem = _problem(args)
    if not (args.shares or args.quiet):
        _tell_beyond(problem, max(etas))
    if args.shares:
        _shares(problem, path, args)
    elif args.learn_backward:
        from fromnoise.cli.pde_backward import learn_backward

        learn_backward(
            dataclasses.replace(problem, eta=_one(etas, "a map back is", args)), path, args.n or BACKWARD_PAIRS, args
        )
        return
    elif path.suffix.lower() in PICTURES:
        _profiles(problem, etas, path, args)
    elif path.suffix.lower() == ".npz":
        _pairs(dataclasses.replace(problem, eta=_one(etas, "an .npz is", args)), path, args)
    else:
        _film(dataclasses.replace(problem, eta=_one(etas, "a film is", args)), path, args)
    note(f"wrote {path}")


def _tell_beyond(problem: Problem, eta: float) -> None:
    """Say where an amplitude leaves nothing but noise."""
    from fromnoise.pde import critical

    most = critical(problem.grid, problem.forcing, problem.dt, scheme=problem.scheme)
    if eta > most > 0:
        note(f"eta = {eta:,.4g} is {eta / most:.1f} times the critical one on this grid: noise takes the first mode")


def _check_out(path: Path, args: argparse.Namespace) -> None:
    """What can be found out before any work."""
    if args.learn_backward:
        if args.shares:
            raise UserError("--shares and --learn-backward are two things: give one of them")
        if path.suffix or path.is_file():
            raise UserError(f"--learn-backward writes a folder: give --out a name without a suffix, not {path}")
        if args.n is not None and args.n < FEWEST:
            raise UserError(f"a map back is learned from at least {FEWEST} pairs, got -n {args.n}")
        check_writable(path / "pairs.npz")
        return
    if args.changes:
        raise UserError(f"--{next(iter(args.changes))} is a setting of training: it goes with --learn-backward")
    allowed = PICTURES if args.shares else (*PICTURES, *FILMS, ".npz")
    if path.suffix.lower() not in allowed:
        raise UserError(f"cannot write {path}: use {', '.join(allowed[:-1])} or {allowed[-1]}")
    if args.n is not None and path.suffix.lower() != ".npz":
        raise UserError(f"-n is the number of pairs of an .npz: leave it out for {path.suffix}")
    check_writable(path)


def _one(etas: list[float], what: str, args: argparse.Namespace) -> float:
    if len(etas) > 1:
        raise UserError(f"{what} of one amplitude: give --eta once, as --eta {etas[1]:g}")
    if args.learn_backward and etas[0] == 0:
        raise UserError("without noise the way back is one field: give --eta above 0")
    return etas[0]


def _problem(args: argparse.Namespace) -> Problem:
    from fromnoise.model.options import unknown
    from fromnoise.pde import FIELDS, FORCINGS, SCHEMES, Grid, Problem

    fields = args.fields or ("fronts" if args.learn_backward else "gaussian")
    named = (("forcing", args.forcing, FORCINGS), ("scheme", args.scheme, SCHEMES), ("fields", fields, FIELDS))
    for name, value, known in named:
        if value not in known:
            raise unknown(name, value, known)
    grid, scheme = Grid((args.cells or (COARSE if args.shares else 100),)), SCHEMES[args.scheme]
    how = {
        "forcing": FORCINGS[args.forcing],
        "scheme": scheme,
        "seed": args.seed,
        "dt": args.dt or 0.0,
        "law": FIELDS[fields],
    }
    problem = Problem(grid, **how)
    steps = args.steps or (max(1, round(1 / problem.dt)) if args.shares else problem.steps)
    steps = BACKWARD_STEPS if args.learn_backward and not args.steps else steps
    try:
        scheme.make(grid, problem.dt)
    except ValueError as error:
        raise UserError(f"{error}; or use --scheme exponential") from None
    return dataclasses.replace(problem, steps=steps)


def _profiles(problem: Problem, etas: list[float], path: Path, args: argparse.Namespace) -> None:
    from fromnoise.figures import profiles_figure, save
    from fromnoise.pde import profiles

    at = [2**k for k in range(1, problem.steps.bit_length())] or [problem.steps]
    panels = []
    with bar("stepping", args.quiet) as update:
        for i, eta in enumerate(etas):

            def told(done: int, total: int, i: int = i, eta: float = eta) -> None:
                update(i * total + done, len(etas) * total, f"eta {eta:g}")

            states = profiles(dataclasses.replace(problem, eta=eta), at, progress=told)
            panels.append((panel_title(problem.grid, eta, states), states))
    save(profiles_figure(problem.grid.points[0], panels, [step * problem.dt for step in at]), path)


def panel_title(grid: Grid, eta: float, states: Tensor) -> str:
    """Of a panel of H Figure 7: the amplitude, and what the last of the states (k, *cells) has in the first mode."""
    number = f"{eta:,.0f}" if eta == round(eta) else f"{eta:.4g}"
    return f"$\\eta$ = {number}, {float(grid.share(states[-1])):.1%} in mode 1"


def _pairs(problem: Problem, path: Path, args: argparse.Namespace) -> None:
    import io

    import numpy as np

    from fromnoise.model.store import write_file
    from fromnoise.pde import pairs

    with bar("stepping", args.quiet) as update:
        u_0, u_T = pairs(problem, args.n or 100, progress=lambda done, total: update(done, total, ""))
    out = io.BytesIO()
    np.savez(out, u_0=u_0.numpy(), u_T=u_T.numpy(), x=problem.grid.points[0].numpy(), t=problem.time)
    write_file(path, out.getvalue())


def _film(problem: Problem, path: Path, args: argparse.Namespace) -> None:
    from fromnoise.figures import film

    u_0, stride = problem.begin(8), max(1, problem.steps // 240)
    with bar("stepping", args.quiet) as update:

        def watched() -> Iterator[Any]:
            yield u_0[:, None]
            for step, u in enumerate(islice(problem.states(u_0), stride - 1, None, stride), 1):
                update(step * stride, problem.steps, "")
                yield u[:, None]

        film(watched(), path, kind="fields", total=problem.steps // stride + 1)


def _shares(problem: Problem, path: Path, args: argparse.Namespace) -> None:
    from fromnoise.figures import save, shares_figure
    from fromnoise.pde import FORCINGS, Grid, critical, kept, share

    readings: list[Any] = []
    with bar("stepping", args.quiet) as update:
        for i, (name, forcing) in enumerate(FORCINGS.items()):
            update(i, len(FORCINGS), name)
            most = critical(problem.grid, forcing, problem.dt, scheme=problem.scheme)
            eta, tried = [most * k / 50 for k in range(66)], [most * part for part in PARTS]
            found = kept(dataclasses.replace(problem, forcing=forcing), tried)
            measured = [(amplitude, *one) for amplitude, one in zip(tried, found, strict=True)]
            rates = (forcing.rates(problem.grid, amplitude, problem.dt) for amplitude in eta)
            theory = [share(problem.grid, rate, problem.dt, scheme=problem.scheme) for rate in rates]
            limits = [(n, critical(Grid((n,)), forcing, 0.15 / n**2, scheme=problem.scheme)) for n in FINER]
            one = SimpleNamespace(name=name, critical=most, eta=eta, theory=theory, measured=measured, limits=limits)
            readings.append(one)
    save(shares_figure(readings), path)
