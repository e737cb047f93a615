"""H section 6: diffusion, rescaling and noise of a field, and the map back to where it came from."""

from fromnoise.pde.backward import Posterior, Regression, nearest, posterior, regression
from fromnoise.pde.equation import (
    SCHEMES,
    Functional,
    Scheme,
    dirichlet,
    evolve,
    explicit,
    exponential,
    growth,
    restored,
    variation,
)
from fromnoise.pde.fields import FIELDS, Gaussian, Law, fronts, prior, random_fields
from fromnoise.pde.forcing import FORCINGS, Forcing, Increments
from fromnoise.pde.forward import Problem, kept, pairs, profiles
from fromnoise.pde.grid import Grid
from fromnoise.pde.psi import Backward, learn
from fromnoise.pde.theory import critical, share

__all__ = [
    "FIELDS",
    "FORCINGS",
    "SCHEMES",
    "Backward",
    "Forcing",
    "Functional",
    "Gaussian",
    "Grid",
    "Increments",
    "Law",
    "Posterior",
    "Problem",
    "Regression",
    "Scheme",
    "critical",
    "dirichlet",
    "evolve",
    "explicit",
    "exponential",
    "fronts",
    "growth",
    "kept",
    "learn",
    "nearest",
    "pairs",
    "posterior",
    "prior",
    "profiles",
    "random_fields",
    "regression",
    "restored",
    "share",
    "variation",
]
