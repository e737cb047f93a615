"""The judge: how near samples are to data."""

from fromnoise.evaluation.agreement import Agreement, same_class
from fromnoise.evaluation.calibration import covered, energy_score, ranks, uniform
from fromnoise.evaluation.classes import Classes, by_class, classifier_of
from fromnoise.evaluation.cost import Spent, call_flops, cost, flops, spending
from fromnoise.evaluation.digits import Judged, digit_probabilities, judge_digits
from fromnoise.evaluation.distances import Measured, beside_floor, sliced_wasserstein
from fromnoise.evaluation.estimate import Estimate, blocks, normal, share
from fromnoise.evaluation.features import FEATURES, Features
from fromnoise.evaluation.frechet import frechet, frechet_limit
from fromnoise.evaluation.judgement import Judgement, Number, as_numbers, judge
from fromnoise.evaluation.kernel import energy_distance, gaussian_mmd, kid, mmd
from fromnoise.evaluation.log_prob import Bound, FlowDensity, bits, bound, flow
from fromnoise.evaluation.membership import auc, denoising_errors
from fromnoise.evaluation.memorisation import Copies, Near, Training, copies
from fromnoise.evaluation.neighbours import Manifolds, manifolds
from fromnoise.evaluation.raters import by_guessing, hit_rate, kappa
from fromnoise.evaluation.transport import wasserstein
from fromnoise.evaluation.tuning import Confirmed, Quality, Reference, Tried, Tuned, measure_for, planned, tune
from fromnoise.evaluation.two_sample import told_apart

__all__ = [
    "FEATURES",
    "Agreement",
    "Bound",
    "Classes",
    "Confirmed",
    "Copies",
    "Estimate",
    "Features",
    "FlowDensity",
    "Judged",
    "Judgement",
    "Manifolds",
    "Measured",
    "Near",
    "Number",
    "Quality",
    "Reference",
    "Spent",
    "Training",
    "Tried",
    "Tuned",
    "as_numbers",
    "auc",
    "beside_floor",
    "bits",
    "blocks",
    "bound",
    "by_class",
    "by_guessing",
    "call_flops",
    "classifier_of",
    "copies",
    "cost",
    "covered",
    "denoising_errors",
    "digit_probabilities",
    "energy_distance",
    "energy_score",
    "flops",
    "flow",
    "frechet",
    "frechet_limit",
    "gaussian_mmd",
    "hit_rate",
    "judge",
    "judge_digits",
    "kappa",
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
    "spending",
    "told_apart",
    "tune",
    "uniform",
    "wasserstein",
]
