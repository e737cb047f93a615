"""While a run trains: whether its samples begin to be copies of its data, said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fromnoise.data import Dataset, load
from fromnoise.errors import UserError
from fromnoise.evaluation import Near, Training, copies
from fromnoise.evaluation.judgement import LEAST as JUDGED
from fromnoise.training import Sampled

MOST = 20_000
"""Data, above which copies are not looked for: so many are not memorised within usual runs, and it takes long."""
LEAST = 20
BESIDE = 1000
"""Training data beside all others, which say how near is suspiciously near."""
RARE = 1e-4
"""The probability by chance below which the person is told: a run has many samples to look at."""


class Audit:
    """Looks at the samples of a run's events, beside the data that it trains on.

    >>> import fromnoise as fn
    >>> audit, data = Audit({"name": "moons", "n": 100}), fn.data.load("moons", n=100)
    >>> samples = data.units.to_own(data.batch(range(50)).double())
    >>> audit.look(Sampled(10, samples, None))[:65]
    'step 10: 50 of 50 samples are copies of the 100 training data, an'
    >>> audit.look(Sampled(20, samples, None))  # it was said
    ''
    """

    def __init__(self, source: Mapping[str, Any]):
        self.source = dict(source)
        self.done = False
        self.data: Dataset | None = None

    def look(self, event: Sampled) -> str:
        """What the person should know of these samples, or "" for nothing."""
        if self.done or (self.data is None and not self._begin()):
            return ""
        assert self.data is not None
        found = copies(self.index.near(self._seen(event.samples)), self.usual)
        if found.p >= RARE:
            return ""
        self.done = True
        more = ". fromnoise judge says more" if len(self.data) >= 2 * JUDGED else ""
        return (
            f"step {event.step}: {found.count:,} of {len(event.samples):,} samples are copies of the "
            f"{len(self.data):,} training data, and fresh data would give {found.expected.value:.2g}. The model begins "
            f"to memorise: stop here, or give it more data{more}"
        )

    def _begin(self) -> bool:
        """Read the data; False where they are not to be looked at."""
        options = {key: value for key, value in self.source.items() if key != "name"}
        try:
            data = load(str(self.source["name"]), **options)
        except (UserError, KeyError):  # data of the caller's own
            data = None
        if data is None or not LEAST <= len(data) <= MOST or data.given is not None:
            self.done = True
            return False
        self.data, self.index = data, Training(data)
        some = np.random.default_rng(0).permutation(len(data))[:BESIDE]
        self.usual: Near = self.index.near(data.batch(some), torch.from_numpy(some))
        return True

    def _seen(self, samples: torch.Tensor) -> torch.Tensor:
        assert self.data is not None
        if self.data.kind == "images":
            return samples.float().cpu()
        return self.data.units.from_own(samples.double().cpu()).float()
