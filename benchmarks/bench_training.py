"""One training step of ours and of the peers, in turn, on the same pictures, each in a process of its own.

python benchmarks/bench_training.py [--sizes h ho mnist] [--batch 64] [--compile] [--quick] [--json FILE]

A step draws noise and times, goes forward and backward, moves the weights and clears the gradients. Each library uses
its own network, noising and loss. Peers get float pictures that lie ready and neither clip nor average; ours is the
whole step of `fromnoise train`: it takes its batch from bytes, measures the gradient, clips and averages as its recipe
says.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

os.environ["TQDM_DISABLE"] = "1"

import contenders as peers
import numpy as np
import torch
from apart import Apart
from ceilings import convolution_ceiling, convolutions, matrix_ceiling, matrix_size
from ceilings import show as show_ceilings
from contenders import SIZES, Contender, Size, finite, parameters
from machine import here
from torch import Tensor, nn
from torch.nn import functional as F

import fromnoise as fn
from fromnoise.data import Dataset
from fromnoise.evaluation import flops
from fromnoise.model.assembly import make_network
from fromnoise.model.precision import casting, chosen
from fromnoise.training.fit import facts_of
from fromnoise.training.loop import Loop

CPU = torch.device("cpu")
Make = Callable[[], Contender]
HEADINGS = {
    "library": "library", "setting": "setting", "type": "computes in", "parameters_m": "M params", "gflop": "GFLOP/im.",
    "seconds": "s a step", "best_seconds": "best", "spread_seconds": "IQR", "per_second": "images/s",
    "gflops": "GFLOP/s", "of_convolutions": "of conv.", "of_matrix": "of matrix", "peak_mb": "peak MB",
    "status": "",
}  # fmt: skip


@dataclass(frozen=True)
class Setup:
    """What all contenders of one size share: the recipe, the pictures, and the number of parameters to come near."""

    size: Size
    config: fn.Config
    data: Dataset
    device: torch.device
    wanted: int

    @property
    def batch(self) -> int:
        """Pictures a step."""
        return self.config.train.batch

    def pictures(self, low: float) -> Iterator[Tensor]:
        """The same pictures for ever, a batch at a time, in [low, 1]: what a peer wants, ready on its device."""
        every = (self.data.batch(np.arange(len(self.data))) + 1) / 2 * (1 - low) + low
        return itertools.cycle(every.to(self.device).split(self.batch))

    def x(self) -> Tensor:
        """One picture of noise, to count FLOPs with."""
        return torch.randn(1, *self.data.shape, device=self.device)

    def time(self) -> Tensor:
        """One time, which for every library is a time that it knows."""
        return torch.ones(1, device=self.device)


def prepared(name: str, batch: int, device: torch.device, quick: bool) -> Setup:
    """The setup of a size; with `quick` its network is narrow."""
    size = SIZES[name]
    changes = {"train.batch": batch, "train.steps": 10**6} | ({"network.width": 32} if quick else {})
    config = fn.recipe(size.recipe).override(changes)
    shape = (4 * batch, size.channels, size.side, size.side)
    rows = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    labels = np.arange(len(rows)) % 10
    data = Dataset("images", rows.shape[1:], rows, labels=labels, classes=tuple(map(str, range(10))))
    config = replace(config, facts=facts_of(data))
    with torch.device("meta"):
        wanted = parameters(make_network(config, config.facts))
    return Setup(size, config, data, device, wanted)


def contestants(setup: Setup, compiles: bool) -> dict[str, Make]:
    """Every contender by name, made only when called."""
    diffusers = partial(diffusers_step, setup)
    best = peers.best_attention(setup.device)
    found = {
        "diffusers float32": diffusers,
        "diffusers bf16": partial(diffusers, "bf16"),
        f"diffusers bf16, {best}": partial(diffusers, "bf16", best=True),
        "diffusers bf16, the same, channels-last": partial(diffusers, "bf16", best=True, last=True),
        "denoising-diffusion-pytorch float32": partial(ddp_step, setup, "fp32"),
        "denoising-diffusion-pytorch bf16": partial(ddp_step, setup, "bf16"),
        "azula float32": partial(azula_step, setup),
        "smalldiffusion float32": partial(small_step, setup),
        "fromnoise float32": partial(our_step, setup, "fp32"),
        "fromnoise default": partial(our_step, setup, "auto"),
    }
    if compiles:
        last = setup.device.type == "cuda"
        name = f"diffusers bf16, {best}{', channels-last' if last else ''}, compiled"
        found[name] = partial(diffusers, "bf16", best=True, last=last, compiles=True)
        if setup.device.type == "cuda":
            found["fromnoise default, compiled"] = partial(our_step, setup, "auto", compiles=True)
    return {name: partial(_named, name, make) for name, make in found.items()}


def _named(name: str, make: Make) -> Contender:
    library, _, setting = name.partition(" ")
    return replace(make(), library=library, setting=setting)


def contender(
    setup: Setup,
    network: nn.Module,
    loss: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    facts: dict[str, Any],
) -> Contender:
    """A peer: `loss` draws and goes forward, and the rest of a step is the same for all peers."""

    def step() -> None:
        loss().backward()
        optimizer.step()
        optimizer.zero_grad()

    return Contender("", "", step, setup.batch, facts, partial(finite, network))


def described(network: nn.Module, call: Callable[[], Tensor], *, watched: bool = True) -> dict[str, Any]:
    """What the table says of a network, of which `call` is one call.

    "type" is what its first convolution gives in its first step; a compiled network does not let itself be watched.
    """
    count = flops(lambda: call().sum().backward())
    network.zero_grad()
    facts: dict[str, Any] = {"parameters": parameters(network), "flops": count}
    facts |= {"parameters_m": parameters(network) / 1e6, "gflop": count / 1e9}
    if not watched:
        return facts
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))

    def note(part: nn.Module, given: object, out: Tensor) -> None:
        facts["type"] = str(out.dtype).removeprefix("torch.")
        handle.remove()

    handle = first.register_forward_hook(note)
    return facts


def diffusers_step(
    setup: Setup, precision: str = "fp32", *, best: bool = False, last: bool = False, compiles: bool = False
) -> Contender:
    """UNet2DModel, DDPMScheduler and AdamW as in diffusers' example for unconditional images.

    `best` has heads of 64 channels and the attention that is fast there; `last` channels-last weights and pictures.
    """
    from diffusers import DDPMScheduler

    device = setup.device
    network = peers.diffusers_network(setup.size, setup.config.network, setup.wanted, best=best, device=device).train()
    if last:
        network = network.to(memory_format=torch.channels_last)
    facts = described(network, lambda: network(setup.x(), setup.time()).sample, watched=not compiles)
    scheduler, pictures = DDPMScheduler(num_train_timesteps=1000), setup.pictures(-1)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4, betas=(0.95, 0.999), eps=1e-8, weight_decay=1e-6)
    call = torch.compile(network) if compiles else network

    def loss() -> Tensor:
        x_0 = next(pictures)
        eps = torch.randn_like(x_0)
        times = torch.randint(0, 1000, (len(x_0),), device=device)
        x_t = scheduler.add_noise(x_0, eps, times)
        x_t = x_t.contiguous(memory_format=torch.channels_last) if last else x_t
        with casting(precision, device):
            found = call(x_t, times).sample
        return F.mse_loss(found.float(), eps)

    return contender(setup, network, loss, optimizer, facts)


def ddp_step(setup: Setup, precision: str) -> Contender:
    """Unet, GaussianDiffusion in its defaults (v-prediction, sigmoid schedule) and Adam as in its Trainer."""
    network = peers.ddp_network(setup.size, setup.config.network, setup.wanted).to(setup.device).train()
    from denoising_diffusion_pytorch import GaussianDiffusion

    facts = described(network, lambda: network(setup.x(), setup.time()))
    diffusion, pictures = GaussianDiffusion(network, image_size=setup.size.side).to(setup.device), setup.pictures(0)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, betas=(0.9, 0.99))

    def loss() -> Tensor:
        with casting(precision, setup.device):
            return diffusion(next(pictures))

    return contender(setup, network, loss, optimizer, facts)


def azula_step(setup: Setup) -> Contender:
    """UNet, KarrasDenoiser with its loss on a VP schedule, and AdamW."""
    from azula.denoise import KarrasDenoiser
    from azula.noise import VPSchedule

    network = peers.azula_network(setup.size, setup.config.network, setup.wanted).to(setup.device).train()
    facts = described(network, lambda: network(setup.x(), setup.time()))
    denoiser, pictures = KarrasDenoiser(network, VPSchedule()), setup.pictures(-1)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)

    def loss() -> Tensor:
        x_0 = next(pictures)
        return denoiser.loss(x_0, torch.rand(len(x_0), device=setup.device))

    return contender(setup, network, loss, optimizer, facts)


def small_step(setup: Setup) -> Contender:
    """Unet with its input scaled as in the examples there, its own draws and loss, and AdamW as in training_loop."""
    network: Any = peers.small_network(setup.size, setup.config.network, setup.wanted).to(setup.device).train()
    from smalldiffusion import ScheduleDDPM, generate_train_sample

    facts = described(network, lambda: network(setup.x(), setup.time()))
    schedule, pictures = ScheduleDDPM(), setup.pictures(-1)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def loss() -> Tensor:
        x_0, sigma, eps, _ = generate_train_sample(next(pictures), schedule)
        return network.get_loss(x_0, sigma, eps)

    return contender(setup, network, loss, optimizer, facts)


def our_step(setup: Setup, precision: str, *, compiles: bool = False) -> Contender:
    """The loop of `fromnoise train` on the recipe, nothing left out; `compiles` as it does itself in a long run."""
    config = setup.config.override({"train.precision": chosen(precision, "images", setup.device)})
    loop = Loop(config, setup.data, None)
    # All that is timed takes its own batches: prepared for more steps at a time, they would miss the median.
    loop.task.batches.blocks.steps = steps_timed(setup.device)
    facts = described(loop.bare, lambda: loop.bare(setup.x(), setup.time()))
    facts.update(clip=config.train.clip, ema=config.train.ema)
    if compiles:
        loop.compile()
    return Contender("", "", loop.step, setup.batch, facts, lambda: finite(loop.bare) and not loop.progress.skipped)


def steps_timed(device: torch.device) -> int:
    """Steps that are timed as one: a GPU works on while the host prepares the next, as it does in a training."""
    return 8 if device.type == "cuda" else 1


def stepped(one: Contender, device: torch.device) -> None:
    """The steps that are timed as one, and all that they gave the device to do."""
    for _ in range(steps_timed(device)):
        one.step()
    peers.synchronise(device)


def told(one: Contender, device: torch.device) -> Contender:
    """What another process can be told of a contender, whose steps are those that are timed as one."""
    items = one.items * steps_timed(device)
    return Contender(one.library, one.setting, bool, items, dict(one.facts), partial(bool, one.sound()), bool)


def raced(setup: Setup, makes: dict[str, Make], seconds: float, quick: bool) -> list[dict[str, Any]]:
    """The figures of all contenders: in turn two steps each, and the second counts, as in a training."""
    least, most = (1, 1) if quick else (3 if setup.device.type == "cuda" else 5, 200)
    with contextlib.ExitStack() as stack:
        homes = [stack.enter_context(Apart(make)) for make in makes.values()]
        steps = [partial(home, stepped, setup.device) for home in homes]
        runners = [
            replace(home(told, setup.device), step=step, settle=step) for home, step in zip(homes, steps, strict=True)
        ]
        times = peers.in_turn(runners, CPU, warm=1, seconds=seconds, least=least, most=most)
        rows = []
        for home, runner in zip(homes, runners, strict=True):
            peak = home.peak()
            rows.append(
                peers.summary(home(told, setup.device), times[runner.name])
                | {"peak_bytes": peak, "peak_mb": peak / 1e6}
            )
        return rows


def with_shares(rows: list[dict[str, Any]], matrix: dict[str, float], convolution: dict[str, Any]) -> None:
    """Add GFLOP/s and its share of both ceilings to each row that has a speed."""
    for row in rows:
        if "per_second" in row:
            row["gflops"] = row["gflop"] * row["per_second"]
            row["of_convolutions"] = row["gflops"] / convolution["best"]
            row["of_matrix"] = row["gflops"] / max(matrix.values())


def measured(name: str, setup: Setup, makes: dict[str, Make], seconds: float, quick: bool) -> dict[str, Any]:
    """The ceilings and the figures of one size."""
    device, config = setup.device, setup.config
    matrix = matrix_ceiling(device, 128 if quick else matrix_size(device), 12)
    assert config.facts is not None
    bare = make_network(config, config.facts).to("meta")
    parts = convolutions(bare, setup.batch, *config.facts.shape)
    convolution = convolution_ceiling(parts, device, 1 if quick else 3)
    rows = raced(setup, makes, seconds, quick)
    with_shares(rows, matrix, convolution)
    found = {"recipe": setup.size.recipe, "shape": config.facts.shape, "batch": setup.batch}
    found |= {"matrix": matrix, "convolutions": convolution, "contenders": rows}
    return found | {"ratios": peers.ratios(rows, "fromnoise", "per_second", "gflops", "parameters", "flops")}


def show(name: str, found: dict[str, Any]) -> None:
    """Print one size."""
    show_ceilings(name, found["matrix"], found["convolutions"])
    sides = "x".join(map(str, found["shape"]))
    peers.table(f"Training, {name}: {sides}, batch {found['batch']}", found["contenders"], HEADINGS)
    headings = {"ours": "fromnoise", "peer": "against", "per_second": "images/s x", "gflops": "GFLOP/s x"}
    headings |= {"parameters": "parameters x", "flops": "FLOPs x"}
    peers.table(f"Training, {name}: ours over theirs", found["ratios"], headings)


def main() -> None:
    parser = peers.arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), help="all of them, or with --quick h alone")
    parser.add_argument("--batch", type=int, help="64, or with --quick 2")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="of each size, after the warm-up; at least 5 rounds"
    )
    parser.add_argument("--compile", action="store_true", help="diffusers' best setting compiled, too: takes minutes")
    args = parser.parse_args()
    device, batch = peers.device_of(args), args.batch or (2 if args.quick else 64)
    sizes = args.sizes or (["h"] if args.quick else list(SIZES))
    found: dict[str, Any] = {}
    for name in sizes:
        setup = prepared(name, batch, device, args.quick)
        found[name] = measured(name, setup, contestants(setup, args.compile), args.seconds, args.quick)
        show(name, found[name])
    peers.write({**here(), "training": found}, args.json)


if __name__ == "__main__":
    main()
