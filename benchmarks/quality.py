"""Quality per minute: ours and the peers train on MNIST for so many minutes each, and are judged alike.

python benchmarks/quality.py [--minutes 10 60] [--rows NAME ...] [--n 2000] [--json FILE]

A row is one library in one setting. First all take turns for a while, which gives each its speed; a row's steps are
those that fit in its minutes at that speed, so that what the machine does during nine hours changes nothing. All are
sampled by their own pipeline in 20 steps of DDIM; diffusers also with the other spacing of its steps. The peers do not
know classes; ours does, and trains once without.
Rows that are in the JSON are not trained again, and one that was stopped goes on.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ["TQDM_DISABLE"] = "1"

import contenders as peers
import numpy as np
import torch
from contenders import SIZES, Contender, parameters
from digit_scores import scores
from machine import here
from shipped import seconds
from torch import Tensor, nn
from torch.nn import functional as F

import fromnoise as fn
from fromnoise.data import load
from fromnoise.evaluation import flops
from fromnoise.model import Facts, make_network
from fromnoise.model.precision import casting, chosen
from fromnoise.model.store import write_file
from fromnoise.training.fit import facts_of
from fromnoise.training.loop import Loop

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
H_PARAMETERS = 12_880_000  # H's network, recipe mnist-higham
EVERY = 120.0  # seconds from one saved state to the next


@dataclass(frozen=True)
class Peer:
    """A library's network, how it learns and how it draws.

    side       of its pictures, in pixels
    loss       of the network, of pictures in [-1, 1]
    draws      by name, the ways to draw that many pictures in [-1, 1]
    ema        step -> what the average keeps of itself
    warmup     steps in all -> those in which the learning rate rises
    """

    network: nn.Module
    side: int
    loss: Callable[[nn.Module, Tensor], Tensor]
    draws: Mapping[str, Callable[[nn.Module, int], Tensor]]
    optimizer: torch.optim.Optimizer
    batch: int
    precision: str
    ema: Callable[[int], float]
    warmup: Callable[[int], int]
    cosine: bool

    def rate(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by."""
        warm = min(1.0, (step + 1) / max(1, self.warmup(steps)))
        return warm * (0.5 * (1 + math.cos(math.pi * step / steps)) if self.cosine else 1.0)


def step_flops(side: int, network: nn.Module) -> int:
    """FLOPs of forward and backward on one picture."""
    device = next(network.parameters()).device

    def work() -> None:
        out = network(torch.zeros(1, 1, side, side, device=device), torch.ones(1, device=device))
        (out if isinstance(out, Tensor) else out.sample).sum().backward()

    return flops(work)


@functools.cache
def our_flops() -> int:
    """What one digit costs ours in a step."""
    config = our_config(True)
    network = make_network(config, Facts("images", (1, 28, 28), 1, tuple("0123456789"))).to("meta")
    x, time, label = torch.zeros(1, 1, 28, 28), torch.ones(1), torch.zeros(1, dtype=torch.int64)
    return flops(lambda: network(x.to("meta"), time.to("meta"), label.to("meta")).sum().backward())


def our_config(classes: bool) -> fn.Config:
    """The recipe, or the same without classes."""
    changes = {"train.sample_every": 0, "process.conditional": classes}
    return fn.recipe("mnist").override(changes | ({} if classes else {"sample.weight": 1.0}))


