"""From noise to data: paths of levels, solvers that take one step, and the walk itself."""

from fromnoise.sampling.adaptive import Adaptive
from fromnoise.sampling.choices import PATHS, SOLVERS, Choice
from fromnoise.sampling.forms import Data, Form, Noise, Noisy
from fromnoise.sampling.guidance import extrapolate
from fromnoise.sampling.multistep import IPNDM, Multistep, UniPC
from fromnoise.sampling.noise import Streams
from fromnoise.sampling.paths import (
    churned,
    equidistributed,
    karras,
    leading,
    path,
    quadratic,
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
    "Corrected",
    "Data",
    "EulerMaruyama",
    "Form",
    "Heun",
    "Midpoint",
    "Multistep",
    "Noise",
    "Noisy",
    "RungeKutta",
    "Solver",
    "Streams",
    "UniPC",
    "churned",
    "equidistributed",
    "extrapolate",
    "karras",
    "leading",
    "path",
    "quadratic",
    "sample",
    "score",
    "strided",
    "trajectory",
    "uniform_in_lambda",
]
