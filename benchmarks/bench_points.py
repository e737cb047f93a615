"""Points: training steps a second of ours, of K's demonstration as it can be re-created, and of smalldiffusion.

python benchmarks/bench_points.py [--seconds 10] [--quick] [--json FILE]

The demonstration's loop is written anew here after its published notebook, without its progress bar, its metric and
its gradient scaler, which would only slow it down. It cuts its Swiss roll into batches by shuffled numbers, without
PyTorch's DataLoader; the same loop with one is timed beside it, since that is how such loops are usually written.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

os.environ["TQDM_DISABLE"] = "1"

import contenders as peers
import numpy as np
import torch
from contenders import Contender, finite, in_turn, parameters
from machine import here
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import fromnoise as fn
from fromnoise.data import load
from fromnoise.training.fit import facts_of
from fromnoise.training.loop import Loop

HEADINGS = {
    "library": "library", "setting": "setting", "parameters": "params", "batch": "batch", "per_second": "steps/s",
    "best": "best", "spread": "IQR %", "points_per_second": "points/s", "status": "status",
}  # fmt: skip


class Plain(nn.Module):
    """The demonstration's network: the point and 16 sines of its step, three hidden layers of 128, ReLU."""

    def __init__(self, width: int = 128, sines: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2 + sines, width), nn.Linear(width, width), nn.Linear(width, width)])
        self.last, self.sines = nn.Linear(width, 2), sines

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x (B, 2), t (B,) -> (B, 2)."""
        count = self.sines // 2
        speeds = torch.exp(torch.arange(count, device=t.device) * (-math.log(10_000) / (count - 1)))
        angles = t[:, None] * speeds
        h = torch.cat([x, angles.sin(), angles.cos()], dim=1)
        for layer in self.layers:
            h = F.relu(layer(h))
        return self.last(h)


def plain_steps(batches: Iterator[Tensor], device: torch.device) -> tuple[nn.Module, Iterator[float]]:
    """The demonstration's training: T = 40, AdamW 2e-4, the loss read after every step."""
    network, T = Plain().to(device), 40
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, device=device) * 1000 / T, 0)
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-4)

    def steps() -> Iterator[float]:
        for x_0 in batches:
            x_0 = x_0.to(device)
            t = torch.randint(1, T, (len(x_0),), device=device)
            eps = torch.randn_like(x_0)
            x_t = signal.gather(0, t)[:, None] * x_0 + noise.gather(0, t)[:, None] * eps
            loss = F.mse_loss(network(x_t, t), eps)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            yield loss.item()

    return network, steps()


def by_numbers(points: Tensor, batch: int) -> Iterator[Tensor]:
    """Batches for ever, cut from the points by shuffled numbers, as the demonstration does."""
    order = np.arange(len(points))
    while True:
        np.random.shuffle(order)
        for start in range(0, len(order), batch):
            yield points[order[start : start + batch]]


def by_loader(points: Tensor, batch: int) -> Iterator[Tensor]:
    """Batches for ever from PyTorch's DataLoader in its defaults."""
    loader = DataLoader(TensorDataset(points), batch, shuffle=True)
    while True:
        for (x_0,) in loader:
            yield x_0


def small_steps(points: Any, batch: int, device: torch.device) -> tuple[nn.Module, Iterator[Any]]:
    """smalldiffusion's own loop and network for toys; next() finishes one step and goes forward in another."""
    with peers.torchvision():
        import smalldiffusion
    network = smalldiffusion.TimeInputMLP(hidden_dims=(16, 128, 128, 128, 128, 16)).to(device)
    schedule = smalldiffusion.ScheduleLogLinear(N=200, sigma_min=0.005, sigma_max=10)
    loader = DataLoader(points, batch, shuffle=True)
    return network, smalldiffusion.training_loop(loader, network, schedule, epochs=10**9)


def contender(library: str, setting: str, made: tuple[nn.Module, Iterator[Any]], batch: int, block: int) -> Contender:
    """A block of steps of an endless loop, to be timed as one."""
    network, steps = made

    def step() -> None:
        for _ in range(block):
            next(steps)

    facts = {"parameters": parameters(network), "batch": batch}
    return Contender(library, setting, step, block, facts, lambda: finite(network))


def ours(recipe: str, block: int, points: int) -> Contender:
    """The whole step of `fromnoise train` on a recipe as it is."""
    # float32 is what "auto" means for points. Said here, since accelerate shares its precision with smalldiffusion's.
    config = fn.recipe(recipe).override({"train.steps": 10**7, "data.n": points, "train.precision": "fp32"})
    data = load("swissroll", n=points)
    loop = Loop(replace(config, facts=facts_of(data)), data, None)
    return contender("fromnoise", recipe, (loop.bare, iter(loop.step, None)), config.train.batch, block)


def contestants(points: int, block: int, device: torch.device) -> list[Contender]:
    """All that take part."""
    roll = torch.tensor(load("swissroll", n=points).rows)
    batch = fn.recipe("swissroll-kuras").train.batch
    with peers.torchvision():
        from smalldiffusion import Swissroll
    example, same = Swissroll(np.pi / 2, 5 * np.pi, 100), Swissroll(np.pi / 2, 5 * np.pi, points)
    return [
        contender("demonstration", "re-created", plain_steps(by_numbers(roll, batch), device), batch, block),
        contender("demonstration", "with a DataLoader", plain_steps(by_loader(roll, batch), device), batch, block),
        contender("smalldiffusion", "its example", small_steps(example, 2048, device), 100, block),
        contender("smalldiffusion", f"batch {batch}", small_steps(same, batch, device), batch, block),
        ours("swissroll-kuras", block, points),
        ours("swissroll", block, points),
    ]


def main() -> None:
    parser = peers.arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="after which no new round begins")
    args = parser.parse_args()
    device = peers.device_of(args)
    points, block, least = (2000, 3, 2) if args.quick else (100_000, 100, 5)
    runners = contestants(points, block, device)
    seconds = 0.0 if args.quick else args.seconds
    times = in_turn(runners, device, warm=1, seconds=seconds, least=least, most=200)
    rows = [peers.summary(one, times[one.name]) for one in runners]
    for row in rows:
        if "per_second" in row:
            row["points_per_second"] = row["per_second"] * row["batch"]
            row["best"] = row["items_per_step"] / row["best_seconds"]
            row["spread"] = 100 * row["spread_seconds"] / row["seconds"]
    peers.table("Points: blocks of training steps", rows, HEADINGS)
    ratios = peers.ratios(rows, "fromnoise", "per_second", "points_per_second")
    headings = {"ours": "fromnoise", "peer": "against", "per_second": "steps/s x", "points_per_second": "points/s x"}
    peers.table("Points: ours over theirs", ratios, headings)
    peers.write({**here(), "points": {"contenders": rows, "ratios": ratios}}, args.json)


if __name__ == "__main__":
    main()
