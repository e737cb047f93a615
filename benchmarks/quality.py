"""Quality per minute: ours and the peers train on MNIST for so many minutes each, and are judged alike.

python benchmarks/quality.py [--minutes 10 60] [--rows NAME ...] [--n 2000] [--json FILE]

A row is one library in one setting. Its steps are those that fit in the minutes at the speed that it is seen to have
at the start, so that what the machine does later changes nothing. All are sampled by their own pipeline in 20 steps of
DDIM, ours without guidance, too. Rows that are in the JSON are not trained again, and one that was stopped goes on.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ["TQDM_DISABLE"] = "1"

import contenders as peers
import numpy as np
import torch
from contenders import SIZES, flops, parameters
from digit_scores import scores
from machine import here
from torch import Tensor, nn
from torch.nn import functional as F

import fromnoise as fn
from fromnoise.data import load
from fromnoise.model.precision import casting
from fromnoise.model.store import write_file

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
H_PARAMETERS = 12_880_000  # H's network, recipe mnist-higham
OUR_FLOPS = 464_000_000  # of the mnist recipe, a picture and step
EVERY = 120.0  # seconds from one saved state to the next


@dataclass(frozen=True)
class Peer:
    """A library's network, how it learns and how it draws.

    side       of its pictures, in pixels
    loss       of the network, of pictures in [-1, 1]
    draw       that many pictures in [-1, 1]
    ema        step -> what the average keeps of itself
    """

    network: nn.Module
    side: int
    loss: Callable[[nn.Module, Tensor], Tensor]
    draw: Callable[[nn.Module, int], Tensor]
    optimizer: torch.optim.Optimizer
    batch: int
    precision: str
    ema: Callable[[int], float]
    warmup: int
    cosine: bool

    def rate(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by."""
        warm = min(1.0, (step + 1) / self.warmup)
        return warm * (0.5 * (1 + math.cos(math.pi * step / steps)) if self.cosine else 1.0)


def step_flops(side: int, network: nn.Module) -> int:
    """FLOPs of forward and backward on one picture."""
    device = next(network.parameters()).device

    def work() -> None:
        out = network(torch.zeros(1, 1, side, side, device=device), torch.ones(1, device=device))
        (out if isinstance(out, Tensor) else out.sample).sum().backward()

    return flops(work)


def diffusers(precision: str, best: bool, cheap: bool) -> Peer:
    """UNet2DModel, trained as its example for unconditional images does; `best` as one who knows it would."""
    from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler
    from diffusers.models.attention_processor import Attention, AttnProcessor

    size, head = SIZES["mnist" if cheap else "h"], 64 if best else 8
    options = fn.recipe(size.recipe).network
    sized = partial(peers.diffusers_network, size, options, head=head)
    network = sized(OUR_FLOPS, size_of=partial(step_flops, size.side)) if cheap else sized(H_PARAMETERS)
    for part in network.modules():
        if best and isinstance(part, Attention):
            part.set_processor(AttnProcessor())
    scheduler = DDPMScheduler(num_train_timesteps=1000)

    def loss(network: nn.Module, x_0: Tensor) -> Tensor:
        eps, times = torch.randn_like(x_0), torch.randint(0, 1000, (len(x_0),))
        return F.mse_loss(network(scheduler.add_noise(x_0, eps, times), times).sample.float(), eps)

    def draw(network: nn.Module, n: int) -> Tensor:
        pipeline = DDIMPipeline(network, DDIMScheduler(num_train_timesteps=1000))
        pipeline.set_progress_bar_config(disable=True)
        drawn = pipeline(batch_size=n, num_inference_steps=20, output_type="np").images
        return torch.as_tensor(drawn).permute(0, 3, 1, 2) * 2 - 1

    lr = 1e-3 if best else 1e-4
    optimizer = torch.optim.AdamW(network.parameters(), lr, betas=(0.95, 0.999), weight_decay=1e-6)

    def ema(step: int) -> float:
        return float(1 - (1 + step) ** -0.75)  # of the example, at most 0.9999

    return Peer(network, size.side, loss, draw, optimizer, 64 if best else 16, precision, ema, 500, True)


def ddp(precision: str, best: bool, cheap: bool) -> Peer:
    """Unet and GaussianDiffusion of denoising-diffusion-pytorch, trained as its Trainer and its README say."""
    size = SIZES["mnist" if cheap else "h"]
    sized = partial(peers.ddp_network, size, fn.recipe(size.recipe).network)
    network = sized(OUR_FLOPS, size_of=partial(step_flops, size.side)) if cheap else sized(H_PARAMETERS)
    from denoising_diffusion_pytorch import GaussianDiffusion

    def loss(network: nn.Module, x_0: Tensor) -> Tensor:
        return diffusion(network)((x_0 + 1) / 2)

    def diffusion(network: nn.Module) -> Any:
        if id(network) not in made:
            made[id(network)] = GaussianDiffusion(network, image_size=size.side, sampling_timesteps=20)
        return made[id(network)]

    def draw(network: nn.Module, n: int) -> Tensor:
        return diffusion(network).sample(batch_size=n) * 2 - 1

    made: dict[int, Any] = {}
    optimizer = torch.optim.Adam(network.parameters(), 1e-3 if best else 8e-5, betas=(0.9, 0.99))
    warmup = 500 if best else 1
    return Peer(network, size.side, loss, draw, optimizer, 64 if best else 32, precision, lambda _: 0.995, warmup, best)


