"""fromnoise likelihood: the variational bound and the probability-flow density of data."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fromnoise.cli.arguments import whole
from fromnoise.cli.model_data import as_the_model_sees, chosen_rows, data_for
from fromnoise.cli.outputs import check_numbers, check_writable, count, note, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.model import Model

EPILOG = """\
Without DATA: what the model did not see of its own data (the test digits, other points of a toy law), or its
training data where nothing is held back. --data.KEY sets an option of the data, as in fromnoise train.
--out writes the bound's terms over t as a picture (.png .svg .pdf), or the values of each sample (.csv).

examples:
  fromnoise likelihood mnist --out terms.png
  fromnoise likelihood swissroll -n 1000 --out values.csv
  fromnoise likelihood runs/photos holdout/ -n 64 --probes 4
"""


HALVED = 16
"""So many samples tell what half the steps of the ODE change."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder, a checkpoint, a bundled name or a hub name")
    parser.add_argument("data", metavar="DATA", nargs="?", help="a name or a path; the model's own data unless given")
    parser.add_argument("-n", type=whole(1), default=128, help="how many samples of the data (default 128)")
    parser.add_argument("--terms", type=whole(0), default=100, help="terms of the bound that are drawn (default 100)")
    parser.add_argument("--steps", type=whole(0), default=60, help="of the ODE, four calls each; 0 leaves it out (60)")
    parser.add_argument("--probes", type=whole(1), default=2, help="of the ODE's divergence, for images (default 2)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of what is chosen and of the noise (default 0)")
    parser.add_argument("--out", metavar="FILE", help="a picture of the terms, or a .csv of all samples")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Say how likely the data are."""
    path = None if args.out is None else Path(args.out)
    _check_out(path)
    check_numbers(args.json)
    if args.terms == args.steps == 0:
        raise UserError("--terms 0 and --steps 0 leave nothing to compute")
    from fromnoise import evaluation
    from fromnoise.model import load
    from fromnoise.process import is_discrete

    model = load(args.model, network=args.network)
    chain = bool(args.terms) and is_discrete(model.schedule)
    if not chain and (not args.steps or (path is not None and path.suffix.lower() != ".csv")):
        raise UserError("there is no bound to compute or to draw here: give --steps above 0, and a .csv to write to")
    data, what = data_for(args, model)
    index = chosen_rows(data, args.n, args.seed)
    x_0, labels = as_the_model_sees(data, index, model)
    bound, flow = None, None
    if chain:
        with bar("bound", args.quiet) as update:
            bound = evaluation.bound(
                model,
                x_0,
                labels,
                terms=args.terms,
                seed=args.seed,
                progress=lambda done, total: update(done, total, ""),
            )
    if args.steps:
        with bar("flow", args.quiet) as update:
            flow = evaluation.flow(
                model, x_0, labels, steps=args.steps, probes=args.probes, seed=args.seed,
                progress=lambda done, total: update(done, total, ""),
            )  # fmt: skip
    halved = None
    if args.steps > 1:
        halved = _halved(args, model, x_0[:HALVED], None if labels is None else labels[:HALVED])
    _report(args, model, what, len(x_0), labels is not None, bound, flow, halved, path)


def _halved(args: argparse.Namespace, model: Model, x_0: Tensor, labels: Tensor | None) -> float:
    """How much half the steps change -log p of the ODE, for the same samples and probes, on average without sign."""
    from fromnoise import evaluation

    whole, half = (
        evaluation.flow(model, x_0, labels, steps=steps, probes=args.probes, seed=args.seed).total
        for steps in (args.steps, args.steps // 2)
    )
    return _mean((half - whole).abs())


def _check_out(path: Path | None) -> None:
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg", ".pdf", ".csv"):
        raise UserError(f"cannot write {path}: use .png, .svg, .pdf or .csv")
    check_writable(path)


def _report(
    args: argparse.Namespace, model: Model, what: str, n: int, told: bool, bound: Any, flow: Any,
    halved: float | None, path: Path | None,
) -> None:  # fmt: skip
    from fromnoise.evaluation import bits

    images, d = model.facts.kind == "images", math.prod(model.facts.shape)
    volume = model.volume()
    classes = ", their classes told" if told else ""
    whole = ", all there are" if n < args.n else ""
    means = "; means and their standard errors" if n > 1 else ""
    print(f"{count(n, 'sample')} of {what}{whole}{classes}; {d} dimensions{means}")
    units = "8-bit values" if images else "the data's own units"
    numbers: dict[str, Any] = {"n": n, "data": what, "dimensions": d, "classes_told": told}
    columns: dict[str, Tensor] = {}
    for name, found, text in (
        ("bound", bound, f"-log p of the chain, at most (bound; {units})"),
        ("flow", flow, f"-log p of the ODE ({units}{', dequantised' if images else ''})"),
    ):
        if found is None:
            continue
        nats = found.total + volume
        per = bits(nats, model)
        columns |= {f"{name}_nats": nats, f"{name}_bits_per_dimension": per}
        numbers |= {f"{name}_nats": _mean(nats), f"{name}_bits_per_dimension": _mean(per)}
        numbers |= {f"{name}_nats_error": _error(nats), f"{name}_bits_error": _error(per)}
        print(f"{text:56} {_mean(nats):10.4g}{_plus(nats)} nats  {_mean(per):7.4f}{_plus(per)} bits/dim")
    if bound is not None:
        numbers |= {"prior_nats": _mean(bound.prior), "home_nats": _mean(bound.home + volume)}
        print(f"of the bound: L_0 {numbers['home_nats']:.4g}, L_T {numbers['prior_nats']:.2g} nats")
    if flow is not None and bool(flow.errors.any()):
        numbers["flow_probe_error_nats"] = float(flow.errors.square().mean().sqrt())
        print(f"{args.probes} probes leave {numbers['flow_probe_error_nats']:.2g} nats of error in a sample's -log p")
    if halved is not None:
        numbers["flow_half_steps_nats"] = halved
        print(f"half the steps of the ODE change a sample's -log p by {halved:.2g} nats: where that is much, take more")
    if bound is None and args.terms:
        print("this schedule has no whole steps, so there is no chain and no bound")
    if bound is not None and flow is not None:
        print("The two are different models that share a network: the chain adds noise at each step, the ODE none.")
    write_numbers(args.json, numbers)
    if path is not None:
        _write(path, columns, bound, d, volume, int(model.schedule.T))
        note(f"wrote {path}")


def _mean(values: Tensor) -> float:
    return float(values.double().mean())


def _error(values: Tensor) -> float:
    return float(values.double().std(correction=0)) / len(values) ** 0.5


def _plus(values: Tensor) -> str:
    """The standard error, which one value does not have."""
    return f" +- {_error(values):.2g}" if len(values) > 1 else ""


def _write(path: Path, columns: dict[str, Tensor], bound: Any, d: int, volume: float, T: int) -> None:
    if path.suffix.lower() == ".csv":
        from fromnoise.model.store import write_file

        rows = [
            ",".join(columns),
            *(",".join(f"{float(v):.8g}" for v in row) for row in zip(*columns.values(), strict=True)),
        ]
        write_file(path, ("\n".join(rows) + "\n").encode())
        return
    from fromnoise.figures import bound_figure, save

    home, prior = _mean(bound.home + volume), _mean(bound.prior)
    save(bound_figure(bound.times, bound.terms, bound.errors, home, prior, d, T), path)
