"""The judge: how near samples are to data."""

from fromnoise.evaluation.distances import Measured, beside_floor, sliced_wasserstein

__all__ = ["Measured", "beside_floor", "sliced_wasserstein"]
