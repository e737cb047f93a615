"""Points, images and tables: one name gives one data set, always as numbers of the size of 1."""

from fromnoise.data.dataset import Dataset, Units
from fromnoise.data.points import distance_to_swissroll, swissroll_curve
from fromnoise.data.sources import SOURCES, load, options

__all__ = ["SOURCES", "Dataset", "Units", "distance_to_swissroll", "load", "options", "swissroll_curve"]
