"""Sampling with ours and the peers, in turn, each in a process of its own: seconds a picture and call, at several n.

python benchmarks/bench_sampling.py [--sizes h ho mnist] [--n 256] [--calls 10 50] [--longest 20] [--quick]

The networks are those of bench_training.py, untrained, with random weights where a layer starts at zero. Every library
draws DDIM samples by its own pipeline, as a person would call it. A number of calls that would take the slowest
contender longer than --longest seconds is left out; the smallest is cut instead, and what a drawing begins with is then
shared by fewer. Up to 4,096 at once are drawn with ours, in two calls, if that takes at most three times as long.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

os.environ["TQDM_DISABLE"] = "1"

import contenders as peers
import torch
from apart import Apart
from bench_training import CPU, Setup, prepared
from contenders import SIZES, Contender, clocked, in_turn
from machine import here
from torch import nn

from fromnoise.evaluation import flops
from fromnoise.model import Model, keep_memory
from fromnoise.model.assembly import make_network
from fromnoise.model.precision import casting

Draw = Callable[[int, int], object]  # (pictures, network calls) -> all of them, drawn
Made = tuple[nn.Module, Draw]
HEADINGS = {
    "library": "library", "setting": "setting", "parameters_m": "M params", "gflop": "GFLOP/call", "n": "n",
    "calls": "calls", "seconds": "s", "spread_seconds": "IQR", "ms_per_call": "ms an im. and call", "gflops": "GFLOP/s",
}  # fmt: skip
AT_ONCE = (64, 256, 1024, 4096)


def awake(network: nn.Module, setup: Setup) -> nn.Module:
    """The network ready to be sampled, with random numbers in weights that are zero: else it would answer 0."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1 and not bool(weight.any()):
                nn.init.normal_(weight, std=0.02)
    return network.to(setup.device).eval()


def with_diffusers(setup: Setup, precision: str, *, best: bool = False) -> Made:
    """DDIMPipeline in its defaults; `best` has heads of 64 channels and the attention that is fast there."""
    from diffusers import DDIMPipeline, DDIMScheduler

    made = peers.diffusers_network(setup.size, setup.config.network, setup.wanted, best=best, device=setup.device)
    network = awake(made, setup)
    pipeline = DDIMPipeline(network, DDIMScheduler(num_train_timesteps=1000))
    pipeline.set_progress_bar_config(disable=True)

    def draw(n: int, calls: int) -> object:
        with casting(precision, setup.device):
            return pipeline(batch_size=n, num_inference_steps=calls, output_type="np")

    return network, draw


def with_ddp(setup: Setup, precision: str) -> Made:
    """GaussianDiffusion.sample with sampling_timesteps, which makes it DDIM."""
    network = awake(peers.ddp_network(setup.size, setup.config.network, setup.wanted), setup)
    from denoising_diffusion_pytorch import GaussianDiffusion

    def draw(n: int, calls: int) -> object:
        diffusion = GaussianDiffusion(network, image_size=setup.size.side, sampling_timesteps=calls).to(setup.device)
        with casting(precision, setup.device):
            return diffusion.sample(batch_size=n)

    return network, draw


def with_ours(setup: Setup, precision: str) -> Made:
    """Model.sample of the recipe, in a process set up as `fromnoise sample` sets up its own."""
    keep_memory()
    assert setup.config.facts is not None
    network = awake(make_network(setup.config, setup.config.facts), setup)
    model = Model(setup.config, network)

    def draw(n: int, calls: int) -> object:
        return model.sample(n, solver="ddim", steps=calls, weight=1.0, precision=precision)

    return network, draw


def contestants(setup: Setup) -> dict[tuple[str, str], Callable[[], Made]]:
    """All that draw, by library and setting, made only when called."""
    return {
        ("diffusers", "float32"): partial(with_diffusers, setup, "fp32"),
        ("diffusers", "bf16"): partial(with_diffusers, setup, "bf16"),
        ("diffusers", f"bf16, {peers.best_attention(setup.device)}"): partial(with_diffusers, setup, "bf16", best=True),
        ("denoising-diffusion-pytorch", "float32"): partial(with_ddp, setup, "fp32"),
        ("denoising-diffusion-pytorch", "bf16"): partial(with_ddp, setup, "bf16"),
        ("fromnoise", "float32"): partial(with_ours, setup, "fp32"),
        ("fromnoise", "default"): partial(with_ours, setup, "auto"),
    }


def drawn(made: Made, n: int, calls: int, device: torch.device) -> None:
    """n pictures in so many network calls, and not one of them sent back."""
    clocked(partial(made[1], n, calls), device)


def calls_for_three(made: Made) -> int:
    """The network calls that a library makes when it is asked for three."""
    network, draw = made
    counted: list[object] = []
    handle = network.register_forward_pre_hook(lambda *_: counted.append(None))
    draw(2, 3)
    handle.remove()
    return len(counted)


