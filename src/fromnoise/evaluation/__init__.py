"""The judge: how near samples are to data."""

from fromnoise.evaluation.distances import sliced_wasserstein

__all__ = ["sliced_wasserstein"]
