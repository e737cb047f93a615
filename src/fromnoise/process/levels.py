"""Noise levels and the schedules that make them: x_t = alpha_t x_0 + sigma_t eps (K 6, H 3.8)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Level(NamedTuple):
    """A noise level of x_t = alpha x_0 + sigma eps, already broadcast against x_t.

    `t` is the schedule's clock, in [0, T]; only the network reads it. `alpha` and `sigma` are the signal
    and noise scales. They are made once, by `at`; nothing else reshapes them.

    >>> level = Level(torch.tensor(0.0), torch.tensor(1.0), torch.tensor(0.0))
    >>> level.lam.item()
    inf
    """

    t: Tensor
    alpha: Tensor
    sigma: Tensor

    @property
    def lam(self) -> Tensor:
        """Half the log signal-to-noise ratio, log(alpha / sigma): the solvers' coordinate."""
        return self.alpha.log() - self.sigma.log()

    @property
    def nu(self) -> Tensor:
        """Noise over signal, sigma / alpha."""
        return self.sigma / self.alpha

    @property
    def snr(self) -> Tensor:
        """The signal-to-noise ratio alpha² / sigma²."""
        return (self.alpha / self.sigma) ** 2


def is_discrete(schedule: Schedule) -> bool:
    """Whether a schedule is a table of whole steps rather than a curve in continuous time.

    >>> is_discrete(linear(1)), is_discrete(Flow())
    (True, False)
    """
    return isinstance(schedule, Discrete)


CLEAN = Level(torch.tensor(0.0).double(), torch.tensor(1.0).double(), torch.tensor(0.0).double())
"""The level without noise: t = 0, alpha = 1, sigma = 0."""


class Schedule(Protocol):
    """What every schedule offers; `T` is the number of steps, or 1 in continuous time."""

    @property
    def T(self) -> float: ...

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma at times t in [0, T], float64, of t's shape."""
        ...

    def time(self, lam: Tensor) -> Tensor:
        """The time at which log(alpha / sigma) is lam: the inverse of the schedule."""
        ...

    def times(self, u: Tensor) -> Tensor:
        """Training times from uniform numbers u in [0, 1)."""
        ...


def at(schedule: Schedule, t: Tensor | float, x: Tensor | None = None) -> Level:
    """The level of `schedule` at time t, ready to multiply samples like x.

    A single time gives scalars in float64: torch keeps x's dtype when a scalar meets x, so nothing is lost
    and nothing is promoted. A batch of times, shape (B,), gives (B, 1, ..., 1) in x's dtype and device.

    Raises ValueError for times outside [0, T] and for a batch of times without x.

    >>> x = torch.zeros(3, 2)
    >>> at(linear(1000), torch.tensor([1, 500, 1000]), x).alpha.shape
    torch.Size([3, 1])
    """
    t = torch.as_tensor(t, dtype=torch.float64, device="cpu")  # the tables live there
    if not bool(((t >= 0) & (t <= schedule.T)).all()):
        raise ValueError(f"times must lie in [0, {schedule.T:g}], got {t.min():g} ... {t.max():g}")
    alpha, sigma = schedule(t)
    if t.ndim == 0:
        return Level(t, alpha, sigma)
    if x is None:
        raise ValueError("a batch of times needs the batch of samples that it belongs to: at(schedule, t, x)")
    shape = (len(t),) + (1,) * (x.ndim - 1)
    return Level(t.to(x), alpha.to(x).reshape(shape), sigma.to(x).reshape(shape))


