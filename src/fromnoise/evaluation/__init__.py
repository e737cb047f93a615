"""The judge: how near samples are to data."""

from fromnoise.evaluation.agreement import Agreement, same_class
from fromnoise.evaluation.calibration import covered, energy_score, ranks, uniform
from fromnoise.evaluation.digits import Judged, judge_digits
from fromnoise.evaluation.distances import Measured, beside_floor, sliced_wasserstein
from fromnoise.evaluation.estimate import Estimate, blocks, normal, share
from fromnoise.evaluation.frechet import frechet, frechet_limit
from fromnoise.evaluation.kernel import energy_distance, gaussian_mmd, kid, mmd
from fromnoise.evaluation.log_prob import Bound, FlowDensity, bits, bound, flow
from fromnoise.evaluation.memorisation import Copies, Near, Training, copies
from fromnoise.evaluation.neighbours import Manifolds, manifolds
from fromnoise.evaluation.tuning import Confirmed, Quality, Reference, Tried, Tuned, measure_for, planned, tune

__all__ = [
    "Agreement",
    "Bound",
    "Confirmed",
    "Copies",
    "Estimate",
    "FlowDensity",
    "Judged",
    "Manifolds",
    "Measured",
    "Near",
    "Quality",
    "Reference",
    "Training",
    "Tried",
    "Tuned",
    "beside_floor",
    "bits",
    "blocks",
    "bound",
    "copies",
    "covered",
    "energy_distance",
    "energy_score",
    "flow",
    "frechet",
    "frechet_limit",
    "gaussian_mmd",
    "judge_digits",
    "kid",
    "manifolds",
    "measure_for",
    "mmd",
    "normal",
    "planned",
    "ranks",
    "same_class",
    "share",
    "sliced_wasserstein",
    "tune",
    "uniform",
]
