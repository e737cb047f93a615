"""H section 6: diffusion, rescaling and noise of a field, and the map back to where it came from."""

from fromnoise.pde.backward import Posterior, posterior
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
from fromnoise.pde.fields import prior, random_fields
from fromnoise.pde.forcing import FORCINGS, Forcing, Increments
from fromnoise.pde.forward import Problem, kept, pairs
from fromnoise.pde.grid import Grid
from fromnoise.pde.theory import critical, share

__all__ = [
    "FORCINGS",
    "SCHEMES",
    "Forcing",
    "Functional",
    "Grid",
    "Increments",
    "Posterior",
    "Problem",
    "Scheme",
    "critical",
    "dirichlet",
    "evolve",
    "explicit",
    "exponential",
    "growth",
    "kept",
    "pairs",
    "posterior",
    "prior",
    "random_fields",
    "restored",
    "share",
    "variation",
]