class Discrete:
    """A table of T steps: `beta[t]` and `alpha_bar[t]` are the papers' β_t and ᾱ_t (K 3–7, H 3.2–3.9).

    The tables have T + 1 float64 entries, beta[0] = 0 and alpha_bar[0] = 1, so nothing is shifted by one.
    Between integers of [1, T] lambda is linear in t; on [0, 1], where lambda is infinite at 0, sigma² is.

    Raises ValueError unless beta is a non-empty row of numbers in (0, 1): β = 0 adds no noise (β_1 = 0
    would divide by zero in H 4.3) and β = 1 leaves no signal.

    >>> schedule = Discrete([0.1, 0.2])
    >>> schedule.alpha_bar
    tensor([1.0000, 0.9000, 0.7200], dtype=torch.float64)
    """

    def __init__(self, beta: Tensor | Sequence[float]):
        beta = torch.as_tensor(beta, dtype=torch.float64)
        if beta.ndim != 1 or len(beta) == 0 or not bool(((beta > 0) & (beta < 1)).all()):
            raise ValueError("beta must be a non-empty row of numbers strictly between 0 and 1")
        self.T = len(beta)
        self.beta = torch.cat([beta.new_zeros(1), beta])
        log_alpha_bar = torch.cumsum(torch.log1p(-self.beta), 0)
        self.alpha_bar = log_alpha_bar.exp()
        self.lam = 0.5 * (log_alpha_bar - (-torch.expm1(log_alpha_bar)).log())

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        # k is the segment [k, k + 1) that holds t, the last one closed, so that jvp sees one-sided slopes.
        k = t.detach().floor().long().clamp(0, self.T - 1)
        start = self.lam[k.clamp(min=min(1, self.T))]  # lam[0] is infinite; segment 0 does not use it
        lam = start + (t - k) * (self.lam[k + 1] - start)
        first = t.clamp(max=1.0) * self.beta[1]
        var = torch.where(k == 0, first, torch.sigmoid(-2 * lam))
        alpha_bar = torch.where(k == 0, 1 - first, torch.sigmoid(2 * lam))
        return alpha_bar.sqrt(), var.sqrt()

    def time(self, lam: Tensor) -> Tensor:
        lam = torch.as_tensor(lam, dtype=torch.float64)
        if self.T == 1:
            return torch.sigmoid(-2 * lam) / self.beta[1]
        falling = -self.lam[1:]
        k = torch.searchsorted(falling, -lam).clamp(1, self.T - 1)  # lam lies between levels k and k + 1
        inside = k + (lam - self.lam[k]) / (self.lam[k + 1] - self.lam[k])
        return torch.where(lam > self.lam[1], torch.sigmoid(-2 * lam) / self.beta[1], inside)

    def times(self, u: Tensor) -> Tensor:
        """U{1, ..., T}, as in Algorithm 1 of both papers."""
        return (u.double() * self.T).floor().clamp(max=self.T - 1) + 1


def linear(T: int = 1000, first: float = 1e-4, last: float = 0.02) -> Discrete:
    """β from `first` to `last` in T equal steps (Ho et al. 2020; H section 3).

    >>> linear(1000).beta[[1, 1000]]
    tensor([0.0001, 0.0200], dtype=torch.float64)
    """
    return Discrete(torch.linspace(first, last, _steps(T), dtype=torch.float64))


def linear_scaled(T: int = 40, first: float = 1e-4, last: float = 0.02) -> Discrete:
    """The linear schedule times 1000 / T, so that ᾱ_T is about the same for every T (K's demonstration).

    >>> linear_scaled(40).beta[[1, 40]]
    tensor([0.0025, 0.5000], dtype=torch.float64)
    """
    if last * 1000 / _steps(T) >= 1:
        raise ValueError(f"linear-scaled needs T above {1000 * last:g}: last * 1000 / T must stay below 1, got T = {T}")
    return linear(T, first * 1000 / T, last * 1000 / T)


def cosine(T: int = 1000, s: float = 0.008, largest: float = 0.999) -> Discrete:
    """ᾱ(t) = cos²((t/T + s) / (1 + s) · π/2), normalised, each β at most `largest` (Nichol & Dhariwal 2021).

    >>> round(cosine(1000).alpha_bar[500].item(), 3)
    0.494
    """
    t = torch.arange(_steps(T) + 1, dtype=torch.float64) / T
    return _from_alpha_bar(torch.cos((t + s) / (1 + s) * math.pi / 2) ** 2, largest)


def sigmoid(T: int = 1000, start: float = -3.0, end: float = 3.0, tau: float = 1.0, largest: float = 0.999) -> Discrete:
    """ᾱ falls like a sigmoid of (start ... end) / tau, from 1 to 0 (Jabri et al. 2022).

    >>> round(sigmoid(1000).alpha_bar[500].item(), 3)
    0.5
    """
    t = torch.arange(_steps(T) + 1, dtype=torch.float64) / T
    height = torch.sigmoid((start + t * (end - start)) / tau)
    return _from_alpha_bar(height[-1] - height, largest)


def table(betas: Sequence[float]) -> Discrete:
    """Any row of betas, each in (0, 1).

    >>> table([0.1, 0.2, 0.3]).T
    3
    """
    return Discrete(torch.tensor(list(betas), dtype=torch.float64))


def _from_alpha_bar(alpha_bar: Tensor, largest: float) -> Discrete:
    return Discrete((1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=largest))


