"""The randomness of one optimiser step, as a function of (seed, step): a resumed run is the same run.

Nothing here has a state, so nothing has to be stored: step k of a run sees the same data, times, noise,
flips and hidden labels whether or not it was interrupted, and in any number of processes.
"""

from __future__ import annotations

import functools
import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Draws(NamedTuple):
    """What a batch of n samples needs: uniforms u (n,) for times, eps (n, *shape), two rows of choices."""

    u: Tensor
    eps: Tensor
    flip: Tensor
    hide: Tensor


def mix(seed: int, purpose: str, step: int) -> int:
    """A seed for one purpose at one step, in [0, 2**63).

    PyTorch's generator on a CPU keeps 32 bits of it, so of N steps about N² / 2³³ pairs share their noise
    (75 of 800,000), each with other data and times.

    >>> mix(0, "noise", 1) == mix(0, "noise", 1) != mix(0, "noise", 2)
    True
    """
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def draw(
    seed: int, step: int, n: int, shape: tuple[int, ...], flips: bool, hidden: float, device: torch.device
) -> Draws:
    """The draws of step `step` for a batch of n samples: times from U(0, 1), ε ~ N(0, I) (Algorithm 1).

    `flips` mirrors each sample with probability 1/2, `hidden` is the share of labels to hide.

    >>> a = draw(0, 5, 4, (2,), False, 0.0, torch.device("cpu"))
    >>> bool((a.eps == draw(0, 5, 4, (2,), False, 0.0, torch.device("cpu")).eps).all())
    True
    """
    host = torch.Generator().manual_seed(mix(seed, "choices", step))
    there = torch.Generator(device).manual_seed(mix(seed, "noise", step))
    u = torch.rand(n, dtype=torch.float64, generator=host)
    flip = torch.rand(n, generator=host) < (0.5 if flips else 0.0)
    hide = torch.rand(n, generator=host) < hidden
    eps = torch.randn(n, *shape, generator=there, device=device)
    return Draws(u, eps, flip, hide)


def batch_index(seed: int, step: int, batch: int, n: int) -> np.ndarray:
    """Which of n samples are in the batch of `step`: passes through the data, each in an order of its own.

    Batches run on across the end of a pass, so every sample is seen once a pass and none is dropped; a
    batch may be larger than the data.

    >>> index = np.concatenate([batch_index(0, step, 4, 10) for step in range(5)])
    >>> sorted(index[:10].tolist()) == sorted(index[10:].tolist()) == list(range(10))
    True
    """
    position = np.arange(step * batch, (step + 1) * batch)
    passes = position // n
    return np.concatenate([_order(seed, e, n)[position[passes == e] % n] for e in np.unique(passes)])


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng(mix(seed, "order", epoch)).permutation(n)
