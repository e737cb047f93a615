"""Walking a path of levels: Algorithm 2 of both papers, and everything that looks like it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from fromnoise.process import Denoiser, Level, Randn, diffuse
from fromnoise.sampling.solvers import Solver


def _as_it_is(x: Tensor, s: Level) -> Tensor:
    return x


def trajectory(
    denoise: Denoiser,
    solver: Solver,
    path: Sequence[Level],
    x: Tensor,
    *,
    project: Callable[[Tensor, Level], Tensor] = _as_it_is,
    randn: Randn = torch.randn_like,
) -> Iterator[Tensor]:
    """Carry x along a path: down with the solver, up with q(x_s | x_t); yields x after every step.

    The step to a level without noise is the posterior mean itself, σ_q(1) = 0 (H Algorithm 5.2). `project`
    is applied to x after each step, as inpainting does. Raises ValueError for a path of fewer than 2 levels.

    >>> from fromnoise.process import Empirical, linear
    >>> from fromnoise.sampling import DDIM, strided
    >>> law = Empirical(torch.tensor([[1.0, 2.0]]))
    >>> *_, x = trajectory(law, DDIM(1.0), strided(linear(1000), 5), torch.randn(3, 2))
    >>> x[0]
    tensor([1., 2.])
    """
    if len(path) < 2:
        raise ValueError("a path has at least two levels")
    state = None
    for t, s in pairwise(path):
        if bool(s.alpha * t.sigma < t.alpha * s.sigma):
            x, state = diffuse(x, t, s, randn), None
        elif bool(s.sigma == 0):
            x = denoise(x, t).mean
        else:
            x, state = solver.step(denoise, x, t, s, state, randn)
        x = project(x, s)
        yield x


def sample(
    denoise: Denoiser, solver: Solver, path: Sequence[Level], x: Tensor, *, randn: Randn = torch.randn_like
) -> Tensor:
    """The end of the trajectory.

    >>> from fromnoise.process import Empirical, linear
    >>> from fromnoise.sampling import DDIM, strided
    >>> sample(Empirical(torch.ones(1, 2)), DDIM(), strided(linear(10)), torch.zeros(1, 2))
    tensor([[1., 1.]])
    """
    (end,) = deque(trajectory(denoise, solver, path, x, randn=randn), maxlen=1)
    return end
