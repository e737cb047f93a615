"""Whether samples are copies of training pictures, calibrated by how near held-out pictures come to them (H section 7).

A sample's nearest training picture is sought among all, shifted by a pixel or mirrored; two numbers say how near it is.
What is near enough to be a copy is not for us to say: the nearest 1 in 2,000 of the held-out pictures say it.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fromnoise.data import Dataset
from fromnoise.evaluation.estimate import Estimate

FREQUENCIES = 8
"""Of a picture's spectrum, along each axis, by which candidates are found."""
CANDIDATES = 16
RARE = 1 / 2000
"""The share of held-out pictures that are called copies."""
ROWS, BUDGET = 500, 2_500_000
"""Pictures at once: at most so many, and so many numbers, of which some fifty copies are made."""


@dataclass(frozen=True)
class Near:
    """How near n pictures come to the training pictures.

    nearest    the training picture that is nearest, (n,) int64
    distance   that of the pixels, |x - y|, at the best shift and mirroring, (n,)
    relative   the same over its mean to the other candidates, (n,): small where one is nearer than all others
    """

    nearest: Tensor
    distance: Tensor
    relative: Tensor

    def rows(self, chosen: Tensor) -> Near:
        """Those of some pictures only, by their numbers or a mask."""
        return Near(self.nearest[chosen], self.distance[chosen], self.relative[chosen])

    @classmethod
    def together(cls, parts: Sequence[Near]) -> Near:
        """Those of several sets of pictures, one after another."""
        fields = ([getattr(part, name) for part in parts] for name in ("nearest", "distance", "relative"))
        return cls(*(torch.cat(values) for values in fields))


