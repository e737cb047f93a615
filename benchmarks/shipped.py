"""Train the digits that come with the package, judge them, and write them with their card.

python benchmarks/shipped.py [--steps N] [--n 10000] [--run FOLDER] [--save FOLDER] [--json FILE]

The recipe is `mnist`, only longer, and then a while at all noise levels alike: the recipe's times leave few steps to
the lowest levels, which is right for ten minutes and leaves grain after an hour. Stopped at any time, the same command
goes on; the minutes are those of training alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from digit_scores import real, scores
from machine import here

import fromnoise as fn
from fromnoise.cli.judge_page import data_card, markdown
from fromnoise.cli.judging import Sides
from fromnoise.cli.progress import bar
from fromnoise.data import load
from fromnoise.evaluation import FEATURES
from fromnoise.model.store import write_file
from fromnoise.training import Finished, Stepped, log

ROOT = Path(__file__).parents[1]
CARD = """# mnist: handwritten digits by class

`fromnoise.load("mnist")` draws 28 x 28 grey digits of a class that you choose, or of any.

- **Data**: the 60,000 training digits of MNIST (LeCun, Cortes & Burges; CC BY-SA 3.0), in [-1, 1].
- **Recipe**: `mnist` with {steps:,} steps, then {more:,} at a quarter of the rate at all noise levels alike:
  {parameters:,} parameters, {images:,} digits seen ({epochs:.1f} passes). `make shipped` does it again.
- **Trained** in {precision} on {machine}, {threads} threads, PyTorch {torch}: {minutes:.0f} minutes, {date}, commit
  {commits}. Steps left out for gradients that were not finite: {skipped_steps}. Energy was not measured.
- **Weights** are kept in half precision: {megabytes:.1f} MB.

Judged on n = {n:,} samples, seed 1, by a classifier trained on real digits (`fromnoise.evaluation.judge_digits`); the
Fréchet distance is on its features, to the 10,000 test digits, and the floor that of {n:,} training digits to the same.

| sampled by | surer than 0.9 | the digit asked for | Fréchet distance | in floors | chi² of ten equal classes |
|---|---|---|---|---|---|
{rows}
| real test digits | {real:.1%} | | | | |

Digits are asked for in turn, so chi² (9 degrees of freedom, 17 at most in 95 % of cases of ten classes drawn by chance)
says how many come out as another digit.

**Limits**: it knows how MNIST writes digits and nothing else; some samples are no digit. Told no class (`weight=0`),
two in three are digits that the classifier is sure of: a class was left out in a tenth of the training alone. With
weights of guidance above the default's {weight:g}, digits are clearer and more alike.
"""
KEPT = ("parameters", "images", "machine", "threads", "torch", "minutes", "date", "precision", "skipped_steps")
ROW = "| {name} | {confident:.1%} | {as_asked:.1%} | {frechet:.3f} (floor {floor:.3f}) | {floors:.1f} |"
ROW += " {classes_chi2:.1f} |"


def judged(model: fn.Model, n: int) -> dict[str, dict[str, float]]:
    """The scores of n samples as the model draws by itself, and in other ways that people will try."""
    own = model.config.sample
    ways: dict[str, dict[str, Any]] = {
        f"default: {own.solver}, {own.steps} steps, weight {own.weight:g}": {},
        "ddim, 20 steps, without guidance": {"solver": "ddim", "steps": 20, "weight": 1.0},
    }
    found = {}
    for name, options in ways.items():
        found[name] = scores(model.sample(n, seed=1, **options), model.labels(n))
        print(name, json.dumps(found[name]), flush=True)
    return found


def trained(run: str, changes: dict[str, Any]) -> fn.Model:
    """The model of a run that is begun, or goes on, or is done."""
    if not begun(Path(run)).exists():
        write_file(begun(Path(run)), json.dumps(here()).encode())
    with bar("training") as show:
        for event in fn.fit(fn.recipe("mnist").override(changes), run):
            if isinstance(event, Stepped):
                show(event.step, changes["train.steps"], f"loss {event.loss:.4f}")
    assert isinstance(event, Finished)
    return event.model


def begun(run: Path) -> Path:
    """The file that says by which code a run was trained, whatever judges it."""
    return run.with_name(f"{run.name}.json")


def halved(model: fn.Model) -> fn.Model:
    """The model with weights that half precision holds."""
    weights = {name: part.half() for name, part in model.network.state_dict().items()}
    model.network.load_state_dict(weights)
    return model


def seconds(run: Path) -> float:
    """Seconds of training, from the rates in the run's log; saving and what stood still between are not in it."""
    rows = log.read(run)
    before = [0, *(row["step"] for row in rows)]
    return sum((row["step"] - last) / row["rate"] for row, last in zip(rows, before, strict=False))


