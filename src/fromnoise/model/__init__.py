"""A model: what it is made of, how it is sampled, and how it lies on disk."""

from fromnoise.model.allocator import keep_memory
from fromnoise.model.assembly import count_parameters, make_denoiser, make_loss, make_network, make_schedule
from fromnoise.model.classifier import Classifier
from fromnoise.model.config import Config, Facts, Process, Sample, Train, read_config
from fromnoise.model.guidance import Guidance
from fromnoise.model.loading import bundled, checkpoints, load
from fromnoise.model.model import Model
from fromnoise.model.provenance import made_by

__all__ = [
    "Classifier",
    "Config",
    "Facts",
    "Guidance",
    "Model",
    "Process",
    "Sample",
    "Train",
    "bundled",
    "checkpoints",
    "count_parameters",
    "keep_memory",
    "load",
    "made_by",
    "make_denoiser",
    "make_loss",
    "make_network",
    "make_schedule",
    "read_config",
]
