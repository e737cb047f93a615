"""Seconds from an empty prompt: import, --help, the first training step, the first sample; each in a fresh process.

python benchmarks/bench_start.py [--rounds 2] [--quick] [--json FILE]

Processes run in turn, on warm disk caches. Ours trains its mnist recipe on the digits that come with it; diffusers gets
a network of the same size and a batch of noise. A sample is one, by DDIM in 10 network calls. The very first round,
which finds our cache empty (kernels are compiled into it), stands in a column of its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import contenders as peers
import torch
from bench_training import prepared
from machine import here

import fromnoise as fn
from fromnoise.model.loading import bundled

OUR_STEP = """
import fromnoise as fn
list(fn.fit(fn.recipe("mnist").override({"train.steps": 1, "train.sample_every": 0})))
"""
OUR_SAMPLE = """
import fromnoise as fn
fn.load({name!r}).sample(1, solver="ddim", steps=10)
"""
THEIR_NETWORK = """
import torch
from diffusers import UNet2DModel
network = UNet2DModel(**{options!r}).to({device!r})
"""
THEIR_STEP = """
from diffusers import DDPMScheduler
optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
x_0 = torch.rand({shape!r}, device={device!r}) * 2 - 1
eps, times = torch.randn_like(x_0), torch.randint(0, 1000, (len(x_0),), device={device!r})
out = network(DDPMScheduler(num_train_timesteps=1000).add_noise(x_0, eps, times), times).sample
torch.nn.functional.mse_loss(out, eps).backward()
optimizer.step()
"""
THEIR_SAMPLE = """
from diffusers import DDIMPipeline, DDIMScheduler
DDIMPipeline(network, DDIMScheduler(num_train_timesteps=1000))(batch_size=1, num_inference_steps=10, output_type="np")
"""
HEADINGS = {"what": "", "seconds": "s", "best_seconds": "best", "worst_seconds": "worst", "first_seconds": "first time"}


def commands(device: str) -> dict[str, list[str]]:
    """What is started, by name, as arguments of Python."""
    recipe = fn.recipe("mnist")
    setup = prepared("mnist", recipe.train.batch, torch.device("cpu"), quick=False)
    network: Any = peers.diffusers_network(setup.size, setup.config.network, setup.wanted)
    options = {key: value for key, value in network.config.items() if not key.startswith("_")}
    theirs = THEIR_NETWORK.format(options=options, device=device)
    shape = (setup.batch, *setup.data.shape)
    name = "mnist" if "mnist" in bundled() else "swissroll"
    return {
        "import torch": ["-c", "import torch"],
        "import fromnoise": ["-c", "import fromnoise"],
        "import diffusers": ["-c", "import diffusers"],
        "fromnoise.Model": ["-c", "from fromnoise import Model"],
        "diffusers.UNet2DModel": ["-c", "from diffusers import UNet2DModel"],
        "fromnoise --help": ["-m", "fromnoise", "--help"],
        "fromnoise, first training step": ["-c", OUR_STEP],
        "diffusers, first training step": ["-c", theirs + THEIR_STEP.format(shape=shape, device=device)],
        f"fromnoise, first sample ({name})": ["-c", OUR_SAMPLE.format(name=name)],
        "diffusers, first sample": ["-c", theirs + THEIR_SAMPLE],
    }


def started(command: list[str], cache: str) -> float:
    """Seconds until the process has come to its end. Raises RuntimeError where it fails."""
    environment = {**os.environ, "FROMNOISE_CACHE": cache}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
    return seconds


def main() -> None:
    parser = peers.arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    asked = commands(args.device)
    if args.quick:
        asked = {
            what: command
            for what, command in asked.items()
            if "import f" in what or "help" in what or "training" in what
        }
    times: dict[str, list[float]] = {what: [] for what in asked}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(1 if args.quick else 1 + args.rounds):
            for what, command in asked.items():
                times[what].append(started(command, cache))
    rows: list[dict[str, Any]] = []
    for what, (first, *later) in times.items():
        seconds = later or [first]
        rows.append({"what": what, "seconds": statistics.median(seconds), "rounds": len(seconds)})
        rows[-1] |= {"best_seconds": min(seconds), "worst_seconds": max(seconds), "first_seconds": first}
    peers.table("Start: seconds of a fresh process", rows, HEADINGS)
    peers.write({**here(), "start": rows}, args.json)


if __name__ == "__main__":
    main()
