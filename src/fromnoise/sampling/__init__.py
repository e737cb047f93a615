"""From noise to data: paths of levels, solvers that take one step, and the walk itself."""

from fromnoise.sampling.adaptive import Adaptive
from fromnoise.sampling.choices import PATHS, SOLVERS, Choice
from fromnoise.sampling.forms import Data, Form, Noise, Noisy
from fromnoise.sampling.guidance import climbed, extrapolate, universal
from fromnoise.sampling.multistep import IPNDM, Multistep, UniPC
from fromnoise.sampling.noise import Streams
from fromnoise.sampling.observation import Nudged, Observation, Pulled, ball, jacobian, observed, replaced
from fromnoise.sampling.operators import Operator, blurred, kept, shrunk
from fromnoise.sampling.particles import Cloud, particles
from fromnoise.sampling.paths import (
    churned,
    equidistributed,
    karras,
    leading,
    path,
    quadratic,
    resampled,
    strided,
    uniform_in_lambda,
)
from fromnoise.sampling.singlestep import Heun, Midpoint, RungeKutta
from fromnoise.sampling.solvers import DDIM, Solver
from fromnoise.sampling.stochastic import Corrected, EulerMaruyama, score
from fromnoise.sampling.trajectory import sample, trajectory

__all__ = [
    "DDIM",
    "IPNDM",
    "PATHS",
    "SOLVERS",
    "Adaptive",
    "Choice",
    "Cloud",
    "Corrected",
    "Data",
    "EulerMaruyama",
    "Form",
    "Heun",
    "Midpoint",
    "Multistep",
    "Noise",
    "Noisy",
    "Nudged",
    "Observation",
    "Operator",
    "Pulled",
    "RungeKutta",
    "Solver",
    "Streams",
    "UniPC",
    "ball",
    "blurred",
    "churned",
    "climbed",
    "equidistributed",
    "extrapolate",
    "jacobian",
    "karras",
    "kept",
    "leading",
    "observed",
    "particles",
    "path",
    "quadratic",
    "replaced",
    "resampled",
    "sample",
    "score",
    "shrunk",
    "strided",
    "trajectory",
    "uniform_in_lambda",
    "universal",
]