class Training:
    """Training pictures (C, H, W), or rows of numbers, made ready to be searched.

    Candidates are those whose spectra |F(u, v)| + |F(u, -v)| are nearest, which no shift and no mirroring changes;
    the pixels of sixteen are then compared at all shifts by up to a pixel and all mirrorings. Rows of numbers are
    compared as they are. Of pictures that are there several times the first alone is searched: all candidates would
    be the same one, and none nearer than the others. Only the spectra are kept in memory. Raises ValueError for fewer
    than 2 different ones.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), np.uint8)
    >>> rows[..., -2:] = 0  # a plain border, so that nothing is lost when it moves
    >>> data = Dataset("images", (1, 8, 8), rows)
    >>> near = Training(data).near(data.batch([7]).roll(1, -1).flip(-2))
    >>> near.nearest.tolist(), bool(near.distance < 0.01)
    ([7], True)
    """

    def __init__(self, data: Dataset):
        self.data, self.pictures = data, data.kind == "images"
        self.rows = max(1, min(ROWS, BUDGET // math.prod(data.shape)))
        self.distinct, self.place = _distinct(data)
        if len(self.distinct) < 2:
            raise ValueError(f"at least 2 different training pictures are searched, not {len(self.distinct)}")
        parts = self.distinct.split(ROWS)
        self.described = torch.cat([self._described(data.batch(part.numpy())) for part in parts])
        self.squares = self.described.square().sum(1)

    def near(self, pictures: Tensor, but: Tensor | None = None) -> Near:
        """The nearest training picture of each of n pictures (n, *shape), other than number `but` (n,) and its like.

        Raises ValueError for another shape.
        """
        if tuple(pictures.shape[1:]) != tuple(self.data.shape):
            raise ValueError(f"training has shape {tuple(self.data.shape)}, not {tuple(pictures.shape[1:])}")
        parts = torch.arange(len(pictures)).split(self.rows)
        return Near.together([self._near(pictures[part], None if but is None else but[part]) for part in parts])

    def _near(self, pictures: Tensor, but: Tensor | None) -> Near:
        found = self._candidates(pictures, but)
        fetched = self.data.batch(found.flatten().numpy()).flatten(1).unflatten(0, found.shape)
        moved = _moved(pictures) if self.pictures else pictures.float().flatten(1)[:, None]
        apart = torch.cdist(fetched, moved).amin(2)  # (n, candidates)
        best, others = apart.min(1), apart.sum(1)
        mean = (others - best.values) / max(1, apart.shape[1] - 1)
        relative = best.values / mean.clamp_min(torch.finfo(mean.dtype).tiny)
        return Near(found.gather(1, best.indices[:, None])[:, 0], best.values, relative)

    def _candidates(self, pictures: Tensor, but: Tensor | None) -> Tensor:
        """Numbers of the training pictures whose spectra are nearest, (n, candidates)."""
        apart = self.squares - 2 * self._described(pictures) @ self.described.T  # but for what is the same for all
        if but is not None:
            apart.scatter_(1, self.place[but][:, None], torch.inf)
        most = min(CANDIDATES, len(self.distinct) - (but is not None))
        return self.distinct[apart.topk(most, largest=False).indices]

    def _described(self, pictures: Tensor) -> Tensor:
        return _spectrum(pictures) if self.pictures else pictures.float().flatten(1)


@dataclass(frozen=True)
class Copies:
    """Which of n samples are copies, and how many of n held-out pictures would be called so.

    near       of the samples
    held_out   of the held-out pictures
    ends       the distance and the relative distance up to which a sample is a copy
    copied     (n,) bool
    rare       the share of the held-out pictures that are as near
    expected   how many copies there would be among n held-out pictures, with the interval of that number
    p          the probability that n held-out pictures have as many or more
    """

    near: Near
    held_out: Near
    ends: tuple[float, float]
    copied: Tensor
    rare: float
    expected: Estimate
    p: float

    @property
    def count(self) -> int:
        """How many samples are copies."""
        return int(self.copied.sum())

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        n, expected, memorised = len(self.copied), self.expected.value, self.p < 0.01
        if memorised:
            are = "is a copy" if self.count == 1 else "are copies"
        else:
            are = "looks like a copy" if self.count == 1 else "look like copies"
        many = f"{expected:,.0f}" if expected >= 10 else f"{expected:.2g}"
        said = f"{self.count:,} of {n:,} samples {are} of training data; held-out data would give {many}"
        return f"{said}: {'memorised' if memorised else 'no sign of memorisation'}"


def copies(samples: Near, held_out: Near, *, rare: float = RARE, level: float = 0.95) -> Copies:
    """The samples that are nearer to a training picture than all but the nearest `rare` of the held-out pictures.

    Either distance or relative distance counts, each with half of `rare`, or with one picture where there are few. If
    samples were fresh pictures like the held-out ones, all n + m of them would be in random order: so many of n being
    as near as the nearest j of m has a beta-binomial law, of which `expected` and its interval are. Raises ValueError
    for a share outside (0, 1) or no held-out pictures.

    >>> line = Near(torch.zeros(1000).long(), torch.arange(1.0, 1001), torch.arange(1.0, 1001) / 1000)
    >>> fake = Near(torch.zeros(100).long(), torch.full((100,), 500.0), torch.full((100,), 0.5))
    >>> fake.distance[:3] = 0
    >>> found = copies(fake, line)
    >>> found.count, found.p < 0.01, found.verdict[:52]
    (3, True, '3 of 100 samples are copies of training data; held-o')
    """
    from scipy.stats import betabinom

    m, n = len(held_out.distance), len(samples.distance)
    if not 0 < rare < 1 or m < 1:
        raise ValueError(f"rare is a share of at least one held-out picture, got {rare} of {m}")
    place = max(1, round(rare * m / 2))
    ends = float(held_out.distance.kthvalue(place).values), float(held_out.relative.kthvalue(place).values)

    def within(near: Near) -> Tensor:
        return (near.distance <= ends[0]) | (near.relative <= ends[1])

    copied, j = within(samples), int(within(held_out).sum())
    law = betabinom(n, j, m + 1 - j)
    low, high = (float(law.ppf(q)) for q in ((1 - level) / 2, (1 + level) / 2))
    expected = Estimate(float(law.mean()), low, high, level)
    p = float(law.pmf(np.arange(int(copied.sum()), n + 1)).sum())  # sf is 1 - cdf, and loses what is small
    return Copies(samples, held_out, ends, copied, j / m, expected, min(1.0, p))


def _distinct(data: Dataset) -> tuple[Tensor, Tensor]:
    """The numbers of the rows that no earlier one equals, and of every row the place among these of its like."""
    known: dict[bytes, int] = {}
    first: list[int] = []
    place: list[int] = []
    for start in range(0, len(data), ROWS):
        for k, row in enumerate(data.batch(range(start, min(start + ROWS, len(data)))).numpy(), start):
            key = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
            if key not in known:
                known[key] = len(first)
                first.append(k)
            place.append(known[key])
    return torch.tensor(first), torch.tensor(place)


def _spectrum(pictures: Tensor) -> Tensor:
    """What neither a shift nor a mirroring changes, (n, features)."""
    size = torch.fft.rfft2(pictures.float(), norm="ortho").abs()
    most = min(FREQUENCIES, pictures.shape[2] // 2 + 1, size.shape[3])
    size = size[..., :most]
    up, down = size[:, :, :most], torch.cat([size[:, :, :1], size.flip(2)[:, :, : most - 1]], 2)
    return (up + down).flatten(1)


def _moved(pictures: Tensor) -> Tensor:
    """All shifts by up to a pixel of all mirrorings, (n, 36, pixels)."""
    height, width = pictures.shape[2:]
    flips = [pictures.flip(axes) if axes else pictures for axes in ((), (-1,), (-2,), (-2, -1))]
    wide = [F.pad(one.float(), (1, 1, 1, 1), mode="replicate") for one in flips]
    places = itertools.product(wide, range(3), range(3))
    return torch.stack([one[..., i : i + height, j : j + width].flatten(1) for one, i, j in places], 1)
