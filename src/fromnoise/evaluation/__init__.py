"""The judge: how near samples are to data."""

from fromnoise.evaluation.digits import Judged, judge_digits
from fromnoise.evaluation.distances import Measured, beside_floor, sliced_wasserstein
from fromnoise.evaluation.frechet import frechet
from fromnoise.evaluation.log_prob import Bound, FlowDensity, bits, bound, flow
from fromnoise.evaluation.tuning import Reference, Tried, Tuned, measure_for, tune

__all__ = [
    "Bound",
    "FlowDensity",
    "Judged",
    "Measured",
    "Reference",
    "Tried",
    "Tuned",
    "beside_floor",
    "bits",
    "bound",
    "flow",
    "frechet",
    "judge_digits",
    "measure_for",
    "sliced_wasserstein",
    "tune",
]