def real_confidence() -> float:
    """The share of real test digits of which the classifier is surer than 0.9."""
    return float((real("test", 0, 10_000).confidence > 0.9).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=21_000)
    parser.add_argument("--more", type=int, default=3_000, help="steps at all noise levels alike")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--run", default="runs/shipped-mnist")
    parser.add_argument("--save", default=str(ROOT / "src" / "fromnoise" / "model" / "bundled" / "mnist"))
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    run, save = args.run, Path(args.save)
    shared = {"train.ema": 0.999, "train.sample_every": 0, "train.log_every": 100}
    shared |= {"sample.weight": 1.35, "sample.solver": "dpmpp", "sample.steps": 30}
    first = shared | {"train.steps": args.steps}
    then = shared | {"train.init": run, "process.times": "uniform", "train.lr": 5e-4, "train.steps": args.more}
    trained(run, first)
    model = halved(trained(f"{run}-2", then))
    folders = [Path(run), Path(f"{run}-2")]
    logs, stages = (
        [log.read(folder) for folder in folders],
        [json.loads(begun(folder).read_text()) for folder in folders],
    )
    found = {**stages[0], "stages": stages, "recipe": "mnist", "changes": [first, then]}
    found |= {"minutes": sum(map(seconds, folders)) / 60}
    found |= {"precision": model.config.train.precision, "skipped_steps": sum(rows[-1]["skipped"] for rows in logs)}
    found |= {"images": (args.steps + args.more) * model.config.train.batch, "scores": judged(model, args.n)}
    found["parameters"] = sum(p.numel() for p in model.network.parameters())
    for name in ("README.md", "DATA.md"):
        (save / name).unlink(missing_ok=True)
    model.save(save, dtype=torch.float16)
    write_file(save / "README.md", card(found, save, model).encode())
    write_file(save / "DATA.md", data(model).encode())
    print(json.dumps(found, indent=1))
    if args.json:
        write_file(Path(args.json), json.dumps(found, indent=1).encode())


def card(found: dict[str, Any], save: Path, model: fn.Model) -> str:
    """The model card, its figures those that were found."""
    rows = [ROW.format(name=name, **row) for name, row in found["scores"].items()]
    return CARD.format(
        **{key: found[key] for key in KEPT},
        commits=", then ".join(f"`{it['commit']:.10}`{', changed' * it['changed']}" for it in found["stages"]),
        steps=found["changes"][0]["train.steps"],
        more=found["changes"][1]["train.steps"],
        epochs=found["images"] / 60_000,
        megabytes=(save / "model.safetensors").stat().st_size / 1e6,
        n=next(iter(found["scores"].values()))["n"],
        rows="\n".join(rows),
        real=real_confidence(),
        weight=model.config.sample.weight,
    )


ABOUT = (
    "MNIST: digits written by employees of the US Census Bureau and by pupils of high schools, collected by NIST and "
    "brought to 28 x 28 pixels by LeCun, Cortes and Burges (CC BY-SA 3.0). No writer of the test digits wrote training "
    "digits. Who the writers were otherwise, and whether they were asked, is not recorded; it is American handwriting "
    "of about 1990."
)


def data(model: fn.Model) -> str:
    """The card of the data, beside the model's."""
    source = dict(model.config.data)
    options = {key: value for key, value in source.items() if key != "name"}
    sets = [load("mnist", **options | {"split": split}) for split in ("train", "test")]
    return markdown("The data of mnist", data_card(Sides(model, *sets, FEATURES["digits"](), source), ABOUT))


if __name__ == "__main__":
    main()
