"""Work for a GPU, recorded once and launched as a whole (CUDA graphs): a small network waits for its launches else."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)
Work = Callable[[], tuple[Tensor, ...]]
Record = Callable[[Work], Work]


def recorded(work: Work) -> Work:
    """What does `work` again, on the same tensors and into the same tensors that it gave; nothing is done yet.

    The work must have been done before, so that libraries have chosen their kernels, must not wait for the GPU, and
    draws from PyTorch's own generator alone. Raises RuntimeError where it cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # what other threads do is none of its business
        found = work()

    def again() -> tuple[Tensor, ...]:
        graph.replay()
        return found

    return again


class Replays:
    """A function of tensors, recorded for each shape that it was given twice before; it must have no other state.

    Args:
        call: tensors or None to one tensor, on one GPU and without gradients.
        record: as `recorded`, which it is unless given.

    >>> double = Replays(lambda x: 2 * x, record=lambda work: work)
    >>> [double(torch.full((), float(i))).item() for i in range(4)]
    [0.0, 2.0, 4.0, 6.0]
    """

    MOST = 8
    """Shapes that are recorded: each keeps its own tensors."""

    def __init__(self, call: Callable[..., Tensor], record: Record = recorded) -> None:
        self.call, self.record = call, record
        self.seen: Counter[object] = Counter()
        self.refused: set[object] = set()
        self.known: dict[object, tuple[list[Tensor], Work]] = {}

    def __call__(self, *given: Tensor | None) -> Tensor:
        key = tuple(None if one is None else (tuple(one.shape), one.dtype) for one in given)
        self.seen[key] += 1
        if key not in self.known and self.seen[key] > 2 and len(self.known) < self.MOST and key not in self.refused:
            self._learn(key, given)
        if key not in self.known:
            return self.call(*given)
        kept, again = self.known[key]
        for mine, its in zip(kept, (one for one in given if one is not None), strict=True):
            mine.copy_(its)
        return again()[0].clone()  # the next call writes there

    def _learn(self, key: object, given: tuple[Tensor | None, ...]) -> None:
        """Record the call for one shape; where that cannot be, it goes on as it came."""
        with torch.inference_mode(False), torch.no_grad():  # else later calls could not write to these tensors
            kept = [None if one is None else one.clone() for one in given]
            try:
                self.known[key] = [one for one in kept if one is not None], self.record(lambda: (self.call(*kept),))
            except RuntimeError as error:
                log.info("calls go on without being recorded: %s", error)
                self.refused.add(key)


def replayable(network: nn.Module) -> bool:
    """Whether calls of a network can be recorded: it lies on a CUDA GPU, is of this package, and nothing listens.

    >>> replayable(nn.Linear(2, 2))
    False
    """
    first = next(network.parameters(), None)
    if first is None or first.device.type != "cuda" or not type(network).__module__.startswith("fromnoise.networks."):
        return False
    return not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def places(network: nn.Module) -> tuple[object, ...]:
    """Where the numbers of a network lie, and how it is set: a recording reads them there.

    >>> network = nn.Dropout()
    >>> before = places(network)
    >>> places(network) == before, places(network.eval()) == before
    (True, False)
    """
    numbers = (*network.parameters(), *network.buffers())
    return id(network), tuple(part.data_ptr() for part in numbers), tuple(part.training for part in network.modules())
