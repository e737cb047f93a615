"""Write docs/recipes.md from the recipes and the configuration's own comments: python docs/make_recipes.py"""

import dataclasses
import inspect
import re
from pathlib import Path

import fromnoise as fn
from fromnoise.data import SOURCES
from fromnoise.model.config import Distil, Process, Sample, Train
from fromnoise.networks import NETWORKS
from fromnoise.process import PREDICTIONS, SCHEDULES, VARIANCES, WEIGHTS

HERE = Path(__file__).parent
RECIPES = Path(inspect.getfile(fn.recipe)).parent / "recipes"

INTRODUCTION = """# Recipes and settings

This page is written by `docs/make_recipes.py`.

A recipe is a TOML file that says everything about a run. `fromnoise recipes` lists them,
`fromnoise recipes NAME` prints one in full, and any setting can be changed on the line, as in
`fromnoise train mnist --out runs/digits --train.lr 5e-4 --network.width 96`. A file of your own works like a recipe:
`fromnoise train mine.toml --out runs/mine`. Data without a recipe (a folder, a table, a hub name) take the settings of
`mnist` if they are images and of `swissroll` if they are points.

Keys that a file leaves out have the defaults below. A schedule of fewer steps than `sample.steps` takes all of them.

## A network of your own

```python
import torch


class Mine(torch.nn.Module):
    def __init__(self, shape, classes=0, outputs=1, width=32):  # width: an option of yours, --network.width 48
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(shape[0] + 1, width), torch.nn.SiLU(), torch.nn.Linear(width, outputs * shape[0])
        )

    def forward(self, x, time, label=None):  # x (B, *shape), time (B,) = t / T in [0, 1], label (B,) or None
        return self.layers(torch.cat([x, time[:, None]], 1))  # (B, outputs * shape[0], ...)


import fromnoise as fn

events = list(fn.fit(fn.recipe("swissroll").override({"train.steps": 2}), network=Mine))
```

On the command line: `fromnoise train swissroll --out runs/mine --network my_module:Mine`, and `--network` again when
the run is sampled: what a file names is never imported.

## Recipes
"""


def recipes() -> str:
    parts = []
    for name, config in fn.recipes().items():
        lines = (RECIPES / f"{name}.toml").read_text("utf-8").splitlines()
        header = [line[2:] for line in lines if line.startswith("# ")]
        parts.append(f"**`{name}`**: {config.about}.\n" + " ".join(header) + "\n")
    return "\n".join(parts)


def settings(section: str, kind: type) -> str:
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(kind), re.M))
    lines = [f"\n### [{section}]\n\n| key | default | meaning |\n|---|---|---|"]
    for field in dataclasses.fields(kind):
        default = "" if field.default is dataclasses.MISSING else field.default
        shown = list(default) if isinstance(default, tuple) else default
        text = comments.get(field.name, "").replace("|", "\\|")
        lines.append(f"| `{field.name}` | `{str(shown).lower() if isinstance(shown, bool) else shown}` | {text} |")
    return "\n".join(lines) + "\n"


def named(section: str, table: dict, hidden: tuple[str, ...] = ()) -> str:
    lines = [f"\n### [{section}]\n\n| name | options and defaults |\n|---|---|"]
    for name, entry in table.items():
        options = [
            f"`{p.name}`" if p.default is p.empty else f"`{p.name} = {p.default}`"
            for p in inspect.signature(entry).parameters.values()
            if p.name not in hidden
        ]
        lines.append(f"| `{name}` | {', '.join(options)} |")
    return "\n".join(lines) + "\n"


def text() -> str:
    known = {"Predictions": PREDICTIONS, "Variances": VARIANCES, "Losses": (*WEIGHTS, "variational", "hybrid")}
    choices = "\n" + " ".join(f"{k}: {', '.join(f'`{name}`' for name in v)}." for k, v in known.items()) + "\n"
    return "".join(
        [
            INTRODUCTION, "\n", recipes(), "\n## Settings\n", named("data", SOURCES),
            "\nA folder of images, an array or a table is named by its path; see `fromnoise.data`.\n",
            named("schedule", SCHEDULES), named("network", NETWORKS, ("shape", "classes", "outputs", "extra_channels")),
            settings("process", Process), choices, settings("train", Train), settings("sample", Sample),
            settings("distil", Distil),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    (HERE / "recipes.md").write_text(text(), "utf-8")
