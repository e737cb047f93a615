"""The judge: how near samples are to data."""

from fromnoise.evaluation.agreement import Agreement, same_class
from fromnoise.evaluation.calibration import covered, energy_score, ranks, uniform
from fromnoise.evaluation.digits import Judged, judge_digits
from fromnoise.evaluation.distances import Measured, beside_floor, sliced_wasserstein
from fromnoise.evaluation.frechet import frechet
from fromnoise.evaluation.log_prob import Bound, FlowDensity, bits, bound, flow
from fromnoise.evaluation.tuning import Confirmed, Quality, Reference, Tried, Tuned, measure_for, planned, tune

__all__ = [
    "Agreement",
    "Bound",
    "Confirmed",
    "FlowDensity",
    "Judged",
    "Measured",
    "Quality",
    "Reference",
    "Tried",
    "Tuned",
    "beside_floor",
    "bits",
    "bound",
    "covered",
    "energy_score",
    "flow",
    "frechet",
    "judge_digits",
    "measure_for",
    "planned",
    "ranks",
    "same_class",
    "sliced_wasserstein",
    "tune",
    "uniform",
]
