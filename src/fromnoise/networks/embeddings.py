"""Numbers turned into features that a network can use: times, labels and coordinates."""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def sinusoidal(time: Tensor, dim: int, *, scale: float = 1000.0, period: float = 10_000.0) -> Tensor:
    """Sines, then cosines, of `scale * time` at frequencies falling geometrically from 1 to 1/period.

    The position code of Vaswani et al. (2017) as Ho et al. (2020) apply it to the time step, and with
    dim = 16 the one of K's demonstration. An odd `dim` leaves out the slowest cosine.

    Args:
        time: shape (B,), t / T in [0, 1].
        dim: number of features, at least 1.
        scale: what time is multiplied by, so that 1000 gives the integers 1..1000 when T = 1000.
        period: 2 pi times this is the longest wavelength, in units of `scale * time`.

    Returns:
        Shape (B, dim), in [-1, 1], in float32, or float64 where time is.

    Raises:
        ValueError: if dim is below 1.

    >>> sinusoidal(torch.tensor([0.0, 1.0]), 4, scale=1.0, period=1.0)
    tensor([[0.0000, 0.0000, 1.0000, 1.0000],
            [0.8415, 0.8415, 0.5403, 0.5403]])
    """
    if dim < 1:
        raise ValueError(f"the time embedding needs at least 1 feature, not {dim}")
    count = (dim + 1) // 2
    # bfloat16 cannot tell neighbouring times apart, so angles are never computed in it.
    time = time.to(torch.promote_types(time.dtype, torch.float32))
    steps = torch.arange(count, device=time.device, dtype=time.dtype)
    angles = scale * time[:, None] * torch.exp(-math.log(period) / max(count - 1, 1) * steps)
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]


class Fourier(nn.Module):
    """Sines and cosines of fixed random projections of the input (Rahimi and Recht 2007, Tancik et al. 2020).

    They let a small network follow a sharp curve that it would otherwise smooth over. The projections are
    drawn once, normal with standard deviation `scale`, and are kept with the weights.

    Args:
        dim: number of input features.
        count: number of projections; 0 gives no features at all.
        scale: angular frequency, in radians per unit of the input.

    Shapes: (B, dim) -> (B, 2 count), in [-1, 1].

    >>> Fourier(2, 8)(torch.zeros(3, 2)).shape
    torch.Size([3, 16])
    """

    frequencies: Tensor

    def __init__(self, dim: int, count: int, scale: float = 2.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(dim, count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim) -> (B, 2 count)."""
        kind = x.device.type
        exactly = torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
        with exactly:  # half precision would lose the angles
            exact = torch.promote_types(x.dtype, torch.float32)
            angles = x.to(exact) @ self.frequencies.to(exact)
        return torch.cat([angles.sin(), angles.cos()], dim=1).to(x.dtype)


class Labels(nn.Module):
    """One learned vector for each class, and one more, row `classes`, for "no label".

    The extra row is what classifier-free guidance (Ho and Salimans 2022) calls the null token: training
    replaces some labels by the number `classes`, and label None means the same. With classes = 0 there is
    nothing to learn and every label is ignored.

    Shapes: label (B,) int64 in 0..classes, or None -> (B, dim), or the number 0.0 when there are no classes.

    >>> labels = Labels(10, 4)
    >>> bool((labels(None, 2) == labels(torch.tensor([10, 10]), 2)).all())
    True
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        if classes < 0:
            raise ValueError(f"the number of classes cannot be negative: {classes}")
        self.classes = classes
        self.table = nn.Embedding(classes + 1, dim) if classes else None

    def forward(self, label: Tensor | None, batch: int) -> Tensor | float:
        """Label (B,) or None, and the batch size B -> (B, dim)."""
        if self.table is None:
            return 0.0
        if label is None:
            label = torch.full((batch,), self.classes, device=self.table.weight.device)
        return self.table(label)


class Condition(nn.Module):
    """Time and label as one vector: a two-layer network of the time's sinusoids plus the label's vector.

    Args:
        features: number of sinusoids.
        dim: length of the result.
        classes: number of classes, 0 for none.
        time_scale: what t / T is multiplied by before its sines are taken.

    Shapes: time (B,), label (B,) or None -> (B, dim), already through a SiLU.

    >>> Condition(16, 32, classes=3)(torch.rand(5), torch.tensor([0, 1, 2, 3, 3])).shape
    torch.Size([5, 32])
    """

    def __init__(self, features: int, dim: int, *, classes: int = 0, time_scale: float = 1000.0) -> None:
        super().__init__()
        self.features, self.time_scale = features, time_scale
        self.inner, self.outer = nn.Linear(features, dim), nn.Linear(dim, dim)
        self.labels = Labels(classes, dim)

    def forward(self, time: Tensor, label: Tensor | None = None) -> Tensor:
        """Time (B,) and label (B,) or None -> (B, dim)."""
        waves = sinusoidal(time, self.features, scale=self.time_scale).to(self.inner.weight.dtype)
        return F.silu(self.outer(F.silu(self.inner(waves))) + self.labels(label, len(time)))


def join(x: Tensor, extra: Tensor | None, channels: int) -> Tensor:
    """Put the extra channels that a network was built for behind x, along dimension 1.

    Args:
        x: shape (B, C, ...).
        extra: shape (B, channels, ...), or None when channels = 0.
        channels: how many the network was built with.

    Raises:
        ValueError: if extra is missing, not expected, or has another number of channels.

    >>> join(torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8), 1).shape
    torch.Size([2, 4, 8, 8])
    """
    given = 0 if extra is None else extra.shape[1]
    if given != channels:
        raise ValueError(f"this network was built with extra_channels={channels}, but extra has {given}")
    return x if extra is None else torch.cat([x, extra.to(x.dtype)], dim=1)
