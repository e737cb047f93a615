"""A law of the training times that is learned from the losses: what is left to learn of a schedule between its ends.

A mean of losses over all times is the same integral over log-SNR whichever schedule leads through it (Kingma et al.
2021, 18): a schedule decides only how much the loss of a random time varies. The least varying is that under which
every time is drawn in proportion to the root mean square of its loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

BINS = 50
MEMORY = 1000.0
"""Steps after which what was seen counts 1/e."""
UNIFORM = 0.1
"""The share of uniform times in every law: no time is forgotten, no weight is above 10."""


class LearnedTimes:
    """u ~ U(0, 1) -> u' in [0, 1), more often where losses are large, and the weights 1 / p(u') that make up for it.

    The mean of weight times loss is the loss of uniform times under every law. A law holds until `renew`.

    >>> law = LearnedTimes()
    >>> u = (torch.arange(1000) + 0.5) / 1000
    >>> law.record(u, torch.where(u < 0.5, 3.0, 1.0))  # losses are three times as large in the first half
    >>> law.settle()
    >>> law.renew()
    >>> round((law(u) < 0.5).float().mean().item(), 2)
    0.73
    """

    def __init__(self) -> None:
        self.share = torch.full((BINS,), 1 / BINS, dtype=torch.float64)
        self.seen = torch.zeros(2, BINS, dtype=torch.float64)  # squares of losses, and their number
        self.fresh = torch.zeros_like(self.seen)  # those of a step that is not yet whole

    def __call__(self, u: Tensor) -> Tensor:
        """The inverse of the distribution function, linear in each of the bins."""
        ends = self.share.cumsum(0)
        u = u.cpu().double().contiguous()  # in this order: not every device knows doubles
        bins = torch.searchsorted(ends, u, right=True).clamp(max=BINS - 1)
        into = (u - (ends - self.share)[bins]) / self.share[bins]
        return (bins + into.clamp(0, 1 - 1e-9)) / BINS

    def weight(self, u: Tensor) -> Tensor:
        """1 / p at numbers that this law gave."""
        return 1 / (BINS * self.share[_bins(u)])

    def record(self, u: Tensor, loss: Tensor) -> None:
        """Take note of the losses (n,) at numbers u (n,) that this law gave; of the finite ones."""
        square = loss.detach().cpu().double() ** 2
        whole = square.isfinite()
        both = torch.stack([square[whole], torch.ones_like(square[whole])])
        self.fresh.index_add_(1, _bins(u)[whole], both)

    def settle(self, total: Callable[[Tensor], Tensor] = lambda fresh: fresh) -> None:
        """End a step; `total` adds up what the processes have noted."""
        self.seen = self.seen * (1 - 1 / MEMORY) + total(self.fresh)
        self.fresh = torch.zeros_like(self.seen)

    def renew(self) -> None:
        """Let the law follow what was seen; a bin in which nothing was seen is drawn as often as a uniform law does."""
        square, count = self.seen
        rms = (square / count.clamp(min=1e-12)).sqrt()
        known = count > 0
        mean = rms[known].mean() if bool(known.any()) else rms.new_tensor(0.0)
        if float(mean) > 0:
            rms = torch.where(known, rms, mean)
            self.share = UNIFORM / BINS + (1 - UNIFORM) * rms / rms.sum()

    def state(self) -> dict[str, Tensor]:
        """All that the law has learned."""
        return {"share": self.share, "seen": self.seen}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave. Raises LookupError and ValueError for what it cannot have given."""
        share, seen = state["share"].double(), state["seen"].double()
        if share.shape != (BINS,) or seen.shape != (2, BINS) or not bool((share > 0).all() and (seen >= 0).all()):
            raise ValueError("the law of times is damaged")
        if abs(float(share.sum()) - 1) > 1e-9:
            raise ValueError("the law of times is damaged")
        self.share, self.seen = share, seen


def _bins(u: Tensor) -> Tensor:
    return (u.cpu().double() * BINS).long().clamp(0, BINS - 1)
