"""Kernels in C, compiled at first use where there is a compiler; each has a path in plain PyTorch beside it."""

from fromnoise.networks.native.build import library, why_none
from fromnoise.networks.native.convolution import convolve, tiles
from fromnoise.networks.native.norm import batched, compiled, forked_group_norm, group_norm, transformed

__all__ = [
    "batched",
    "compiled",
    "convolve",
    "forked_group_norm",
    "group_norm",
    "library",
    "tiles",
    "transformed",
    "why_none",
]