ROWS: dict[str, Callable[[], Peer] | None] = {
    "fromnoise": None,
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
        self.rates = [group["lr"] for group in peer.optimizer.param_groups]

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

    def seconds_a_step(self, least: float = 15.0) -> float:
        """The median over steps for some seconds, from the second on."""
        times: list[float] = []
        while sum(times) < least or len(times) < 4:
            times.append(peers.clocked(self.step, CPU))
        return statistics.median(times[1:])

    def save(self) -> None:
        """Keep everything that a later process needs to go on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".partial")
        state = {"network": self.network.state_dict(), "average": self.average.state_dict()}
        torch.save(state | {"optimizer": self.peer.optimizer.state_dict(), "at": [self.done, self.steps]}, beside)
        os.replace(beside, self.path)

    def resume(self) -> bool:
        """Go on where the file says; False where there is none."""
        if not self.path.exists():
            return False
        state = torch.load(self.path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.peer.optimizer.load_state_dict(state["optimizer"])
        self.done, self.steps = state["at"]
        self.order = np.random.default_rng(self.done)
        torch.manual_seed(self.done)
        return True

    def train(self) -> None:
        """All steps that are left."""
        saved = time.monotonic()
        while self.done < self.steps:
            self.step()
            if time.monotonic() - saved > EVERY:
                self.save()
                saved = time.monotonic()
                print(f"  step {self.done} of {self.steps}", file=sys.stderr, flush=True)
        self.save()


def prepared(make: Callable[[], Peer], path: Path, minutes: float) -> Trained:
    """A peer where it was left, or at the start with as many steps to go as fit in the minutes."""
    trained = Trained(make(), path)
    if trained.resume():
        return trained
    seconds = trained.seconds_a_step()
    torch.manual_seed(0)
    trained = Trained(make(), path)
    trained.steps = round(minutes * 60 / seconds)
    return trained


def peer_row(make: Callable[[], Peer], path: Path, minutes: float, n: int) -> dict[str, Any]:
    """Train a peer and judge what it draws."""
    trained = prepared(make, path, minutes)
    trained.train()
    sound = all(bool(torch.isfinite(p).all()) for p in trained.average.parameters())
    images = trained.steps * trained.peer.batch
    found: dict[str, Any] = {"images": images, "images_per_second": images / minutes / 60}
    found |= {
        "parameters": parameters(trained.network),
        "flops": step_flops(trained.peer.side, trained.network),
        "finite": sound,
    }
    return found | {"unguided": drawn(trained, n)} if sound else found


def drawn(trained: Trained, n: int) -> dict[str, float]:
    """The scores of n pictures of the averaged network, its own pipeline asked for 250 at a time."""
    torch.manual_seed(1)
    parts = []
    with torch.no_grad(), casting(trained.peer.precision, CPU):
        for first in range(0, n, 250):
            parts.append(trained.peer.draw(trained.average, min(250, n - first)).float())
    return scores(torch.cat(parts).clamp(-1, 1))


def our_row(path: Path, minutes: float, n: int) -> dict[str, Any]:
    """The recipe: without guidance like the peers, and as it draws by itself, at n and at 10,000."""
    from mnist import speed

    config = fn.recipe("mnist").override({"train.sample_every": 0})
    if path.is_dir():
        config = fn.load(path).config
    else:
        config = config.override({"train.steps": round(minutes * 60 * speed(config))})
    *_, finished = fn.fit(config, path)
    model, images = finished.model, config.train.steps * config.train.batch
    found: dict[str, Any] = {"images": images, "images_per_second": images / minutes / 60}
    found |= {"parameters": parameters(model.network), "flops": OUR_FLOPS, "finite": True}
    found["unguided"] = scores(model.sample(n, seed=1, solver="ddim", steps=20, weight=1.0))
    return found | {"own": scores(model.sample(n, seed=1)), "own_10000": scores(model.sample(10_000, seed=1))}


def show(rows: Mapping[str, Any]) -> None:
    """Print all rows that are there."""
    table = []
    for name, row in rows.items():
        base = {"row": name, **{key: row[key] for key in ("images", "images_per_second")}}
        base["parameters_m"] = row["parameters"] / 1e6
        for way in ("unguided", "own", "own_10000"):
            if way in row:
                table.append(base | {"way": way} | row[way])
    headings = {"row": "row", "images": "images", "images_per_second": "images/s", "parameters_m": "M params"}
    headings |= {"way": "drawn", "n": "n", "confident": "sure", "frechet": "Fréchet", "floor": "floor"}
    peers.table("Quality", table, headings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--runs", default=str(ROOT / "runs" / "quality"), help="where states are kept meanwhile")
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "quality.json"))
    parser.add_argument("--one", action="store_true", help="train the first row for the first minutes, here and now")
    args = parser.parse_args()
    path = Path(args.json)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for minutes in args.minutes:
        for name in args.rows:
            label = f"{name}, {minutes:g} minutes"
            if label in found:
                continue
            if not args.one:  # in a process of its own: none finds what another left behind
                command = [sys.executable, __file__, "--one", "--rows", name, "--minutes", str(minutes)]
                rest = ["--n", str(args.n), "--runs", args.runs, "--json", args.json]
                subprocess.run([*command, *rest], check=True)
                found = json.loads(path.read_text())
                continue
            make, place = ROWS[name], Path(args.runs) / label.replace(" ", "-").replace(",", "")
            row = peer_row(make, place.with_suffix(".pt"), minutes, args.n) if make else our_row(place, minutes, args.n)
            found[label] = {"minutes": minutes, **here(), **row}
            write_file(path, (json.dumps(found, indent=1) + "\n").encode())
            return
    show(found)


if __name__ == "__main__":
    main()
