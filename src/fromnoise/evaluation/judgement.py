"""How good, how diverse and how new samples are: every number with its interval, beside its floor and its ceiling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fromnoise.data import Dataset
from fromnoise.errors import UserError
from fromnoise.evaluation.classes import Classes, Classifier, by_class, classifier_of
from fromnoise.evaluation.digits import digit_probabilities
from fromnoise.evaluation.distances import sliced_wasserstein
from fromnoise.evaluation.estimate import Estimate, blocks
from fromnoise.evaluation.features import Features
from fromnoise.evaluation.frechet import frechet_limit
from fromnoise.evaluation.kernel import energy_distance, gaussian_mmd, kid
from fromnoise.evaluation.memorisation import ROWS, Copies, Near, Training, copies
from fromnoise.evaluation.neighbours import manifolds
from fromnoise.evaluation.transport import MOST as ASSIGNED
from fromnoise.evaluation.transport import wasserstein
from fromnoise.evaluation.two_sample import told_apart

SAME = 0.01
"""Relative distance below which data are the same: held-out data of which half are so were not held out."""
LEAST = 100
"""Samples, and data of either kind, that a judgement takes."""
MOST = 10_000
"""Of each set: above, intervals are narrow enough and neighbours take minutes."""
Progress = Callable[[str, int, int], None]
"""(what is being done, how much of it is done, of how much)."""


class About(NamedTuple):
    """What a number is called, what it says, and whether low or high ones are good."""

    name: str
    text: str
    better: str


NUMBERS = {
    "frechet": About("Fréchet distance", "between Gaussians fitted to the features, for endless sets", "low"),
    "kid": About("kernel distance (KID)", "between the laws of the features, by a cubic kernel", "low"),
    "sliced_wasserstein": About("sliced Wasserstein-2", "the way that points must move, along random lines", "low"),
    "wasserstein": About("Wasserstein-2", "the way that at most 1,000 points must move, exactly", "low"),
    "energy": About("energy distance", "how much farther points are from the other set than from their own", "low"),
    "mmd": About("kernel distance (MMD)", "the same by a Gaussian kernel of the data's median distance", "low"),
    "precision": About("precision", "the share of samples in the neighbourhood of some data point", "high"),
    "recall": About("recall", "the share of data in the neighbourhood of some sample", "high"),
    "density": About("density", "how many data neighbourhoods a sample lies in, against what data have", "high"),
    "coverage": About("coverage", "the share of data with a sample in their neighbourhood", "high"),
    "told_apart": About("told apart", "how often a classifier says rightly which is sample and which is data", "low"),
}


@dataclass(frozen=True)
class Number:
    """One number of samples, beside that of fresh data in their place (floor) and of noise (ceiling)."""

    name: str
    value: Estimate
    floor: Estimate
    ceiling: Estimate

    @property
    def about(self) -> About:
        """What it says."""
        return NUMBERS[self.name]


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is known of samples.

    numbers     distances, fidelity and diversity
    copies      of training data, which may be of any shape
    classes     None where the data have none
    without     the Fréchet or energy distance of the samples that are no copies, None where there are no copies
    features    by which it was judged
    places      the numbers of the samples that were used, (n,), in the order of `copies` and `classes`
    n           samples, held-out data and training data that were used
    held_out    False where nothing was held back and halves of the training data stood in
    """

    numbers: list[Number]
    copies: Copies
    classes: Classes | None
    without: Estimate | None
    features: Features
    places: np.ndarray
    n: Mapping[str, int]
    held_out: bool

    def __getitem__(self, name: str) -> Number:
        return {number.name: number for number in self.numbers}[name]


