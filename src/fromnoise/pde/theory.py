"""How the noise takes the energy from the first mode: a linear theory of H's Figure 7.

Between two steps the rescaling is nearly a constant m, for it is an average over many modes. Mode k is then
c ← m (g_k c + h_k ΔW_k) with the scheme's gain g and the share h of the noise that passes, an autoregressive process of
variance m² h² q δt / (1 − m² g²); and m is what makes Σ λ_k Var[c_k] = R. As noise grows m falls from 1/g_1, where the
first mode alone can hold any energy. While Σ_{k ≥ 2} is below R at m = 1/g_1 the first mode takes the rest, as a Bose
gas condenses: its share is 1 − (η/η_c)². Above η_c it is one mode among all others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.pde.equation import Scheme, explicit
from fromnoise.pde.forcing import Forcing
from fromnoise.pde.grid import Grid


def share(grid: Grid, rates: Tensor, dt: float, *, R: float = 2.0, scheme: Scheme = explicit) -> float:
    """The share of ∫|∇u|² = R that stays in the first eigenspace, in the long run, in [0, 1].

    `rates` are q_k (*cells), as `Forcing.rates` gives them. 1 without noise; on the way to 0 the formula that is linear
    in the rates, 1 − Σ_{k≥2} λ_k h_k² q_k δt / (R (g_1² − g_k²)), is rounded off by what the noise itself puts into the
    first mode.

    >>> from fromnoise.pde import FORCINGS
    >>> grid, dt = Grid((100,)), 1.5e-5
    >>> [round(share(grid, FORCINGS["literal"].rates(grid, eta, dt), dt), 3) for eta in (0.0, 300.0, 1000.0)]
    [1.0, 0.867, 0.0]
    """
    if not bool((rates > 0).any()):
        return 1.0
    lam, first = grid.eigenvalues, grid.first
    g, h = scheme.gain(lam * dt), scheme.passed(lam * dt)

    def energies(m: float) -> Tensor:
        held = lam * m**2 * h**2 * rates * dt / (1 - m**2 * g**2)
        return torch.where(lam > 0, held, 0.0)

    low, high = 0.0, 1 / float(g[first].max())
    for _ in range(200):  # the sum rises with m, to infinity at 1/g_1
        middle = (low + high) / 2
        low, high = (middle, high) if float(energies(middle).sum()) < R else (low, middle)
    return 1 - float(energies(low)[~first].sum()) / R


def critical(grid: Grid, forcing: Forcing, dt: float, *, R: float = 2.0, scheme: Scheme = explicit) -> float:
    """η_c, at which the noise of all other modes holds all of R and the first mode's share goes to 0.

    >>> from fromnoise.pde import FORCINGS
    >>> round(critical(Grid((100,)), FORCINGS["literal"], 1.5e-5))
    823
    """
    lam, first = grid.eigenvalues, grid.first
    g, h = scheme.gain(lam * dt), scheme.passed(lam * dt)
    rest = (lam > 0) & ~first
    rates = forcing.rates(grid, 1.0, dt)  # of η = 1; all rates are η² times these
    held = lam * h**2 * rates * dt / (g[first].max() ** 2 - g**2)
    return float((R / held[rest].sum()).sqrt())