def short_warmup(steps: int) -> int:
    """Of one who knows how many steps there will be."""
    return min(500, steps // 20)


def diffusers(precision: str, best: bool, cheap: bool) -> Peer:
    """UNet2DModel, trained as its example for unconditional images does; `best` as one who knows it would."""
    from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler

    size = SIZES["mnist" if cheap else "h"]
    options = fn.recipe(size.recipe).network
    sized = partial(peers.diffusers_network, size, options, best=best)
    network = sized(our_flops(), size_of=partial(step_flops, size.side)) if cheap else sized(H_PARAMETERS)
    scheduler = DDPMScheduler(num_train_timesteps=1000)

    def loss(network: nn.Module, x_0: Tensor) -> Tensor:
        eps, times = torch.randn_like(x_0), torch.randint(0, 1000, (len(x_0),))
        return F.mse_loss(network(scheduler.add_noise(x_0, eps, times), times).sample.float(), eps)

    def draw(network: nn.Module, n: int, spacing: str = "leading") -> Tensor:
        pipeline = DDIMPipeline(network, DDIMScheduler(num_train_timesteps=1000, timestep_spacing=spacing))
        pipeline.set_progress_bar_config(disable=True)
        drawn = pipeline(batch_size=n, num_inference_steps=20, output_type="np").images
        return torch.as_tensor(drawn).permute(0, 3, 1, 2) * 2 - 1

    lr = 1e-3 if best else 1e-4
    optimizer = torch.optim.AdamW(network.parameters(), lr, betas=(0.95, 0.999), weight_decay=1e-6)

    def ema(step: int) -> float:
        return float(1 - (1 + step) ** -0.75)  # of the example, at most 0.9999

    return Peer(
        network,
        size.side,
        loss,
        {"ddim20": draw, "ddim20_trailing": partial(draw, spacing="trailing")},
        optimizer,
        64 if best else 16,
        precision,
        ema,
        short_warmup if best else lambda _: 500,
        True,
    )


def ddp(precision: str, best: bool, cheap: bool) -> Peer:
    """Unet and GaussianDiffusion of denoising-diffusion-pytorch, trained as in its README: 2 x 32 a step."""
    size = SIZES["mnist" if cheap else "h"]
    sized = partial(peers.ddp_network, size, fn.recipe(size.recipe).network)
    network = sized(our_flops(), size_of=partial(step_flops, size.side)) if cheap else sized(H_PARAMETERS)
    from denoising_diffusion_pytorch import GaussianDiffusion

    def loss(network: nn.Module, x_0: Tensor) -> Tensor:
        return diffusion(network)((x_0 + 1) / 2)

    def diffusion(network: nn.Module) -> Any:
        if id(network) not in made:
            made[id(network)] = GaussianDiffusion(network, image_size=size.side, sampling_timesteps=20)
        return made[id(network)]

    def draw(network: nn.Module, n: int) -> Tensor:
        return diffusion(network).sample(batch_size=n) * 2 - 1

    def ema(step: int) -> float:
        """As its EMA: every ten steps; a copy for the first hundred, then an average that grows to 0.995."""
        return 1.0 if step % 10 else 0.0 if step <= 100 else min(0.995, 1 - (step - 100) ** (-2 / 3))

    made: dict[int, Any] = {}
    optimizer = torch.optim.Adam(network.parameters(), 1e-3 if best else 8e-5, betas=(0.9, 0.99))
    warmup = short_warmup if best else lambda _: 1
    return Peer(network, size.side, loss, {"ddim20": draw}, optimizer, 64, precision, ema, warmup, best)


OURS = {"fromnoise": True, "fromnoise, without classes": False}
PEERS: dict[str, Callable[[], Peer]] = {
    "diffusers, default": partial(diffusers, "fp32", False, False),
    "diffusers, best setting": partial(diffusers, "bf16", True, False),
    "diffusers, our FLOPs": partial(diffusers, "bf16", True, True),
    "denoising-diffusion-pytorch, default": partial(ddp, "fp32", False, False),
    "denoising-diffusion-pytorch, best setting": partial(ddp, "bf16", True, False),
    "denoising-diffusion-pytorch, our FLOPs": partial(ddp, "bf16", True, True),
}


class Trained:
    """A peer in training: its step, and all of its state on disk."""

    def __init__(self, peer: Peer, path: Path):
        self.peer, self.path = peer, path
        self.network, self.average = peer.network.train(), copy.deepcopy(peer.network).eval()
        self.data = load("mnist", fit="pad", size=peer.side)
        self.order, self.done, self.steps = np.random.default_rng(0), 0, 0
        self.rates, self.seconds = [group["lr"] for group in peer.optimizer.param_groups], 0.0

    def step(self) -> None:
        """One whole step."""
        peer = self.peer
        x_0 = self.data.batch(self.order.integers(0, len(self.data), peer.batch))
        with casting(peer.precision, CPU):
            loss = peer.loss(self.network, x_0)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for group, rate in zip(peer.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * peer.rate(self.done, max(self.steps, 1))
        peer.optimizer.step()
        peer.optimizer.zero_grad()
        keep = min(0.9999, peer.ema(self.done))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - keep)
        self.done += 1

    def save(self) -> None:
        """Keep everything that a later process needs to go on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".partial")
        state = {"network": self.network.state_dict(), "average": self.average.state_dict()}
        torch.save(
            state | {"optimizer": self.peer.optimizer.state_dict(), "at": self.done, "seconds": self.seconds}, beside
        )
        os.replace(beside, self.path)

    def resume(self) -> None:
        """Go on where the file says, if there is one."""
        if not self.path.exists():
            return
        state = torch.load(self.path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.peer.optimizer.load_state_dict(state["optimizer"])
        self.done, self.seconds = state["at"], state["seconds"]
        self.order = np.random.default_rng(self.done)
        torch.manual_seed(self.done)

    def train(self) -> None:
        """All steps that are left."""
        saved = time.monotonic()
        while self.done < self.steps:
            self.seconds += peers.clocked(self.step, CPU)
            if time.monotonic() - saved > EVERY:
                self.save()
                saved = time.monotonic()
                print(f"  step {self.done} of {self.steps}", file=sys.stderr, flush=True)
        self.save()


def speeds() -> dict[str, float]:
    """Pictures a second of every row, all in turn in this process."""
    runners = []
    for name, classes in OURS.items():
        config, data = our_config(classes).override({"train.steps": 10**6}), load("mnist", fit="pad", size=28)
        precision = chosen("auto", "images", CPU)
        loop = Loop(replace(config.override({"train.precision": precision}), facts=facts_of(data)), data, None)
        loop.task.batches.blocks.steps = 1  # each step takes its own batch, none profits from another's work
        runners.append(Contender(name, "", loop.step, config.train.batch))
    for name, make in PEERS.items():
        trained = Trained(make(), Path())
        runners.append(Contender(name, "", trained.step, trained.peer.batch))
    times = peers.in_turn(runners, CPU, warm=1, seconds=120.0, least=5, most=100)
    return {one.library: one.items / statistics.median(times[one.name]) for one in runners}


def peer_row(make: Callable[[], Peer], path: Path, images: float, n: int) -> dict[str, Any]:
    """Train a peer and judge what it draws."""
    torch.manual_seed(0)
    trained = Trained(make(), path)
    trained.steps = round(images / trained.peer.batch)
    trained.resume()
    trained.train()
    sound = all(bool(torch.isfinite(p).all()) for p in trained.average.parameters())
    found: dict[str, Any] = {"images": trained.steps * trained.peer.batch, "training_seconds": trained.seconds}
    found |= {"parameters": parameters(trained.network), "flops": step_flops(trained.peer.side, trained.network)}
    if not sound:
        return found | {"status": "diverged"}
    return found | {way: drawn(trained, draw, n) for way, draw in trained.peer.draws.items()}


def drawn(trained: Trained, draw: Callable[[nn.Module, int], Tensor], n: int) -> dict[str, float]:
    """The scores of n pictures of the averaged network, its own pipeline asked for 250 at a time."""
    torch.manual_seed(1)
    parts = []
    with torch.no_grad(), casting(trained.peer.precision, CPU):
        for first in range(0, n, 250):
            parts.append(draw(trained.average, min(250, n - first)).float())
    return scores(torch.cat(parts).clamp(-1, 1))


def our_row(classes: bool, path: Path, images: float, n: int) -> dict[str, Any]:
    """The recipe, sampled as the peers are, and as it draws by itself, at n and at 10,000."""
    config = our_config(classes)
    config = config.override({"train.steps": round(images / config.train.batch)})
    *_, finished = fn.fit(config, path)
    model = finished.model
    found: dict[str, Any] = {"images": config.train.steps * config.train.batch, "training_seconds": seconds(path)}
    found |= {"parameters": parameters(model.network), "flops": our_flops()}
    found["ddim20"] = scores(model.sample(n, seed=1, solver="ddim", steps=20, weight=1.0))
    if classes:
        found |= {"own": scores(model.sample(n, seed=1)), "own_10000": scores(model.sample(10_000, seed=1))}
    return found


def show(rows: Mapping[str, Any]) -> None:
    """Print all rows that are there."""
    table = []
    for name, row in rows.items():
        base = {"row": name, "images": row["images"], "status": row.get("status", "")}
        base |= {"parameters_m": row["parameters"] / 1e6, "gflop": row["flops"] / 1e9}
        ways = [way for way in ("ddim20", "ddim20_trailing", "own", "own_10000") if way in row]
        table += [base | {"way": way} | row[way] for way in ways] or [base]
    headings = {"row": "row", "images": "images", "parameters_m": "M params", "gflop": "GFLOP/im.", "way": "drawn"}
    headings |= {"n": "n", "confident": "sure", "frechet": "Fréchet", "floor": "floor", "status": ""}
    peers.table("Quality", table, headings)


def row(name: str, minutes: float, images: float, args: argparse.Namespace) -> dict[str, Any]:
    """One row, trained and judged here and now."""
    place = f"{args.runs}/{name}, {minutes:g} minutes".replace(", ", "-").replace(" ", "-")
    if name in OURS:
        return our_row(OURS[name], Path(place), images, args.n)
    return peer_row(PEERS[name], Path(f"{place}.pt"), images, args.n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--rows", nargs="+", choices=[*OURS, *PEERS], default=[*OURS, *PEERS])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--runs", default=str(ROOT / "runs" / "quality"), help="where states are kept meanwhile")
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "quality.json"))
    parser.add_argument("--one", action="store_true", help="do the first thing that is missing, here and now")
    args = parser.parse_args()
    path = Path(args.json)
    wanted = [(minutes, name) for minutes in args.minutes for name in args.rows]
    while True:
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": {}}
        missing = [(f"{name}, {minutes:g} minutes", name, minutes) for minutes, name in wanted]
        missing = [each for each in missing if each[0] not in found["rows"]]
        if not missing:
            break
        if not args.one:  # in a process of its own: none finds what another left behind
            subprocess.run([sys.executable, __file__, "--one", *sys.argv[1:]], check=True)
            continue
        if "speeds" not in found:
            found["speeds"] = {**here(), "images_per_second": speeds()}
        else:
            label, name, minutes = missing[0]
            images = found["speeds"]["images_per_second"][name] * minutes * 60
            done = {"minutes": minutes, **here(), **row(name, minutes, images, args)}
            found = json.loads(path.read_text())  # another process may have done other --rows meanwhile
            found["rows"][label] = done
        write_file(path, (json.dumps(found, indent=1) + "\n").encode())
        return
    show(found["rows"])


if __name__ == "__main__":
    main()
