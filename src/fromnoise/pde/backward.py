"""H's backward map ψ, from u(T) to the fields u(0) that it may have come from: where it is known exactly."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.pde.fields import prior
from fromnoise.pde.forward import Problem


class Posterior(NamedTuple):
    """The law of u(0) given u(T) for the linear equation and Gaussian fields: each mode on its own is Gaussian.

    gain     E[c_k(0) | u(T)] = gain_k c_k(T), (*cells)
    var      Var[c_k(0) | u(T)], the same for every u(T), (*cells)
    prior    Var[c_k(0)], (*cells)
    """

    gain: Tensor
    var: Tensor
    prior: Tensor


def posterior(problem: Problem) -> Posterior:
    """ψ of a linear problem: Bayes' rule for c_k(T) = G c_k(0) + noise of variance N, with G and N the scheme's own.

    A step multiplies mode k by g and adds h² q δt, so G = g^n and N = h² q δt (1 − g^{2n}) / (1 − g²). Raises
    ValueError for a problem that conserves something or scales its first fields: its law is not Gaussian.

    >>> problem = Problem(eta=1.0, steps=1000, R=None, conserve=None)
    >>> found = posterior(problem)
    >>> bool((found.var <= found.prior * (1 + 1e-12)).all())
    True
    """
    if problem.conserve is not None or problem.R is not None:
        raise ValueError("only the linear equation of Gaussian fields has a known posterior: conserve=None, R=None")
    lam = problem.grid.eigenvalues
    known = prior(problem.grid) if problem.variances is None else problem.variances
    g, h = problem.scheme.gain(lam * problem.dt), problem.scheme.passed(lam * problem.dt)
    whole = g**problem.steps
    rates = problem.rates if problem.eta else torch.zeros_like(lam)
    steps = torch.where(lam > 0, (1 - whole**2) / (1 - g**2).clamp(min=1e-300), float(problem.steps))
    noise = h**2 * rates * problem.dt * steps
    total = (whole**2 * known + noise).clamp(min=1e-300)
    return Posterior(known * whole / total, known * noise / total, known)
