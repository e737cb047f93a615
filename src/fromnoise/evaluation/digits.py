"""An independent classifier of handwritten digits: it judges samples, and its features serve distances."""

from __future__ import annotations

import functools
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.model.store import read_tensors

WEIGHTS = Path(__file__).with_name("digits.safetensors")
"""Trained by `make digits` on real MNIST alone."""
SIDE = 28
FEATURES = 128


class Judged(NamedTuple):
    """What the classifier says of n pictures: probabilities (n, 10) of the digits 0 to 9, features (n, 128)."""

    probabilities: Tensor
    features: Tensor

    @property
    def confidence(self) -> Tensor:
        """The largest probability of each picture, (n,)."""
        return self.probabilities.max(1).values

    @property
    def digit(self) -> Tensor:
        """The most probable digit of each picture, (n,) int64."""
        return self.probabilities.argmax(1)


class Classes(nn.Module):
    """Five convolutions and a mean over the picture, of any size: for digits 140,000 numbers.

    Shapes: pictures (n, channels, H, W) in [-1, 1] -> features (n, 128), logits (n, classes).

    >>> [tuple(part.shape) for part in Classes()(torch.zeros(2, 1, 28, 28))]
    [(2, 128), (2, 10)]
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        widths = (channels, 32, 32, 64, 64, FEATURES)
        pairs = pairwise(widths)
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.last = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (n, channels, H, W) -> features (n, 128), logits (n, classes)."""
        for place, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = F.relu(norm(convolution(x)))
            if place in (1, 3):
                x = F.max_pool2d(x, 2)
        features = x.mean((2, 3))
        return features, self.last(features)


def centred(pictures: Tensor) -> Tensor:
    """The 28 x 28 pixels in the middle, where MNIST has its digits; pictures made by `fit = "pad"` are larger.

    Raises ValueError for other shapes than (n, 1, H, W) with H, W of 28 or more.

    >>> centred(torch.zeros(3, 1, 32, 32)).shape
    torch.Size([3, 1, 28, 28])
    """
    if pictures.ndim != 4 or pictures.shape[1] != 1 or min(pictures.shape[2:]) < SIDE:
        raise ValueError(f"digits are (n, 1, H, W) with at least {SIDE} pixels a side, not {tuple(pictures.shape)}")
    top, left = ((size - SIDE) // 2 for size in pictures.shape[2:])
    return pictures[:, :, top : top + SIDE, left : left + SIDE]


@torch.no_grad()
def judge_digits(pictures: Tensor, batch: int = 50) -> Judged:
    """What the shipped classifier says of pictures (n, 1, H, W) in [-1, 1], of which the middle 28 x 28 are read.

    99.5 % of the real test digits are classified rightly, and of noise, blanks and cut-up digits it is sure of hardly
    any (benchmarks/results/digits.json). Judged on the CPU. Raises ValueError for pictures of another shape.

    >>> judged = judge_digits(torch.full((2, 1, 32, 32), -1.0))
    >>> judged.probabilities.shape, judged.features.shape
    (torch.Size([2, 10]), torch.Size([2, 128]))
    """
    network = _shipped()
    found = [network(part.cpu().float().clamp(-1, 1)) for part in centred(pictures).split(batch)]
    features, logits = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Judged(logits.softmax(1), features)


def digit_log_probs(pictures: Tensor) -> Tensor:
    """log p of the digits 0 to 9, (n, 10), of pictures (n, 1, H, W) in [-1, 1], differentiable in them.

    For guidance towards a digit (`sampling.universal`), told on the CPU. Not to be judged by `judge_digits`, the same
    network.

    >>> x = torch.zeros(2, 1, 28, 28, requires_grad=True)
    >>> digit_log_probs(x)[:, 7].sum().backward()
    >>> x.grad.shape
    torch.Size([2, 1, 28, 28])
    """
    return _shipped()(centred(pictures).cpu().float())[1].log_softmax(1).to(pictures.device)


@torch.no_grad()
def digit_probabilities(features: Tensor) -> Tensor:
    """The probabilities of the digits 0 to 9, (n, 10), of features (n, 128) that `judge_digits` gave.

    >>> digit_probabilities(torch.zeros(3, 128)).sum(1).round()
    tensor([1., 1., 1.])
    """
    return _shipped().last(features.float()).softmax(1)


@functools.cache
def _shipped() -> Classes:
    network = Classes()
    network.load_state_dict(read_tensors(WEIGHTS))
    return network.float().eval().requires_grad_(False)
