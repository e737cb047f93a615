"""Whether draws of a conditional law are those of the law: ranks, intervals and a proper score."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def ranks(draws: Tensor, truth: Tensor) -> Tensor:
    """How many of n draws (n, B, d) lie below each true number (B, d): uniform on 0 ... n if both have one law.

    That is simulation-based calibration (Talts et al. 2018): the truth and its draws are alike given the same data.
    Raises ValueError for shapes that do not fit.

    >>> ranks(torch.tensor([[[1.0]], [[2.0]], [[3.0]]]), torch.tensor([[2.5]])).tolist()
    [[2]]
    """
    if draws.shape[1:] != truth.shape:
        raise ValueError(f"n draws of each of {tuple(truth.shape)} numbers are (n, *that), got {tuple(draws.shape)}")
    return (draws < truth).sum(0)


def uniform(ranks: Tensor, n: int, bins: int = 20) -> np.ndarray:
    """The p-values of Pearson's test that ranks (B, d) among n draws are uniform on 0 ... n, one a column, (d,).

    Raises ValueError where the n + 1 ranks do not divide into the bins.

    >>> uniform(torch.arange(100)[:, None], 99).tolist()
    [1.0]
    """
    from scipy.stats import chisquare

    if (n + 1) % bins:
        raise ValueError(f"{n + 1} ranks do not divide into {bins} bins: take {bins * ((n + 1) // bins + 1) - 1} draws")
    counts = [np.bincount(column.numpy() * bins // (n + 1), minlength=bins) for column in ranks.T]
    return np.array([chisquare(count).pvalue for count in counts])


def covered(draws: Tensor, truth: Tensor, level: float = 0.9) -> Tensor:
    """The share of true numbers (B, d) within the central interval of n draws (n, B, d), (d,).

    Its ends are the draws of the places p (n + 1) in their order: a number of the same law lies below the k-th of n
    draws with probability k / (n + 1). Where the places are whole numbers, as those of 90 % are with 19, 39, 99 or 199
    draws, the interval covers `level` exactly, however few they are; between them it covers up to 1 % too much. Raises
    ValueError for a level outside (0, 1), and where n is too small to have such ends.

    >>> covered(torch.linspace(0, 1, 101)[:, None, None], torch.tensor([[0.5]])).tolist()
    [1.0]
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    n, tail = len(draws), (1 - level) / 2
    place = tail * (n + 1) - 1
    if place < -1e-9:
        raise ValueError(f"an interval of {level:.4g} takes at least {math.ceil(1 / tail - 1e-9) - 1} draws, got {n}")
    at = max(place, 0.0) / (n - 1)
    low, high = draws.quantile(at, 0), draws.quantile(1 - at, 0)
    return ((truth >= low) & (truth <= high)).double().mean(0)


def energy_score(draws: Tensor, truth: Tensor) -> Tensor:
    """E‖X − y‖ − E‖X − X'‖ / 2 of n draws (n, B, d) for each truth (B, d), (B,), without bias: the lower the better.

    A proper score: on average no law has a lower one than that of the truth (Gneiting & Raftery 2007). Raises
    ValueError for fewer than 2 draws.

    >>> energy_score(torch.tensor([[[0.0]], [[2.0]]]), torch.tensor([[0.0]])).tolist()
    [0.0]
    """
    n = len(draws)
    if n < 2:
        raise ValueError(f"the energy score takes at least 2 draws, got {n}")
    draws = draws - truth
    apart, how = draws.norm(dim=-1).mean(0), "donot_use_mm_for_euclid_dist"  # products lose digits of near points
    among = torch.stack([torch.cdist(some, some, compute_mode=how).sum() for some in draws.transpose(0, 1)])
    return apart - among / (n * (n - 1)) / 2
