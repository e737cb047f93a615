"""How likely a model holds data to be: the bound of its chain, term by term, and the density of its ODE."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.process import (
    VARIANCES,
    Denoised,
    Denoiser,
    Level,
    at,
    bin_log_prob,
    bound_term,
    diffuse,
    exact_divergence,
    flow_log_prob,
    gaussian_log_prob,
    hutchinson,
    is_discrete,
    prior_term,
)
from fromnoise.process.levels import CLEAN

WIDTH = 2 / 255
"""Between two of the 256 values of 8-bit data in [-1, 1]."""
EXACT = 16
"""Up to so many dimensions the divergence of the ODE is computed, above it is estimated."""


@dataclass(frozen=True)
class Bound:
    """The variational bound on −log p of the chain, in nats (K 10, 11).

    total    of each sample, (n,): L_T + Σ L_{t−1} + L_0
    prior    L_T of each sample, (n,)
    home     L_0 of each sample, (n,): −log of the mass of its bins for images, of its density else
    times    the times t of the terms L_{t−1} that were drawn, their mean over the samples, (k,)
    terms    their means over the samples, (k,)
    errors   the standard errors of those means, (k,)
    """

    total: Tensor
    prior: Tensor
    home: Tensor
    times: Tensor
    terms: Tensor
    errors: Tensor


@dataclass(frozen=True)
class FlowDensity:
    """−log p of the probability-flow ODE, in nats.

    total    of each sample, (n,); of images, with uniform noise of one bin's width added (dequantised), −log of the
             density times a bin's volume: what is comparable with the bound
    errors   its standard error by the probes of the divergence, (n,); zeros where that is exact
    """

    total: Tensor
    errors: Tensor


def bound(
    model: Model,
    x_0: Tensor,
    labels: Tensor | None = None,
    *,
    terms: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Bound:
    """The bound of each of n samples x_0 (n, *shape), as the model sees them, under the model's chain of T steps.

    σ_t² is as the model samples; where it has no variance at t = 1, L_0 takes that of β_1, since σ_q(1) = 0 makes it
    infinite. Of the T − 1 terms L_{t−1}, `terms` are drawn, one a stratum and another for each sample, and weighted:
    the sum is unbiased. Strata are narrow at small t, where terms are large. Images are counted in their 8-bit values.
    Raises UserError for a schedule without whole steps and a model that was distilled, and ValueError for terms < 1.

    >>> import fromnoise as fn
    >>> found = bound(fn.load("swissroll"), torch.zeros(4, 2), terms=5)
    >>> found.total.shape, found.times.shape
    (torch.Size([4]), torch.Size([5]))
    """
    _check(model)
    if not is_discrete(model.schedule):
        raise UserError("the bound is that of a chain of whole steps; this schedule has none: ask for the flow alone")
    if terms < 1:
        raise ValueError(f"at least one term must be drawn, got {terms}")
    x_0, labels = x_0.to(model.device), None if labels is None else labels.to(model.device)
    denoise, schedule = model.denoiser(labels), model.schedule
    generator = torch.Generator().manual_seed(seed)
    draws = np.random.default_rng(seed)
    strata = 2 + (schedule.T - 1) * np.linspace(0, 1, terms + 1) ** 3

    def randn(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like)

    prior, found, times = prior_term(x_0, at(schedule, schedule.T)), [], []
    total = prior.clone()
    with torch.no_grad():
        home = _home(denoise, model, x_0, randn)
        for i, (first, end) in enumerate(pairwise(strata) if schedule.T > 1 else ()):
            t = torch.as_tensor(np.floor(first + draws.random(len(x_0)) * (end - first)))
            # Edges cut through whole times: the floor of a uniform number gives each its share of the stratum.
            n, s = at(schedule, t, x_0), at(schedule, t - 1, x_0)
            x_t = diffuse(x_0, CLEAN, n, randn)
            term = bound_term(x_0, x_t, denoise(x_t, n), n, s)
            total = total + (end - first) * term
            found.append((float(term.mean()), float(term.std(correction=0)) / len(x_0) ** 0.5))
            times.append(float(t.mean()))
            progress(i + 1, len(strata) - 1)
    means, errors = torch.tensor(found, dtype=torch.float64).reshape(-1, 2).T
    return Bound((total + home).cpu(), prior.cpu(), home.cpu(), torch.tensor(times), means, errors)


def _home(denoise: Denoiser, model: Model, x_0: Tensor, randn: Callable[[Tensor], Tensor]) -> Tensor:
    """L_0 at a draw of x_1."""
    n = at(model.schedule, torch.ones(len(x_0)), x_0)
    mean, var = denoise(diffuse(x_0, CLEAN, n, randn), n)
    var = VARIANCES["large"](n).expand_as(mean) if var is None else var
    if model.facts.kind == "images":
        return -bin_log_prob(x_0, mean, var.sqrt(), WIDTH)
    return -gaussian_log_prob(x_0, mean, var.sqrt())


def flow(
    model: Model,
    x_0: Tensor,
    labels: Tensor | None = None,
    *,
    steps: int = 60,
    probes: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FlowDensity:
    """−log p of each of n samples x_0 (n, *shape), as the model sees them, under the model's probability-flow ODE.

    The ODE ends at the schedule's first level (time 1 of a table, 0.001 else), where x = alpha x_0: the network knows
    nothing below, so noise of that level counts as part of the data. `steps` Runge–Kutta steps, evenly in lam, of four
    calls each. Up to 16 dimensions the divergence is exact. Above it is estimated by
    `probes` vectors of random signs a sample, whose spread gives the errors where there are two or more. Images are
    dequantised: uniform noise of one bin's width is added (Song et al. 2021). Raises UserError for a distilled model.

    >>> import fromnoise as fn
    >>> found = flow(fn.load("swissroll"), torch.zeros(4, 2), steps=4)
    >>> found.total.shape, float(found.errors.max())
    (torch.Size([4]), 0.0)
    """
    _check(model)
    generator = torch.Generator().manual_seed(seed)
    if model.facts.kind == "images":
        x_0 = x_0 + WIDTH * (torch.rand(x_0.shape, generator=generator).to(x_0) - 0.5)
    levels, exact = rising(model, steps), x_0[0].numel() <= EXACT
    volume = float(levels[0].alpha.log()) + (math.log(WIDTH) if model.facts.kind == "images" else 0.0)
    count, size = 1 if exact else probes, model.config.sample.batch
    calls, total = 0, 4 * (len(levels) - 1) * count * math.ceil(len(x_0) / size)

    def counted(denoise: Denoiser) -> Denoiser:
        def call(x: Tensor, n: Level) -> Denoised:
            nonlocal calls
            calls += 1
            progress(calls, total)
            return denoise(x, n)

        return call

    parts = []
    for first in range(0, len(x_0), size):  # each with its own graph, or memory would grow with n
        some = x_0[first : first + size].to(model.device)
        denoise = counted(model.denoiser(None if labels is None else labels[first : first + size].to(model.device)))
        found = []
        for _ in range(count):
            signs = (torch.randint(0, 2, some.shape, generator=generator) * 2 - 1).to(some)
            divergence = exact_divergence if exact else hutchinson(signs)
            log_p = flow_log_prob(denoise, model.schedule, levels[0].alpha * some, levels, divergence)
            found.append(-log_p.cpu() - volume * some[0].numel())
        parts.append(torch.stack(found))
    totals = torch.cat(parts, 1)
    spread = totals.std(0) / count**0.5 if count > 1 else torch.zeros_like(totals[0])
    return FlowDensity(totals.mean(0), spread)


def _check(model: Model) -> None:
    if model.facts.given:
        raise UserError("the likelihood of samples that are drawn given something is not measured yet")
    if model.config.distil.teacher:
        raise UserError(
            f"a distilled model is no denoiser between the levels of its own steps: ask {model.config.distil.teacher}"
        )


def rising(model: Model, steps: int) -> list[Level]:
    """The levels from the first to the noisiest in `steps` steps even in lam; the last goes on from about lam = −9."""
    schedule = model.schedule
    first = at(schedule, 1.0 if is_discrete(schedule) else 1e-3)
    lams = torch.linspace(
        float(first.lam), max(float(at(schedule, schedule.T).lam), -9.0), steps + 1, dtype=torch.float64
    )
    inner = schedule.time(lams[1:-1]).clamp(0, schedule.T).tolist()
    return [at(schedule, t) for t in (float(first.t), *inner, float(schedule.T))]


def bits(nats: Tensor, model: Model) -> Tensor:
    """Nats a sample as bits a dimension.

    >>> import fromnoise as fn
    >>> bits(torch.tensor([2.0]), fn.load("swissroll"))
    tensor([1.4427])
    """
    return nats / (math.prod(model.facts.shape) * math.log(2))