def _steps(T: int) -> int:
    if int(T) != T or T < 1:
        raise ValueError(f"T must be a whole number of steps, at least 1, got {T}")
    return int(T)


class VP:
    """The variance-preserving SDE in continuous time, β(t) = beta_min + t (beta_max − beta_min) on [0, 1].

    log alpha = −t² (beta_max − beta_min)/4 − t beta_min/2 (Song et al. 2021, appendix C).

    >>> alpha, sigma = VP()(torch.tensor(0.5))
    >>> bool((alpha**2 + sigma**2 - 1).abs() < 1e-12)
    True
    """

    T = 1.0

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0):
        if not 0 < beta_min <= beta_max:
            raise ValueError(f"VP needs 0 < beta_min <= beta_max, got {beta_min} and {beta_max}")
        self.beta_min, self.beta_max = beta_min, beta_max

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        t = t.double()
        log_alpha = -0.25 * t**2 * (self.beta_max - self.beta_min) - 0.5 * t * self.beta_min
        return log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()

    def time(self, lam: Tensor) -> Tensor:
        q = softplus(-2 * torch.as_tensor(lam, dtype=torch.float64))  # = -2 log alpha, a quadratic in t
        return 2 * q / ((self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * q).sqrt() + self.beta_min)

    def times(self, u: Tensor) -> Tensor:
        return _continuous_times(u)


class Flow:
    """The straight path x_t = (1 − t) x_0 + t eps on [0, 1] (rectified flow, flow matching).

    >>> Flow()(torch.tensor(0.25).double())
    (tensor(0.7500, dtype=torch.float64), tensor(0.2500, dtype=torch.float64))
    """

    T = 1.0

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        t = t.double()
        return 1 - t, t

    def time(self, lam: Tensor) -> Tensor:
        return torch.sigmoid(-torch.as_tensor(lam, dtype=torch.float64))

    def times(self, u: Tensor) -> Tensor:
        return _continuous_times(u)


class SubVP:
    """The sub-VP SDE on [0, 1]: the signal of VP with the smaller noise sigma = 1 − alpha² (Song et al. 2021).

    >>> alpha, sigma = SubVP()(torch.tensor(0.5))
    >>> bool((alpha**2 + sigma - 1).abs() < 1e-12)
    True
    """

    T = 1.0

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0):
        self.vp = VP(beta_min, beta_max)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = self.vp(t)
        return alpha, sigma**2

    def time(self, lam: Tensor) -> Tensor:
        # alpha = e^lam (1 − alpha²) solved for alpha; then VP's own lam at that alpha
        grown = torch.as_tensor(lam, dtype=torch.float64).exp()
        log_alpha = (2 * grown / (1 + (1 + 4 * grown**2).sqrt())).log()
        return self.vp.time(log_alpha - 0.5 * (-torch.expm1(2 * log_alpha)).log())

    def times(self, u: Tensor) -> Tensor:
        return _continuous_times(u)


class VE:
    """The variance-exploding SDE on [0, 1]: alpha = 1, sigma² = sigma_min² (e^(g t) − 1), which grows to sigma_max².

    Its noise is added to data that keep their size (Song et al. 2021; theirs starts at sigma_min, ours at none).

    >>> round(VE()(torch.tensor(1.0))[1].item(), 6)
    50.0
    """

    T = 1.0

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0):
        if not 0 < sigma_min < sigma_max:
            raise ValueError(f"VE needs 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}")
        self.sigma_min, self.growth = sigma_min, math.log1p((sigma_max / sigma_min) ** 2)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        t = t.double()
        return torch.ones_like(t), self.sigma_min * torch.expm1(self.growth * t).sqrt()

    def time(self, lam: Tensor) -> Tensor:
        return torch.log1p((-2 * torch.as_tensor(lam, dtype=torch.float64)).exp() / self.sigma_min**2) / self.growth

    def times(self, u: Tensor) -> Tensor:
        return _continuous_times(u)


def _continuous_times(u: Tensor) -> Tensor:
    """U(0.001, 1): at t = 0 the noise to be learned is divided by sigma = 0."""
    return 1e-3 + (1 - 1e-3) * u.double()


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "linear": linear,
    "linear-scaled": linear_scaled,
    "cosine": cosine,
    "sigmoid": sigmoid,
    "table": table,
    "vp": VP,
    "sub-vp": SubVP,
    "ve": VE,
    "flow": Flow,
}
"""Schedules by the names that configurations use."""
