"""H's backward map ψ, from u(T) to the fields u(0) that it may have come from, without a network.

Exactly, where the equation is linear and the fields are Gaussian; by linear regression and by the nearest of H's set of
pairs anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fromnoise.pde.fields import Gaussian
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
    ValueError for a problem that conserves something, scales its first fields or has others: its law is not Gaussian.

    >>> problem = Problem(eta=1.0, steps=1000, R=None, conserve=None)
    >>> found = posterior(problem)
    >>> bool((found.var <= found.prior * (1 + 1e-12)).all())
    True
    """
    if problem.conserve is not None or problem.R is not None or not isinstance(problem.law, Gaussian):
        raise ValueError("only the linear equation of Gaussian fields has a known posterior: conserve=None, R=None")
    lam, known = problem.grid.eigenvalues, problem.law.of(problem.grid)
    g, h = problem.scheme.gain(lam * problem.dt), problem.scheme.passed(lam * problem.dt)
    whole = g**problem.steps
    rates = problem.rates if problem.eta else torch.zeros_like(lam)
    steps = torch.where(lam > 0, (1 - whole**2) / (1 - g**2).clamp(min=1e-300), float(problem.steps))
    noise = h**2 * rates * problem.dt * steps
    total = (whole**2 * known + noise).clamp(min=1e-300)
    return Posterior(known * whole / total, known * noise / total, known)


class Regression(NamedTuple):
    """c(0) given c(T) as if it were Gaussian: of mean offset + slope c(T), and covariance root rootᵀ for every c(T).

    offset (k,), slope (k, m), root (k, k) lower triangular, for m numbers that k others are told from.
    """

    offset: Tensor
    slope: Tensor
    root: Tensor

    def mean(self, given: Tensor) -> Tensor:
        """E[c(0) | c(T)], (B, m) -> (B, k)."""
        return self.offset + given @ self.slope.T

    def whitened(self, c: Tensor, given: Tensor) -> Tensor:
        """What the mean leaves of c, in units in which its covariance is the identity, (B, k)."""
        return torch.linalg.solve_triangular(self.root, (c - self.mean(given)).T, upper=False).T

    def coloured(self, z: Tensor, given: Tensor) -> Tensor:
        """The inverse of `whitened`, of z (..., B, k)."""
        return self.mean(given) + z @ self.root.T

    def draw(self, given: Tensor, n: int, seed: int = 0) -> Tensor:
        """n draws for each row of `given` (B, m), (n, B, k)."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(n, len(given), len(self.offset), generator=generator, dtype=given.dtype)
        return self.coloured(z, given)


def regression(c_0: Tensor, c_T: Tensor) -> Regression:
    """The least-squares line through pairs (n, k) and (n, m), and the covariance of what it leaves.

    >>> c_T = torch.randn(1000, 2, dtype=torch.float64)
    >>> found = regression(1 + c_T @ torch.tensor([[2.0], [0.0]], dtype=torch.float64), c_T)
    >>> round(float(found.offset[0]), 6), round(float(found.slope[0, 0]), 6)
    (1.0, 2.0)
    """
    centre, given = c_0.mean(0), c_T - c_T.mean(0)
    slope = torch.linalg.lstsq(given, c_0 - centre).solution.T
    left = c_0 - centre - given @ slope.T
    covariance = left.T @ left / len(left)
    ridge = 1e-12 * covariance.diag().max() + 1e-300
    root = torch.linalg.cholesky(covariance + ridge * torch.eye(len(centre), dtype=c_0.dtype))
    return Regression(centre - slope @ c_T.mean(0), slope, root)


def nearest(c_0: Tensor, c_T: Tensor, given: Tensor, k: int) -> Tensor:
    """The c(0) of the k pairs whose c(T) are nearest to each row of `given` (B, m), (k, B, ...).

    Near in what regression tells of c(0), in units of what it leaves: what c(0) does not know of does not count.

    >>> c_T = torch.arange(5.0, dtype=torch.float64)[:, None]
    >>> c_0 = c_T + torch.tensor([[0.1], [-0.1], [0.2], [-0.1], [-0.1]], dtype=torch.float64)
    >>> nearest(c_0, c_T, torch.tensor([[2.2]], dtype=torch.float64), 2)[:, 0, 0].tolist()
    [2.2, 2.9]
    """
    line = regression(c_0, c_T)
    seen, asked = (torch.linalg.solve_triangular(line.root, line.mean(c).T, upper=False).T for c in (c_T, given))
    found = torch.cat([torch.cdist(part, seen).topk(k, largest=False).indices for part in asked.split(256)])
    return c_0[found].transpose(0, 1)
