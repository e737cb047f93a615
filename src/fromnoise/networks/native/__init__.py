"""Kernels in C, compiled at first use where there is a compiler; each has a path in plain PyTorch beside it."""

from fromnoise.networks.native.build import library, why_none
from fromnoise.networks.native.norm import compiled, group_norm

__all__ = ["compiled", "group_norm", "library", "why_none"]
