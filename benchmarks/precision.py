"""Are the fast paths right? Their gradients against plain float32, and their training curves over three seeds.

python benchmarks/precision.py [--steps 500] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch
from machine import here, kind
from torch import Tensor, nn

import fromnoise as fn
from fromnoise.model import Facts, make_network
from fromnoise.model.store import write_file
from fromnoise.training import Skipped, Stepped

SHAPES = {"mnist": (1, 28, 28), "mnist-higham": (1, 32, 32), "cifar10-ho": (3, 32, 32)}


@contextmanager
def plain() -> Iterator[None]:
    """Without the compiled kernels: PyTorch's own operations, in its own layout."""
    places = ("fromnoise.networks.native.norm.library", "fromnoise.networks.blocks.library")
    with mock.patch(places[0], return_value=None), mock.patch(places[1], return_value=None):
        yield


def gradient(network: nn.Module, shape: tuple[int, ...], half: bool, label: Tensor | None) -> dict[str, Tensor]:
    """The gradient of a mean squared error on eight random pictures, by parameter."""
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(2, 8, *shape, generator=generator)
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        y = network(x, torch.rand(8, generator=generator), label)
    (y.float() - noise).square().mean().backward()
    return {name: part.grad.clone() for name, part in network.named_parameters() if part.grad is not None}


def gradients() -> Iterator[dict[str, object]]:
    """For each network: the relative error of the whole gradient and of its worst tensor, by path."""
    for recipe, shape in SHAPES.items():
        torch.manual_seed(0)
        config, classes = fn.recipe(recipe), tuple("0123456789")
        network = make_network(config, Facts("images", shape, 1, classes)).eval()  # dropout would differ
        label = torch.arange(8) if config.process.conditional else None
        for part in network.parameters():
            if not part.any():  # what starts at zero would hide the gradients before it
                nn.init.normal_(part, std=0.02)
        with plain():
            true = gradient(network, shape, False, label)
        scale = torch.cat([part.flatten() for part in true.values()]).norm()
        for path, half in (("fp32", False), ("bf16", True)):
            found = gradient(network, shape, half, label)
            gaps = {name: float((found[name] - true[name]).norm()) for name in true}
            relative = {name: gap / float(true[name].norm().clamp_min(1e-6 * scale)) for name, gap in gaps.items()}
            worst = max(relative, key=relative.__getitem__)
            whole = statistics.fsum(gap**2 for gap in gaps.values()) ** 0.5 / float(scale)
            yield {"recipe": recipe, "path": path, "whole": whole, "worst": relative[worst], "worst_tensor": worst}


def curves(steps: int, seeds: int = 3) -> dict[str, object]:
    """The default `mnist` training in both precisions: the mean loss of its last fifth, by seed, and skipped steps."""
    ends: dict[str, list[float]] = {"fp32": [], "bf16": []}
    skipped = 0
    for seed in range(seeds):
        for precision, found in ends.items():
            changes = {"train.steps": steps, "train.precision": precision, "train.seed": seed}
            changes |= {"train.log_every": max(1, steps // 5), "train.sample_every": 0}
            for event in fn.fit(fn.recipe("mnist").override(changes)):
                skipped += isinstance(event, Skipped)
                if isinstance(event, Stepped):
                    last = event.loss
            found.append(last)
            print(f"seed {seed} {precision}: {last:.5f}", flush=True)
    paired = [half - full for full, half in zip(*ends.values(), strict=True)]
    return {
        "steps": steps,
        "loss_of_the_last_fifth": ends,
        "mean_difference": statistics.mean(paired),
        "between_seeds_sd": statistics.stdev(ends["fp32"]),
        "skipped": skipped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    results = Path(__file__).parent / "results"
    parser.add_argument("--json", default=str(results / f"precision-{kind('cpu')}.json"), metavar="FILE")
    args = parser.parse_args()
    found = {**here(), "gradients": []}
    for row in gradients():
        print(
            f"{row['recipe']:14} {row['path']}  whole {row['whole']:.1e}  worst {row['worst']:.1e}", row["worst_tensor"]
        )
        found["gradients"].append(row)
    found["curves"] = curves(args.steps)
    print(json.dumps(found["curves"], indent=1))
    write_file(Path(args.json), json.dumps(found, indent=1).encode())


if __name__ == "__main__":
    main()