def judge(
    samples: Dataset,
    training: Dataset,
    held_out: Dataset | None,
    features: Features,
    *,
    told: Tensor | None = None,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> Judgement:
    """Judge samples beside the data that a model was trained on and those that it has not seen.

    Distances are to held-out data; the floor is that of as many training data to them. Where nothing was held back,
    `held_out` is None, and random halves of the training data take both places. At most 10,000 of each are compared,
    chosen by the seed; copies are sought among all training data. `told` (n,) is the class that each sample was told.
    Raises UserError for data of another shape or kind, or fewer than 100 of any.
    """
    _check(samples, training, held_out)
    chosen, reference, fresh = _sets(samples, training, held_out, seed)
    told = None if told is None else told[torch.from_numpy(chosen.places)]
    ours = features.all(chosen.data, _part(progress, "features of samples"))
    theirs = features.all(reference.data, _part(progress, "features of data"))
    floor = features.all(fresh.data, _part(progress, "features of training data"))
    ceiling = features.all(_noise(reference.data, len(chosen.data), seed))
    _finite(samples=ours, data=theirs)
    numbers = _numbers(samples.kind, ours, theirs, floor, ceiling, progress)
    copied = _copies(chosen.data, training, held_out, seed, progress)
    kept = ours[~copied.copied]
    without = None
    if copied.count and len(kept) >= LEAST:
        without = (_limit if samples.kind == "images" else energy_distance)(kept, theirs)
    classes = _classes(features, ours, theirs, floor, reference.data, fresh.data, told)
    n = {"samples": len(chosen.data), "data": len(reference.data), "training": len(training)}
    return Judgement(numbers, copied, classes, without, features, chosen.places, n, held_out is not None)


class _Chosen(NamedTuple):
    """Some rows of a data set, and their numbers there."""

    data: Dataset
    places: np.ndarray


def _sets(samples: Dataset, training: Dataset, held_out: Dataset | None, seed: int) -> tuple[_Chosen, _Chosen, _Chosen]:
    """Samples, the data they are compared with, and as many others of the training data."""
    random = np.random.default_rng(seed)
    ours = _some(samples, min(len(samples), MOST), random)
    order = random.permutation(len(training))
    half = min(len(training) // 2, MOST)
    if held_out is None:
        return ours, _rows(training, order[:half]), _rows(training, order[half:][: min(half, len(ours.data))])
    return ours, _some(held_out, min(len(held_out), MOST), random), _rows(training, order[: min(len(ours.data), MOST)])


def _some(data: Dataset, n: int, random: np.random.Generator) -> _Chosen:
    """n of the rows, in random order: of neighbours' intervals blocks are made."""
    return _rows(data, random.permutation(len(data))[:n])


def _rows(data: Dataset, index: np.ndarray) -> _Chosen:
    return _Chosen(data.take(index), index)


def _noise(like: Dataset, n: int, seed: int) -> Dataset:
    """Uniform noise of a picture's bytes; rows of independent numbers with the data's means and deviations."""
    random = np.random.default_rng(seed)
    if like.kind == "images":
        return Dataset("images", like.shape, random.integers(0, 256, (n, *like.shape), np.uint8))
    rows = like.rows.mean(0) + like.rows.std(0) * random.standard_normal((n, *like.shape))
    return Dataset(like.kind, like.shape, rows.astype(np.float32), like.units)


def _finite(**features: Tensor) -> None:
    for name, rows in features.items():
        if not bool(rows.isfinite().all()):
            raise UserError(f"features of the {name} are not all finite numbers: the model may have diverged")


def _numbers(
    kind: str, ours: Tensor, theirs: Tensor, floor: Tensor, ceiling: Tensor, progress: Progress
) -> list[Number]:
    found: list[dict[str, Estimate]] = []
    n = min(len(ours), len(theirs), len(floor))  # what depends on it must be compared at one
    for done, (what, rows) in enumerate((("samples", ours), ("floor", floor), ("ceiling", ceiling))):
        progress(f"distances: {what}", done, 3)
        found.append(_compared(kind, rows, theirs, n))
    progress("distances", 3, 3)
    return [Number(name, *(each[name] for each in found)) for name in found[0]]


def _compared(kind: str, ours: Tensor, theirs: Tensor, n: int) -> dict[str, Estimate]:
    found: dict[str, Estimate]
    if kind == "images":
        found = {"frechet": _limit(ours, theirs), "kid": kid(ours, theirs)}
    else:
        a, b = (x[:n].double() for x in (ours, theirs))
        [sliced] = blocks(lambda a, b: [sliced_wasserstein(a, b)], a, b)
        [exact] = blocks(lambda a, b: [wasserstein(a, b)], a[:ASSIGNED], b[:ASSIGNED])
        found = {"sliced_wasserstein": sliced, "wasserstein": exact}
        found |= {"energy": energy_distance(ours, theirs), "mmd": gaussian_mmd(ours, theirs)}
    return found | manifolds(ours[:n], theirs[:n])._asdict() | {"told_apart": told_apart(ours, theirs)}


def _limit(ours: Tensor, theirs: Tensor) -> Estimate:
    """The Fréchet distance of endless sets; no number where there are too few rows for so many directions."""
    try:
        return frechet_limit(ours, theirs)
    except ValueError:
        return Estimate(math.nan, math.nan, math.nan)


def _copies(samples: Dataset, training: Dataset, held_out: Dataset | None, seed: int, progress: Progress) -> Copies:
    """Which samples are copies, beside as many held-out data, or else training data beside all others."""
    index = Training(training)
    ours = _near(index, samples, _part(progress, "copies"))
    random = np.random.default_rng(seed)
    if held_out is None:
        some, chosen = _some(training, min(len(training), MOST), random)
        return copies(ours, _near(index, some, _part(progress, "copies, training data"), torch.from_numpy(chosen)))
    some, _ = _some(held_out, min(len(held_out), MOST), random)
    theirs = _near(index, some, _part(progress, "copies, held-out data"))
    if float(theirs.relative.median()) < SAME:
        raise UserError("the held-out data are training data: give others, or none")
    return copies(ours, theirs)


def _near(index: Training, data: Dataset, progress: Callable[[int, int], None], but: Tensor | None = None) -> Near:
    """What of the training data is nearest to each row, other than number `but` (n,) of each."""
    parts = []
    for first in range(0, len(data), ROWS):
        end = min(first + ROWS, len(data))
        parts.append(index.near(data.batch(range(first, end)), None if but is None else but[first:end]))
        progress(end, len(data))
    return Near.together(parts)


def _classes(
    features: Features, ours: Tensor, theirs: Tensor, floor: Tensor, reference: Dataset, fresh: Dataset,
    told: Tensor | None,
) -> Classes | None:  # fmt: skip
    """By the shipped classifier for digits, else by one trained on the features of training data."""
    names = fresh.classes
    labels, known = (labels_among(data, names) for data in (reference, fresh))
    if labels is None or known is None or len(names) < 2:
        return None
    classify: Classifier = digit_probabilities
    if features.name != "digits" or names != tuple("0123456789"):
        if len(known.unique()) < 2:
            return None
        classify = classifier_of(floor, known, len(names))
    return by_class(ours, theirs, labels, names, classify, told)


def labels_among(data: Dataset, names: Sequence[str], index: np.ndarray | None = None) -> Tensor | None:
    """The classes of rows (all of them, or those at `index`) as places among `names`, by their names, (n,).

    None where the data have no classes, or others.

    >>> data = Dataset("points", (1,), np.zeros((2, 1), np.float32), labels=np.array([1, 0]), classes=("a", "b"))
    >>> labels_among(data, ("b", "c", "a")).tolist(), labels_among(data, ("a",))
    ([0, 2], None)
    """
    labels = data.batch_labels(np.arange(len(data)) if index is None else index)
    if labels is None or not {data.classes[k] for k in labels.unique().tolist()} <= {*names}:
        return None
    places = [list(names).index(name) if name in names else 0 for name in data.classes]
    return torch.tensor(places)[labels]


def _check(samples: Dataset, training: Dataset, held_out: Dataset | None) -> None:
    for name, data in (("samples", samples), ("training data", training), ("held-out data", held_out)):
        if data is None:
            continue
        if tuple(data.shape) != tuple(samples.shape) or data.kind != samples.kind:
            raise UserError(
                f"the {name} are {data.kind} of shape {tuple(data.shape)}, the samples {samples.kind} of shape "
                f"{tuple(samples.shape)}: give data of one size (--data.size)"
            )
        units = (data.units.centre, training.units.centre), (data.units.scale, training.units.scale)
        if not all(np.array_equal(*pair) for pair in units):
            raise UserError(f"the {name} are in other units than the training data: bring them to those first")
        least = LEAST if data is not training or held_out is not None else 2 * LEAST
        if len(data) < least:
            raise UserError(f"a judgement takes at least {least} {name}, got {len(data)}")


def _part(progress: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(what, done, total)


def as_numbers(judgement: Judgement) -> dict[str, Any]:
    """The judgement as what JSON can hold.

    >>> from fromnoise.data import load
    >>> from fromnoise.evaluation import FEATURES
    >>> roll, other = load("swissroll", n=400), load("swissroll", n=400, seed=1)
    >>> found = as_numbers(judge(load("swissroll", n=400, seed=2), roll, other, FEATURES["coordinates"]()))
    >>> found["memorisation"]["copies"] < 9, found["numbers"]["precision"]["value"]["value"] > 0.8
    (True, True)
    """
    copied, classes = judgement.copies, judgement.classes
    found: dict[str, Any] = {
        "n": dict(judgement.n),
        "features": {"name": judgement.features.name, "about": judgement.features.about},
        "held_out": judgement.held_out,
        "numbers": {
            number.name: {"better": number.about.better}
            | {name: getattr(number, name)._asdict() for name in ("value", "floor", "ceiling")}
            for number in judgement.numbers
        },
        "memorisation": {
            "copies": copied.count,
            "expected": copied.expected.value,
            "interval": [copied.expected.low, copied.expected.high],
            "p": copied.p,
            "rare": copied.rare,
            "verdict": copied.verdict,
            "distance_without": None if judgement.without is None else judgement.without._asdict(),
            "which": which(judgement),
        },
    }
    return found | ({} if classes is None else {"classes": _class_numbers(classes)})


def which(judgement: Judgement, most: int = 1000) -> list[dict[str, float]]:
    """The samples that are copies, nearest first: their number, that of the training data, and both distances.

    Numbers count from 0 in the order of the data; pictures of a folder are in the order of their names.
    """
    near, copied = judgement.copies.near, judgement.copies.copied.nonzero()[:, 0]
    order = copied[near.relative[copied].argsort()][:most].tolist()
    return [
        {
            "sample": int(judgement.places[k]), "training": int(near.nearest[k]),
            "distance": float(near.distance[k]), "relative": float(near.relative[k]),
        }
        for k in order
    ]  # fmt: skip


def _class_numbers(classes: Classes) -> dict[str, Any]:
    rows = zip(classes.names, classes.counts, classes.shares, classes.distances, strict=True)
    named = {
        name: {"count": count, "share_of_data": part, "frechet": None if far is None else far._asdict()}
        for name, count, part, far in rows
    }
    whole = {name: getattr(classes, name)._asdict() for name in ("sure", "sure_data", "accuracy")}
    told = None if classes.as_told is None else classes.as_told._asdict()
    return {"by_class": named, "balance_p": classes.p, "as_told": told, "calibration": classes.calibration, **whole}
