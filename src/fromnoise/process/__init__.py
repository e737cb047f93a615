"""The mathematics: no network, no file, no picture."""

from fromnoise.process.denoiser import Denoised, Denoiser, clipped
from fromnoise.process.exact import Empirical, GaussianMixture, gaussian_log_prob
from fromnoise.process.kernels import Randn, diffuse, gaussian_kl, reverse, sde, transition
from fromnoise.process.levels import (
    CLEAN,
    SCHEDULES,
    VP,
    Discrete,
    Flow,
    Level,
    Schedule,
    at,
    cosine,
    is_discrete,
    linear,
    linear_scaled,
    sigmoid,
    table,
)
from fromnoise.process.likelihood import bound_term, prior_term
from fromnoise.process.objectives import (
    WEIGHTS,
    Weight,
    denoising_loss,
    hybrid_loss,
    min_snr,
    simple,
    variational,
)
from fromnoise.process.parametrisation import PREDICTIONS, VARIANCES, Coefficients, from_network

__all__ = [
    "CLEAN",
    "PREDICTIONS",
    "SCHEDULES",
    "VARIANCES",
    "VP",
    "WEIGHTS",
    "Coefficients",
    "Denoised",
    "Denoiser",
    "Discrete",
    "Empirical",
    "Flow",
    "GaussianMixture",
    "Level",
    "Randn",
    "Schedule",
    "Weight",
    "at",
    "bound_term",
    "clipped",
    "cosine",
    "denoising_loss",
    "diffuse",
    "from_network",
    "gaussian_kl",
    "gaussian_log_prob",
    "hybrid_loss",
    "is_discrete",
    "linear",
    "linear_scaled",
    "min_snr",
    "prior_term",
    "reverse",
    "sde",
    "sigmoid",
    "simple",
    "table",
    "transition",
    "variational",
]
