"""Work for a GPU, recorded once and launched as a whole (CUDA graphs): a small network waits for its launches else."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fromnoise.networks import ours
from fromnoise.networks.native import transformed

Work = Callable[[], tuple[Tensor, ...]]
Record = Callable[[Work], Work]
"""What gives work that does again what the given work did, on the same tensors and into the same tensors."""

log = logging.getLogger(__name__)
_ONE = threading.RLock()  # PyTorch records one piece of work at a time, and tensors are filled and read in turn


class Recorder:
    """Records work for one GPU. What one has recorded shares memory: one piece is over before another begins.

    The work must have been done before, so that libraries have chosen their kernels, must not wait for the GPU
    (`waits`), and draws from PyTorch's own generator alone. Recording does nothing of it. Raises RuntimeError where it
    cannot be recorded.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.pool: Any = None

    def __call__(self, work: Work) -> Work:
        before = torch.cuda.current_stream(self.device)
        with _ONE, torch.cuda.device(self.device):
            self.pool = self.pool or torch.cuda.graph_pool_handle()
            graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(self.device)
            try:
                with torch.cuda.graph(graph, self.pool, stream, capture_error_mode="thread_local"):
                    found = work()
            except BaseException:
                torch.cuda.set_stream(before)  # which PyTorch leaves where it was
                raise

        def again() -> tuple[Tensor, ...]:
            graph.replay()
            return found

        return again


def waits(work: Work, device: torch.device) -> bool:
    """Do the work, and tell whether it waits for the GPU: an attempt to record that would leave PyTorch in disorder.

    >>> waits(lambda: (), torch.device("cpu"))
    False
    """
    if device.type != "cuda":
        return False
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        work()
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return False


def replayable(network: nn.Module) -> bool:
    """Whether calls of a network can be recorded: it is of this package, lies on a CUDA GPU, and nothing listens.

    >>> replayable(nn.Linear(2, 2))
    False
    """
    first = next(network.parameters(), None)
    if first is None or first.device.type != "cuda" or not ours(network):
        return False
    return os.environ.get("FROMNOISE_NATIVE", "1") != "0" and not any(map(_heard, network.modules()))


def _heard(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)


class Replays:
    """Calls of a network on a GPU, each shape recorded when it comes for the third time.

    They go as they come while there are gradients, and where something looks on: hooks, torch.func, a compiler, another
    recording. Where the network's numbers have moved, or it is set otherwise, all is recorded anew.

    Args:
        network: what is called.
        call: how: tensors or None to one tensor.
        record: a `Recorder` unless given.

    >>> network = nn.Linear(1, 1).requires_grad_(False)
    >>> replays = Replays(network, network, record=lambda work: work)
    >>> with torch.no_grad():
    ...     all(torch.equal(replays(torch.ones(1, 1) * i), network(torch.ones(1, 1) * i)) for i in range(5))
    True
    """

    MOST = 8
    """Shapes that are recorded: each keeps tensors of its own."""

    def __init__(self, network: nn.Module, call: Callable[..., Tensor], record: Record | None = None) -> None:
        self.call, self.parts = call, list(network.modules())
        self.device = next(network.parameters()).device
        self.record = record or Recorder(self.device)
        tables = [table for part in self.parts for table in (part._parameters, part._buffers)]
        self.slots = [(table, name) for table in tables for name, one in table.items() if one is not None]
        self.before: object = None
        self._forget()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # a copy of a model has a network of its own, and records anew

    def __call__(self, *given: Tensor | None) -> Tensor:
        if self._watched():
            return self.call(*given)
        with _ONE:
            now = self._network()
            if now != self.before:
                self._forget()
                self.before = now
            shapes = tuple(None if one is None else (tuple(one.shape), one.dtype) for one in given)
            key = shapes, _settings(self.device)
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

            def work() -> tuple[Tensor, ...]:
                return (self.call(*kept),)

            try:
                if waits(work, self.device):
                    raise RuntimeError("the network waits for the GPU")
                self.known[key] = [one for one in kept if one is not None], self.record(work)
            except RuntimeError as error:
                log.info("calls go on without being recorded: %s", error)
                self.refused.add(key)

    def _forget(self) -> None:
        self.seen: Counter[object] = Counter()
        self.refused: set[object] = set()
        self.known: dict[object, tuple[list[Tensor], Work]] = {}

    def _network(self) -> object:
        """Where the numbers of the network lie, and how it is set."""
        places = [None if (one := table.get(name)) is None else one.data_ptr() for table, name in self.slots]
        return places, [part.training for part in self.parts]

    def _watched(self) -> bool:
        if torch.compiler.is_compiling() or torch.is_grad_enabled() or transformed() or any(map(_heard, self.parts)):
            return True
        return self.device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def _settings(device: torch.device) -> tuple[object, ...]:
    """What of PyTorch's settings a recording holds on to."""
    kind = device.type
    cast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    convolutions: Any = torch.backends.cudnn
    exact = convolutions.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    stream = torch.cuda.current_stream(device).cuda_stream if kind == "cuda" else 0
    return cast, exact, torch.are_deterministic_algorithms_enabled(), stream
