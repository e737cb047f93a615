"""fromnoise tune: quality against network calls for solvers and paths, and the cheapest that is good enough."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from fromnoise.cli.arguments import finite, whole
from fromnoise.cli.outputs import check_numbers, check_writable, count, note, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

EPILOG = """\
What is chosen goes into RUN/tuned.toml, which later commands follow; remove it to go back. A model that comes with
the package, or from the hub, is only measured.

examples:
  fromnoise tune runs/roll
  fromnoise tune runs/digits -n 1000 --reference 250 --out tuned.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder, a saved model, a bundled name or a hub name")
    parser.add_argument("-n", type=whole(10), default=1000, help="samples that each way is judged by (default 1000)")
    parser.add_argument("--calls", type=whole(2), nargs="+", help="network calls to try, 4 to 100 unless given")
    parser.add_argument("--solvers", nargs="+", help="solvers to try; seven of those listed unless given")
    parser.add_argument("--seeds", type=whole(2), default=3, help="of the chain, for its noise (default 3)")
    parser.add_argument("--reference", type=whole(2), help="steps of the chain; every level unless given")
    parser.add_argument("--weight", type=finite, help="of guidance; the model's own unless given, 1 for none")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--out", metavar="FILE", help="the picture: quality against calls (.png .svg .pdf)")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Tune."""
    path = None if args.out is None else Path(args.out)
    if path is not None and path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UserError(f"cannot write {path}: use .png, .svg or .pdf")
    if path is not None:
        check_writable(path)
    check_numbers(args.json)
    from fromnoise.evaluation import measure_for, planned, tune
    from fromnoise.evaluation.tuning import LADDER, TRIED
    from fromnoise.model import Model, load

    model = load(args.model, network=args.network)
    if model.facts.given:
        raise UserError("a model whose samples are drawn given something has no one law to tune for")
    weight = model.config.sample.weight if args.weight is None else args.weight
    model = Model(model.config.override({"sample.weight": weight}), model.network)
    ladder, solvers = args.calls or LADDER, args.solvers or TRIED
    calls = planned(model, ladder, solvers, args.seeds, args.reference)
    names, measure = measure_for(model, args.n)
    print(f"{names[0]} of {args.n} samples to the data and the share {names[1]}; smaller is better")
    print(f"{args.n} x {count(calls, 'network call')}; -n, --calls and --reference make it fewer", flush=True)
    with bar("tuning", args.quiet) as update:
        found = tune(
            model, measure, args.n, ladder=ladder, solvers=solvers, seeds=args.seeds, reference=args.reference,
            report=_report, progress=lambda done, total: update(done, total, ""),
        )  # fmt: skip
    write_numbers(args.json, {"measures": names, "n": args.n, "weight": weight} | dataclasses.asdict(found))
    if path is not None:
        from fromnoise.figures import save, tune_figure

        save(tune_figure(found.reference, found.tried, found.chosen, names), path)
        note(f"wrote {path}")
    _keep(Path(args.model), found.chosen, args.weight)


def _report(one: Any) -> None:
    """A line for each result, as it comes."""
    from fromnoise.evaluation import Confirmed, Reference

    if isinstance(one, Reference):
        most = one.limit(1)
        print(f"{f'the chain, {one.steps} steps':35} {_quality(one.mean)}   within noise: {_quality(most)}")
    elif isinstance(one, Confirmed):
        verdict = "as good as the chain" if one.holds else "not as good as the chain"
        found = [sum(values) / len(one.found) for values in zip(*one.found, strict=True)]
        print(f"{f'{_way(one.way)}, other seeds':35} {_quality(found)}   {verdict}", flush=True)
    else:
        print(f"{_way(one):35} {_quality((one.distance, one.astray))}", flush=True)


def _way(one: Any) -> str:
    return f"{one.solver} {one.path} {one.steps} steps {one.calls} calls"


def _quality(found: Any) -> str:
    return f"{found[0]:8.4g} {100 * found[1]:5.1f} %"


def _keep(folder: Path, chosen: Any, weight: float | None) -> None:
    if chosen is None:
        print("nothing that was tried is as good as the chain: the way of sampling stays as it is; try more --calls")
        return
    print(f"as good as the chain, up to chance: --solver {chosen.solver} --path {chosen.path} --steps {chosen.steps}")
    if not (folder / "config.toml").is_file():
        print("this model is not a run of yours: give those options to fromnoise sample")
        return
    from fromnoise.model.config import TUNED, read_sample
    from fromnoise.model.options import write_toml
    from fromnoise.model.store import write_file

    before = read_sample(folder / TUNED) if (folder / TUNED).is_file() else {}
    values = {"solver": chosen.solver, "path": chosen.path, "steps": chosen.steps}
    values |= {} if weight is None else {"weight": weight}
    write_file(folder / TUNED, write_toml(values).encode())
    was = f" (it was {' '.join(f'{key} {value}' for key, value in before.items())})" if before else ""
    note(f"wrote {folder / TUNED}: {folder} is sampled so from now on{was}")
