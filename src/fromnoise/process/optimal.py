"""The optimal variance of the reverse chain for a denoiser that has none of its own, measured once on data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fromnoise.process.denoiser import Denoised, Denoiser
from fromnoise.process.kernels import Randn
from fromnoise.process.levels import Level, Schedule, at


def analytic_variance(
    denoise: Denoiser, schedule: Schedule, x_0: Tensor, times: Tensor, randn: Randn = torch.randn_like
) -> Callable[[Level], Tensor]:
    """level -> the mean of Var[x_0|x_t] over samples and elements, (sigma² / alpha²) (1 − E|eps|² / d).

    After Bao et al. (2022). Measured at each of `times` (k,), rising, on data x_0 (n, ...), and between them linear in
    lam; never below 0 nor above what is so for N(0, I). It is what the denoiser itself says: for a network, the
    variance that its own means imply. Raises ValueError for times that do not rise.

    >>> from fromnoise.process import GaussianMixture, linear
    >>> law = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    >>> x_0 = law.sample(4000, torch.Generator().manual_seed(0))
    >>> var = analytic_variance(law, linear(1000), x_0, torch.tensor([100.0, 500.0]))
    >>> n = at(linear(1000), 100)
    >>> bool((var(n) / n.sigma**2 - 1).abs() < 0.1)
    True
    """
    if not bool((times.diff() > 0).all()):
        raise ValueError("times must rise")
    lams, found = [], []
    with torch.no_grad():
        for t in times.tolist():
            n = at(schedule, t)
            x_t = n.alpha * x_0 + n.sigma * randn(x_0)
            eps = (x_t - n.alpha * denoise(x_t, n).mean) / n.sigma
            lams.append(float(n.lam))
            found.append(float(1 - eps.double().square().mean()))
    # The share that is left of sigma² / alpha² changes slowly with lam; lam falls as the times rise.
    places, shares = torch.tensor(lams[::-1]).double(), torch.tensor(found[::-1]).double()

    def variance(n: Level) -> Tensor:
        lam = n.lam.cpu().double()
        k = torch.searchsorted(places, lam.contiguous()).clamp(1, max(1, len(places) - 1))
        if len(places) == 1:
            share = shares[0].expand_as(lam)
        else:
            inside = ((lam - places[k - 1]) / (places[k] - places[k - 1])).clamp(0, 1)
            share = shares[k - 1] + inside * (shares[k] - shares[k - 1])
        most = n.sigma**2 / (n.alpha**2 + n.sigma**2)
        return torch.minimum(share.clamp_min(0).to(n.sigma) * (n.sigma / n.alpha) ** 2, most)

    return variance


def with_variance(denoise: Denoiser, variance: Callable[[Level], Tensor]) -> Denoiser:
    """The same denoiser, its Var[x_0|x_t] by level.

    >>> from fromnoise.process import linear
    >>> sure = with_variance(lambda x, n: Denoised(x), lambda n: 0 * n.sigma + 0.5)
    >>> sure(torch.zeros(2, 1), at(linear(10), 5)).var
    tensor([[0.5000],
            [0.5000]])
    """

    def wider(x: Tensor, n: Level) -> Denoised:
        return Denoised(denoise(x, n).mean, variance(n).to(x).expand_as(x))

    return wider
