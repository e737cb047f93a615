"""Can a classifier tell samples from data? (Lopez-Paz & Oquab 2017)"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from fromnoise.evaluation.estimate import Estimate, share

MOST = 2000
"""Of each set: more would take minutes, and tell smaller differences than matter."""

CLEARLY = 0.05
"""By how much neighbours must be the better judges to be taken."""


def told_apart(samples: Tensor, data: Tensor, *, seed: int = 0, level: float = 0.95) -> Estimate:
    """The share of held-out rows of which a classifier says rightly whether they are samples or data.

    1/2 is what equal laws give, 1 that each can be told. Features (n, d) and (m, d) of equal numbers, at most 2,000,
    are brought to the data's mean and deviation; half of them trains, the other half is judged. Of a network of 64
    units, which sees directions in many dimensions, and the vote of five neighbours, which sees shapes in few, the
    second is taken where it is clearly better on a fifth of what trains. Raises ValueError for other shapes or fewer
    than 20 rows.

    >>> a = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    >>> told_apart(a[:200], a[200:]).low < 0.55 < told_apart(a[:200] + 5, a[200:]).low
    True
    """
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    if samples.ndim != 2 or data.ndim != 2 or samples.shape[1] != data.shape[1]:
        raise ValueError(f"(n, d) and (m, d) are compared, not {tuple(samples.shape)} and {tuple(data.shape)}")
    n = min(len(samples), len(data), MOST)
    if n < 20:
        raise ValueError(f"at least 20 of each are told apart, got {n}")
    generator = torch.Generator().manual_seed(seed)
    chosen = [x[torch.randperm(len(x), generator=generator)[:n]].double() for x in (samples, data)]
    scale = chosen[1].std(0)
    rows = (torch.cat(chosen) - chosen[1].mean(0)) / torch.where(scale > 0, scale, 1.0)
    which = np.repeat([0, 1], n)
    trained = torch.arange(n).remainder(2).bool().repeat(2).numpy()  # half of each, whose order is random by now
    network = MLPClassifier((64,), alpha=1e-2, early_stopping=True, n_iter_no_change=5, random_state=seed)
    known, names = rows[trained].numpy(), which[trained]
    kept = np.arange(len(known)) % 5 > 0  # the rest chooses between the two
    classifiers = [network, KNeighborsClassifier(min(5, int(kept.sum())))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a network that stops before it has converged
        scores = [one.fit(known[kept], names[kept]).score(known[~kept], names[~kept]) for one in classifiers]
        best = classifiers[scores[1] > scores[0] + CLEARLY].fit(known, names)
    right = best.predict(rows[~trained].numpy()) == which[~trained]
    return share(int(right.sum()), len(right), level)
