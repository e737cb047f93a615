"""Everything that determines a run, as frozen values: from TOML, overridden by --section.key, written back.

`[data]`, `[schedule]` and `[network]` name something that exists elsewhere and hold its options; the other
sections are dataclasses. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fromnoise.errors import UserError
from fromnoise.model.conditions import CONDITIONS
from fromnoise.model.options import check_options, unknown
from fromnoise.model.precision import PRECISIONS


@dataclass(frozen=True)
class Process:
    """[process]: what the network predicts and what training minimises."""

    prediction: str = "eps"  # eps, x_0, v, flow, score, mean; class for a classifier of noisy samples
    variance: str = "small"  # σ_t² while sampling: small (β̃), large (β), learned
    loss: str = "simple"  # simple (K 17), clean, velocity, min-snr, variational (K 16), hybrid
    times: str = "uniform"  # law of the training times: uniform, logit-normal (most in the middle), learned (VDM)
    conditional: bool = False  # tell the network the class of each sample
    small: int = 0  # draw pictures given themselves, their sides so many times as small; 0 for nothing given
    small_noise: float = 0.3  # most noise that the small ones get while training, of which the network is told
    condition: str = ""  # draw pictures given their edges, mask or sketch (CONDITIONS); "" for nothing given

    def __post_init__(self) -> None:
        _not_negative(self, "process", "small", "small_noise")
        _one_of(self, "process", "condition", ("", *CONDITIONS))
        if self.small and self.condition:
            raise UserError("process.small and process.condition are two things to be given: give one of them")
        if self.small == 1:
            raise UserError("process.small is 2 or more: how many times as small the sides are that are made large")


@dataclass(frozen=True)
class Train:
    """[train]: one optimiser step uses `batch` samples, whatever the number of processes."""

    steps: int = 0  # either steps ...
    epochs: float = 0.0  # ... or passes through the data
    init: str = ""  # a trained model to begin from: a run, a saved or bundled name; "" for random weights
    batch: int = 128
    accumulate: int = 1  # parts of a batch that are run one after the other
    optimizer: str = "adamw"  # adam, adamw, muon: orthogonal steps for hidden weights, AdamW for the rest
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    hidden_rate: float = 10.0  # of muon's orthogonal steps, in units of lr
    weight_decay: float = 0.0
    warmup: int = 0  # steps over which the rate rises from 0
    decay: str = "none"  # how the rate falls to 0 by the last step: none, linear, cosine
    clip: float = 0.0  # largest norm of the gradient, 0 for no limit
    ema: float = 0.999  # decay of the averaged weights, which are sampled; 0 for none
    reduction: str = "mean"  # over the elements of a batch; sum is H's
    label_dropout: float = 0.1  # share of samples whose class is hidden, for guidance
    flip: bool = False  # mirror half of the images, left to right
    precision: str = "fp32"  # fp32, bf16, fp16, or auto: what is measured to be fast here for such data
    seed: int = 0
    log_every: int = 50
    sample_every: int = 0  # pictures while training, 0 for none
    samples: int = 64
    checkpoint_every: int = 1000
    keep: int = 2  # newest checkpoints kept
    keep_steps: tuple[int, ...] = ()  # steps whose checkpoints are never removed
    tracker: str = ""  # tensorboard, wandb, ... through accelerate
    patience: int = 20  # steps in a row with a non-finite loss before training stops

    def __post_init__(self) -> None:
        _positive(
            self,
            "train",
            "batch",
            "accumulate",
            "lr",
            "hidden_rate",
            "log_every",
            "samples",
            "checkpoint_every",
            "keep",
            "patience",
        )
        _not_negative(self, "train", "steps", "epochs", "weight_decay", "warmup", "clip", "sample_every")
        _within(self, "train", 0, 1, "ema", "label_dropout")
        _within(self, "train", 0, 2**63 - 1, "seed")
        _one_of(self, "train", "optimizer", ("adam", "adamw", "muon"))
        _one_of(self, "train", "decay", ("none", "linear", "cosine"))
        _one_of(self, "train", "reduction", ("mean", "sum"))
        _one_of(self, "train", "precision", PRECISIONS)
        if self.steps and self.epochs:
            raise UserError("train.steps and train.epochs both say how long: give one of them")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"train.betas must lie in [0, 1), got {list(self.betas)}")
        if self.batch % self.accumulate:
            raise UserError(f"train.batch ({self.batch}) must be a multiple of train.accumulate ({self.accumulate})")
        if self.ema == 1:
            raise UserError("train.ema must be below 1: the average would never move")


@dataclass(frozen=True)
class Sample:
    """[sample]: how the trained model is sampled unless told otherwise."""

    solver: str = "ddpm"
    path: str = "even"  # of levels: even in time, quadratic, leading, lambda, karras
    steps: int = 0  # steps a sample, 0 for every level of the schedule
    clip: bool = False  # keep the estimate of x_0 within [-1, 1] at each step, as Ho et al. do
    weight: float = 1.0  # of guidance, D_0 + weight (D_1 - D_0)
    batch: int = 64  # samples that go through the network at once; left as it is, more on a GPU
    precision: str = "fp32"  # as in [train], of the network calls

    def __post_init__(self) -> None:
        _one_of(self, "sample", "precision", PRECISIONS)
        _positive(self, "sample", "batch")
        _not_negative(self, "sample", "steps")


@dataclass(frozen=True)
class Distil:
    """[distil]: a teacher whose many steps this run learns to take in few; none unless `teacher` is set."""

    teacher: str = ""  # a run, a saved or bundled name: its samples, guidance included, are what is learned
    steps: int = 4  # of the student, which are its levels in training
    solver: str = "dpmpp"  # of the teacher, one that adds no noise
    substeps: int = 8  # of the teacher, for each step of the student
    reuse: int = 4  # how often each of the teacher's walks is learned from, at each level
    match: float = 0.0  # share of the steps, the last, in which the law of the samples is learned, from 0 to 1
    weight: float = 1.0  # guidance in that law; a guided model has no law of its own
    law: str = ""  # the model whose law that is: the teacher, or the one that it was distilled from itself
    digest: str = ""  # of the teacher's weights and guidance, which must not change while the student learns

    def __post_init__(self) -> None:
        _positive(self, "distil", "steps", "substeps", "reuse")
        if not 0 <= self.match <= 1:
            raise UserError(f"distil.match is a share from 0 to 1, got {self.match}")


@dataclass(frozen=True)
class Facts:
    """[facts]: what the data turned out to be when the run began; a model needs them without its data."""

    kind: str
    shape: tuple[int, ...]
    n: int
    classes: tuple[str, ...] = ()
    centre: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    columns: tuple[str, ...] = ()
    digest: str = ""  # of the samples: a run goes on with the data that it began with
    given: tuple[int, ...] = ()  # shape of what a sample is drawn given, () for nothing
    given_centre: tuple[float, ...] = (0.0,)
    given_scale: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        _one_of(self, "facts", "kind", ("points", "images", "fields"))
        _positive(self, "facts", "n")
        if not 1 <= len(self.shape) <= 3 or min(self.shape) < 1:
            raise UserError(f"facts.shape is that of one sample, like [2] or [1, 32, 32], got {list(self.shape)}")
        if self.given and (self.given[1:] != self.shape[1:] or self.given[0] < 1):
            raise UserError(f"facts.given is [E, ...] with the axes of {list(self.shape)} after its first")
        for key, shape in (("", self.shape), ("given_", self.given or (1,))):
            for name in (f"{key}centre", f"{key}scale"):
                if len(getattr(self, name)) not in (1, shape[0]):
                    raise UserError(f"facts.{name} has one number, or one for each of {shape[0]} channels")
            if not all(0 < value < math.inf for value in getattr(self, f"{key}scale")):
                raise UserError(f"facts.{key}scale must be positive, got {list(getattr(self, f'{key}scale'))}")


@dataclass(frozen=True)
class Config:
    """A whole configuration.

    >>> config = Config.from_dict({"data": {"name": "swissroll"}, "train": {"lr": 3e-4, "steps": 10}})
    >>> config.train.lr
    0.0003
    >>> Config.from_dict({"train": {"warm_up": 10}})
    Traceback (most recent call last):
    fromnoise.errors.UserError: unknown key train.warm_up; did you mean train.warmup?
    """

    about: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=lambda: {"name": "linear"})
    network: Mapping[str, Any] = field(default_factory=dict)
    process: Process = field(default_factory=Process)
    train: Train = field(default_factory=Train)
    sample: Sample = field(default_factory=Sample)
    distil: Distil = field(default_factory=Distil)
    facts: Facts | None = None

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> Config:
        """From nested dictionaries, checking every name and type. Raises UserError."""
        known = {f.name for f in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for key, value in tree.items():
            if key not in known:
                raise unknown("key", key, known)
            if key == "about":
                values[key] = str(value)
            elif not isinstance(value, Mapping):
                raise UserError(f"{key} is a section: write --{key}.name VALUE or [{key}] in a file")
            elif key in _SECTIONS:
                values[key] = _section(_SECTIONS[key], key, value)
            else:
                values[key] = dict(value)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries, ready for `write_toml`; what is not set is left out."""
        tree = dataclasses.asdict(self)
        return {key: value for key, value in tree.items() if value is not None and value != ""}

    def override(self, changes: Mapping[str, Any]) -> Config:
        """The same configuration with {"section.key": value} set. Raises UserError for unknown keys."""
        tree = self.to_dict()
        for dotted, value in sorted(changes.items(), key=lambda change: not change[0].endswith(".name")):
            section, _, key = dotted.partition(".")
            if not key:
                raise unknown("key", dotted, _dotted(self))
            if section not in tree and section not in {f.name for f in dataclasses.fields(self)}:
                raise unknown("section", section, tree)
            if section == "about":
                raise unknown("key", dotted, _dotted(self))
            if section in _NAMED and key == "name" and tree.get(section, {}).get("name", value) != value:
                tree[section] = {"name": value}  # another thing has other options
            else:
                tree.setdefault(section, {})[key] = value
        for key, other in (("train.steps", "epochs"), ("train.epochs", "steps")):
            if changes.get(key) and f"train.{other}" not in changes:
                tree["train"][other] = 0
        return Config.from_dict(tree)


