"""From noise to data: paths of levels, solvers that take one step, and the walk itself."""

from fromnoise.sampling.guidance import extrapolate
from fromnoise.sampling.multistep import Multistep
from fromnoise.sampling.noise import Streams
from fromnoise.sampling.paths import path, strided, uniform_in_lambda
from fromnoise.sampling.solvers import DDIM, SOLVERS, Solver
from fromnoise.sampling.trajectory import sample, trajectory

__all__ = [
    "DDIM",
    "SOLVERS",
    "Multistep",
    "Solver",
    "Streams",
    "extrapolate",
    "path",
    "sample",
    "strided",
    "trajectory",
    "uniform_in_lambda",
]
