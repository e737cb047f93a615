"""One stream of noise a sample, so that a picture depends on its seed and on nothing else.

Counter-based: the noise of sample i at draw k is a function of (seed, i, k), the same in any batch, in any
number of processes and on any device. The generator is Philox-4x32-10 (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", 2011), the normals are Box and Muller's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def _multiply(a: int, b: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 32 bits of a · b, 32-bit numbers in int64, which the whole product would overflow."""
    low = a * (b & 0xFFFF)
    high = a * (b >> 16) + (low >> 16)
    return high >> 16, ((high << 16) | (low & 0xFFFF)) & _WORD


def philox(counter: tuple[Tensor, ...], key: tuple[Tensor | int, Tensor | int]) -> tuple[Tensor, ...]:
    """Philox-4x32-10: four 32-bit counters and two 32-bit keys, int64, give four random 32-bit words.

    >>> zero = torch.zeros((), dtype=torch.int64)
    >>> [hex(word.item()) for word in philox((zero,) * 4, (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = _multiply(_MULTIPLIERS[0], c0)
        high1, low1 = _multiply(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return c0, c1, c2, c3


class Streams:
    """Standard Gaussians for samples `first` ... `first + n − 1` of a seed; each call is the next draw.

    Call it like torch.randn_like: `streams(x)` for x of shape (n, ...). Raises ValueError for a seed outside
    [0, 2**63) and for an x with another number of samples.

    >>> x = torch.zeros(4, 3)
    >>> alone, together = Streams(seed=7, first=2, n=1), Streams(seed=7, first=0, n=4)
    >>> bool((alone(x[2:3]) == together(x)[2:3]).all())
    True
    """

    def __init__(self, seed: int, first: int = 0, n: int = 1, draw: int = 0):
        if not 0 <= seed < 2**63:
            raise ValueError(f"a seed is a whole number from 0 to 2**63 - 1, got {seed}")
        self.seed, self.first, self.n, self.draw = seed, first, n, draw

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) != self.n:
            raise ValueError(f"these streams are for {self.n} samples, got {len(x)}")
        size = x[0].numel()
        sample = torch.arange(self.first, self.first + self.n, device=x.device)[:, None]
        block = torch.arange((size + 3) // 4, device=x.device)[None, :]
        draw = torch.full_like(block, self.draw)
        key = (self.seed & _WORD, self.seed >> 32)
        words = philox(tuple(torch.broadcast_tensors(sample & _WORD, sample >> 32, block, draw)), key)
        self.draw += 1
        return torch.cat(_normals(*words), 1)[:, :size].reshape(x.shape).to(x.dtype)


def _normals(*words: Tensor) -> list[Tensor]:
    """Two Gaussians from each pair of words, in float32 (Box and Muller), their uniforms within (0, 1)."""
    out = []
    for a, b in (words[:2], words[2:]):
        # 24 bits are what a float32 holds; the half keeps the logarithm finite.
        radius = (-2 * (((a >> 8).float() + 0.5) * 2**-24).log()).sqrt()
        angle = 2 * math.pi * (b >> 8).float() * 2**-24
        out += [radius * angle.cos(), radius * angle.sin()]
    return out