def facts(made: Made, setup: Setup) -> dict[str, Any]:
    """Size, and FLOPs of one call on one picture."""
    network, _ = made
    with torch.no_grad():
        count = flops(lambda: network(setup.x(), setup.time()))
    weights = sum(p.numel() for p in network.parameters())
    return {"parameters": weights, "parameters_m": weights / 1e6, "flops": count, "gflop": count / 1e9}


def raced(setup: Setup, n: int, counts: Sequence[int], longest: float, seconds: float) -> dict[str, Any]:
    """The figures of all, for each number of calls that fits into `longest` seconds."""
    with contextlib.ExitStack() as stack:
        made = {name: stack.enter_context(Apart(make)) for name, make in contestants(setup).items()}
        for name, one in made.items():
            if (found := one(calls_for_three)) != 3:
                raise RuntimeError(f"{' '.join(name)} made {found} network calls for 3")
        few = max(1, n // 8)
        draws = {name: partial(one, drawn) for name, one in made.items()}
        call = max(clocked(partial(draw, few, 1, setup.device), CPU) for draw in draws.values()) * n / few
        fitting = [count for count in counts if count * call <= longest] or [max(1, int(longest / call))]
        known = {name: one(facts, setup) for name, one in made.items()}
        rows: list[dict[str, Any]] = []
        for count in fitting:
            told = {"n": n, "calls": count}
            runners = [
                Contender(*name, partial(draw, n, count, setup.device), n * count, known[name] | told)
                for name, draw in draws.items()
            ]
            times = in_turn(runners, CPU, warm=1, seconds=seconds, least=3, most=20)
            rows += [peers.summary(one, times[one.name]) for one in runners]
    for row in rows:
        row |= {"ms_per_call": 1000 / row["per_second"], "gflops": row["gflop"] * row["per_second"]}
    pairs = [
        ratio | {"calls": count}
        for count in fitting
        for ratio in peers.ratios([row for row in rows if row["calls"] == count], "fromnoise", "per_second", "gflops")
    ]
    missing = {count: count * call for count in counts if count not in fitting}
    return {"recipe": setup.size.recipe, "contenders": rows, "ratios": pairs, "left_out": missing}


def flatness(
    setup: Setup, numbers: Sequence[int], longest: float, seconds: float, calls: int = 2
) -> list[dict[str, Any]]:
    """What a picture and network call costs with ours, for several numbers of pictures asked for at once."""
    smallest = min(numbers)
    with Apart(partial(with_ours, setup, "auto")) as ours:
        draw = partial(ours, drawn)
        draw(smallest, calls, setup.device)
        each = clocked(partial(draw, smallest, calls, setup.device), CPU) / smallest
        runners = [
            Contender(
                "fromnoise", f"n = {n}", partial(draw, n, calls, setup.device), n * calls, {"n": n, "calls": calls}
            )
            for n in numbers
            if n * each <= longest
        ]
        times = in_turn(runners, CPU, warm=0, seconds=seconds, least=2, most=20)
    rows = [peers.summary(one, times[one.name]) for one in runners]
    for row in rows:
        row |= {"ms_per_call": 1000 / row["per_second"], "of_smallest": rows[0]["per_second"] / row["per_second"]}
    return rows


def show(name: str, found: dict[str, Any]) -> None:
    """Print one size."""
    peers.table(f"Sampling, {name}", found["contenders"], HEADINGS)
    for count, seconds in found["left_out"].items():
        print(f"  {count} calls are left out: the slowest would take {seconds:.0f} s; see --longest")
    headings = {
        "ours": "fromnoise",
        "peer": "against",
        "calls": "calls",
        "per_second": "images/s x",
        "gflops": "GFLOP/s x",
    }
    peers.table(f"Sampling, {name}: ours over theirs", found["ratios"], headings)
    headings = {
        "n": "n",
        "calls": "calls",
        "seconds": "s",
        "ms_per_call": "ms an im. and call",
        "of_smallest": "of the first",
    }
    peers.table(f"Sampling, {name}: ours, more at once", found["at_once"], headings)


def main() -> None:
    parser = peers.arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), help="all of them, or with --quick h alone")
    parser.add_argument("--n", type=int, help="pictures drawn: 256, or with --quick 4")
    parser.add_argument("--calls", type=int, nargs="+", default=[10, 50], help="network calls a sample")
    parser.add_argument("--longest", type=float, default=20.0, metavar="SECONDS", help="that one drawing may take")
    parser.add_argument("--seconds", type=float, default=30.0, help="after which no new round begins")
    args = parser.parse_args()
    device, n = peers.device_of(args), args.n or (4 if args.quick else 256)
    longest, seconds = (1.0, 0.0) if args.quick else (args.longest, args.seconds)
    found: dict[str, Any] = {}
    for name in args.sizes or (["h"] if args.quick else list(SIZES)):
        setup = prepared(name, 64, device, args.quick)
        found[name] = raced(setup, n, args.calls, longest, seconds)
        numbers = (2, 4, 8) if args.quick else AT_ONCE
        found[name]["at_once"] = flatness(setup, numbers, 3 * longest, seconds)
        show(name, found[name])
    peers.write({**here(), "sampling": found}, args.json)


if __name__ == "__main__":
    main()
