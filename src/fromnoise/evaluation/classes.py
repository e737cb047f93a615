"""Samples by class, as an independent classifier sees them (H Figure 4): counts, balance, certainty, agreement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fromnoise.evaluation.estimate import Estimate, share
from fromnoise.evaluation.frechet import frechet_limit

SURE = 0.9
"""From this confidence on the classifier counts as sure; samples of which it is not are hardly recognisable."""
LEAST = 20
"""Samples and data of a class, at least, whose distance is told."""
Classifier = Callable[[Tensor], Tensor]
"""Features (n, d) -> probabilities (n, classes)."""


@dataclass(frozen=True, eq=False)
class Classes:
    """What a classifier finds in samples, beside what it finds in held-out data.

    names        of the classes
    found        the class of each sample, (n,) int64
    confidence   its probability, (n,)
    counts       samples in each class, (k,)
    shares       of the data, by the same classifier, (k,)
    p            of Pearson's test that samples have the data's shares: small where classes are out of balance
    sure         the share of samples of which it is surer than 0.9
    sure_data    the same of the data
    accuracy     of the classifier on the data, whose classes are known
    calibration  the mean gap between its confidence and its accuracy on the data, over ten bins
    as_told      the share of samples that are of the class that the model was told, or None
    distances    of each class's samples to its data, both as the classifier finds them, for endless sets; None where
                 there are too few
    """

    names: tuple[str, ...]
    found: Tensor
    confidence: Tensor
    counts: list[int]
    shares: list[float]
    p: float
    sure: Estimate
    sure_data: Estimate
    accuracy: Estimate
    calibration: float
    as_told: Estimate | None
    distances: list[Estimate | None]


def by_class(
    samples: Tensor,
    data: Tensor,
    labels: Tensor,
    names: tuple[str, ...],
    classify: Classifier,
    told: Tensor | None = None,
) -> Classes:
    """Features of samples (n, d) and of data (m, d) with their classes (m,), as `classify` sees them.

    `told` (n,) is what the model was told for each sample. Raises ValueError for labels that do not fit.

    >>> x = torch.tensor([[0.0], [1.0]]).repeat(30, 1)
    >>> found = by_class(x[:31], x, x[:, 0].long(), ("no", "yes"), lambda x: torch.cat([1 - x, x], 1))
    >>> found.counts, found.accuracy.value, found.p > 0.5
    ([16, 15], 1.0, True)
    """
    if labels.shape != (len(data),) or (told is not None and told.shape != (len(samples),)):
        raise ValueError("labels are (m,), one for each row of data, and told (n,), one for each sample")
    k = len(names)
    ours, theirs = classify(samples), classify(data)
    found, confidence = ours.argmax(1), ours.amax(1)
    counts, known = (torch.bincount(x, minlength=k).tolist() for x in (found, theirs.argmax(1)))
    right = theirs.argmax(1) == labels
    distances = [_distance(samples[found == c], data[theirs.argmax(1) == c]) for c in range(k)]
    return Classes(
        names, found, confidence, counts, [count / len(data) for count in known], _homogeneity(counts, known),
        _sure(confidence), _sure(theirs.amax(1)), share(int(right.sum()), len(right)),
        _calibration(theirs.amax(1), right),
        None if told is None else share(int((found == told).sum()), len(found)), distances,
    )  # fmt: skip


def classifier_of(features: Tensor, labels: Tensor, classes: int, seed: int = 0) -> Classifier:
    """A logistic regression on features (n, d) of training data and their classes (n,).

    >>> x = torch.linspace(-1, 1, 40)[:, None]
    >>> classifier_of(x, (x[:, 0] > 0).long(), 2)(torch.tensor([[-0.9], [0.9]])).argmax(1).tolist()
    [0, 1]
    """
    from sklearn.linear_model import LogisticRegression

    centre, scale = features.double().mean(0), features.double().std(0)
    scale = torch.where(scale > 0, scale, 1.0)
    model = LogisticRegression(max_iter=300, C=0.1, random_state=seed)
    model.fit(((features - centre) / scale).numpy(), labels.numpy())

    def classify(x: Tensor) -> Tensor:
        found = torch.zeros(len(x), classes)
        found[:, torch.from_numpy(model.classes_)] = torch.from_numpy(
            model.predict_proba(((x - centre) / scale).numpy())
        ).float()
        return found

    return classify


def _sure(confidence: Tensor) -> Estimate:
    return share(int((confidence > SURE).sum()), len(confidence))


def _homogeneity(counts: list[int], known: list[int]) -> float:
    """Pearson's test that two rows of counts have one law; classes that neither has do not count."""
    from scipy.stats import chi2_contingency

    table = np.array([counts, known])
    table = table[:, table.sum(0) > 0]
    return float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0


def _calibration(confidence: Tensor, right: Tensor) -> float:
    """The expected calibration error over ten bins of equal width."""
    bins = (confidence * 10).long().clamp(max=9)
    gaps = [float((confidence - right.float())[bins == k].sum().abs()) for k in range(10)]
    return sum(gaps) / len(confidence)


def _distance(samples: Tensor, data: Tensor) -> Estimate | None:
    if min(len(samples), len(data)) < LEAST:
        return None
    try:
        return frechet_limit(samples, data)
    except ValueError:  # too few for so many directions
        return None
