"""One step from a level to a cleaner one; a solver's history is an explicit value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from fromnoise.process import Denoised, Denoiser, Level, Randn, reverse


class Solver(Protocol):
    """Carries x_t to x_s, s cleaner than t; `state` is what it wants to see again at its next step."""

    def step(
        self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn
    ) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True)
class DDIM:
    """DDIM(eta) (Song et al. 2021): eta = 1 is the ancestral chain of Algorithm 2, eta = 0 has no noise.

    With eta > 0 a denoiser's variance, where it has one, is part of the step; with eta = 0 it is not used.
    Raises ValueError for eta outside [0, 1].

    >>> DDIM(eta=0.5)
    DDIM(eta=0.5)
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], got {self.eta}")

    def step(self, denoise: Denoiser, x: Tensor, t: Level, s: Level, state: Any, randn: Randn) -> tuple[Tensor, Any]:
        denoised = denoise(x, t)
        if self.eta == 0:
            return reverse(x, Denoised(denoised.mean), t, s, 0.0)[0], None
        mean, std = reverse(x, denoised, t, s, self.eta)
        return mean + std * randn(x), None
