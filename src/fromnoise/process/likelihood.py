"""The terms of the variational bound (K 10, 11, 14)."""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.process.denoiser import Denoised
from fromnoise.process.exact import gaussian_log_prob
from fromnoise.process.kernels import gaussian_kl, reverse
from fromnoise.process.levels import Level


def prior_term(x_0: Tensor, end: Level) -> Tensor:
    """L_T = D_KL(q(x_T|x_0) ‖ N(0, I)) a sample (K 11), in nats, (B,). It has nothing to learn.

    >>> import torch
    >>> from fromnoise.process import at, linear
    >>> bool(prior_term(torch.zeros(1, 2), at(linear(1000), 1000)) < 1e-3)
    True
    """
    mean, std = end.alpha * x_0, end.sigma.to(x_0)
    return gaussian_kl(mean, std, 0 * mean, std * 0 + 1).flatten(1).sum(1)


def bound_term(x_0: Tensor, x_t: Tensor, denoised: Denoised, t: Level, s: Level) -> Tensor:
    """L_{t−1} = D_KL(q(x_s|x_t, x_0) ‖ p(x_s|x_t)) a sample (K 11, 14), in nats, (B,).

    At the last step, where s has no noise, it is L_0 = −log N(x_0; mean, var) and needs denoised.var > 0:
    with the papers' σ_q(1) = 0 the bound is infinite there (raises ValueError).

    >>> import torch
    >>> from fromnoise.process import at, linear
    >>> schedule, x = linear(1000), torch.zeros(1, 2)
    >>> bound_term(x, x, Denoised(x), at(schedule, 2), at(schedule, 1)).item()
    0.0
    """
    last = s.sigma == 0
    if not bool(last.any()):
        return _transition_term(x_0, x_t, denoised, t, s)
    if denoised.var is None:
        raise ValueError("L_0 is infinite without a variance: give Denoised.var")
    home = -gaussian_log_prob(x_0, denoised.mean, denoised.var.sqrt())
    # Where the step is the last one, sigma is lifted so that the branch that is not taken stays finite.
    lifted = Level(s.t, s.alpha, torch.where(last, 0.5 * t.sigma, s.sigma))
    return torch.where(last.flatten(), home, _transition_term(x_0, x_t, denoised, t, lifted))


def _transition_term(x_0: Tensor, x_t: Tensor, denoised: Denoised, t: Level, s: Level) -> Tensor:
    true_mean, true_std = reverse(x_t, Denoised(x_0), t, s)
    mean, std = reverse(x_t, denoised, t, s)
    return gaussian_kl(true_mean, true_std, mean, std).flatten(1).sum(1)