_NAMED = ("schedule", "network", "data")
_SECTIONS: dict[str, type] = {"process": Process, "train": Train, "sample": Sample, "distil": Distil, "facts": Facts}


def read_config(path: Path) -> Config:
    """A configuration from a TOML file. Raises UserError for one that is missing, not TOML or not of this kind."""
    try:
        return Config.from_dict(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a TOML file: {error}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


TUNED = "tuned.toml"
"""In a run's folder: the solver, path, steps and perhaps weight that `fromnoise tune` chose."""


def read_sample(path: Path) -> dict[str, Any]:
    """The solver, path, steps and weight of a file as `fromnoise tune` writes it. Raises UserError for any other."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}; remove it to sample as the recipe says") from None
    for key in found:
        if key not in ("solver", "path", "steps", "weight"):
            raise UserError(f"{path} holds {key}, which tune never writes; remove it to sample as the recipe says")
    return found


def _section(kind: type, name: str, values: Mapping[str, Any]) -> Any:
    for f in dataclasses.fields(kind):
        if f.name not in values and f.default is dataclasses.MISSING:
            raise UserError(f"[{name}] lacks {f.name}")
    return kind(**check_options(kind, name, values))


def _dotted(config: Config) -> list[str]:
    return [
        f"{section}.{key}"
        for section, values in config.to_dict().items()
        if isinstance(values, Mapping)
        for key in values
    ]


def _positive(section: Any, name: str, *keys: str) -> None:
    for key in keys:
        if not getattr(section, key) > 0:
            raise UserError(f"{name}.{key} must be above 0, got {getattr(section, key)}")


def _not_negative(section: Any, name: str, *keys: str) -> None:
    for key in keys:
        if not getattr(section, key) >= 0:
            raise UserError(f"{name}.{key} must not be negative, got {getattr(section, key)}")


def _within(section: Any, name: str, low: float, high: float, *keys: str) -> None:
    for key in keys:
        if not low <= getattr(section, key) <= high:
            raise UserError(f"{name}.{key} must lie in [{low}, {high}], got {getattr(section, key)}")


def _one_of(section: Any, name: str, key: str, choices: tuple[str, ...]) -> None:
    if getattr(section, key) not in choices:
        raise UserError(f"{name}.{key} is {' or '.join(filter(None, choices))}, got {getattr(section, key)!r}")
