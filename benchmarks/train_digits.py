"""Train the classifier that judges digits, on the 60,000 real training digits alone, and test it on the 10,000 others.

python benchmarks/train_digits.py [--epochs N] [--json FILE] [--save FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from machine import here
from torch import Tensor
from torch.nn import functional as F

from fromnoise.data import Dataset, load
from fromnoise.evaluation.digits import WEIGHTS, Classes
from fromnoise.model.store import pack, write_file
from fromnoise.tasks.augment import moved

BATCH = 128


def nonsense(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures that are no digits, a quarter each: noise, digits in noise, digits cut up, and smooth random shapes.

    A classifier that has only seen digits is as sure of noise as of a digit.
    """
    n = len(x) // 4
    size = torch.rand(n, 1, 1, 1, generator=generator) * 2
    noise = size * torch.randn(n, 1, 28, 28, generator=generator) - torch.rand(n, 1, 1, 1, generator=generator)
    drowned = x[n : 2 * n] + (1.2 + size) * torch.randn(n, 1, 28, 28, generator=generator)
    tiles = F.unfold(x[2 * n : 3 * n], 7, stride=7)
    order = torch.rand(n, 16, generator=generator).argsort(1)[:, None].expand(-1, 49, -1)
    cut = F.fold(tiles.gather(2, order), 28, 7, stride=7)
    field = F.interpolate(torch.randn(n, 1, 9, 9, generator=generator), 28, mode="bicubic")
    shapes = (4 * (field - 0.7 * torch.rand(n, 1, 1, 1, generator=generator))).clamp(-1, 1)
    return torch.cat([noise, drowned, cut, shapes]).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--save", metavar="FILE", default=str(WEIGHTS))
    args = parser.parse_args()
    torch.manual_seed(0)
    data, held_out = load("mnist", size=28), load("mnist", split="test", size=28)
    network = Classes().to(memory_format=torch.channels_last)
    steps = args.epochs * (len(data) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), 4e-3, weight_decay=1e-2, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    order, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    began = time.perf_counter()
    for epoch in range(args.epochs):
        network.train()
        for rows in order.permutation(len(data))[: steps // args.epochs * BATCH].reshape(-1, BATCH):
            labels = data.batch_labels(rows)
            assert labels is not None
            x = moved(data.batch(rows), generator)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(torch.cat([x, nonsense(x[: BATCH // 8], generator)]))[1].float()
            # Of what is no digit, each digit is as probable as the others.
            loss = F.cross_entropy(logits[:BATCH], labels) - 0.03 * logits[BATCH:].log_softmax(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, {tested(network, held_out)}", flush=True)
    half = {name: part.half() if part.is_floating_point() else part for name, part in network.state_dict().items()}
    network.load_state_dict({name: part.float() for name, part in half.items()})
    write_file(Path(args.save), pack(half))
    found = {**here(), "minutes": (time.perf_counter() - began) / 60, "epochs": args.epochs}
    found |= tested(network, held_out)
    print(json.dumps(found, indent=1))
    if args.json:
        write_file(Path(args.json), json.dumps(found, indent=1).encode())


@torch.no_grad()
def tested(network: Classes, data: Dataset) -> dict[str, float]:
    """The share of test digits classified rightly, of these with a confidence above 0.9, and of nonsense with one."""
    network.eval()
    every = np.arange(len(data))
    x, labels = data.batch(every), data.batch_labels(every)
    digits, others = (
        torch.cat([network(part)[1] for part in pictures.split(500)])
        for pictures in (x, nonsense(x[:2000], torch.Generator().manual_seed(1)))
    )
    sure, fooled = ((logits.softmax(1).max(1).values > 0.9).float().mean().item() for logits in (digits, others))
    right = (digits.argmax(1) == labels).float().mean().item()
    return {"right": right, "sure": sure, "sure_of_nonsense": fooled}


if __name__ == "__main__":
    main()
