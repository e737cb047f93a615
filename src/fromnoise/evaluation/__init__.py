"""The judge: how near samples are to data."""

from fromnoise.evaluation.digits import Judged, judge_digits
from fromnoise.evaluation.distances import Measured, beside_floor, sliced_wasserstein
from fromnoise.evaluation.frechet import frechet

__all__ = ["Judged", "Measured", "beside_floor", "frechet", "judge_digits", "sliced_wasserstein"]
