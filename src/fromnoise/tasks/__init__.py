"""What people do with a trained model: restore what was seen of a picture, denoise, classify and vary it."""

from fromnoise.tasks.anomalies import Anomalies, find_anomalies
from fromnoise.tasks.augment import Labelled, synthesised
from fromnoise.tasks.cascade import cascaded
from fromnoise.tasks.classify import class_errors
from fromnoise.tasks.denoise import denoised, denoisings
from fromnoise.tasks.pictures import fit_known, fit_picture, read_mask, read_picture
from fromnoise.tasks.restore import METHODS, Method, Shown, restored, restoring
from fromnoise.tasks.segment import Segmenter, segmenter
from fromnoise.tasks.trace import drawing, traced
from fromnoise.tasks.upscale import upscaled
from fromnoise.tasks.vary import between, varied

__all__ = [
    "METHODS",
    "Anomalies",
    "Labelled",
    "Method",
    "Segmenter",
    "Shown",
    "between",
    "cascaded",
    "class_errors",
    "denoised",
    "denoisings",
    "drawing",
    "find_anomalies",
    "fit_known",
    "fit_picture",
    "read_mask",
    "read_picture",
    "restored",
    "restoring",
    "segmenter",
    "synthesised",
    "traced",
    "upscaled",
    "varied",
]
