"""What samples cost: FLOPs, network calls, seconds, memory and, where it can be measured, energy (H section 7)."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fromnoise.model import Model
from fromnoise.process import at

GRAMS = 473.0
"""CO2 of a kWh, the mean of the world's power stations in 2024 (Ember, Global Electricity Review 2025)."""
SDXL = 1594.0
"""Grams of CO2 for 1,000 pictures of SDXL: Luccioni, Jernite and Strubell (2024), as Higham et al. quote them."""


@dataclass
class Spent:
    """Seconds, kilowatt-hours (NaN where they cannot be measured) and bytes at most, that some samples took."""

    samples: int = 0
    seconds: float = 0.0
    energy: float = 0.0
    peak: float = 0.0


@contextlib.contextmanager
def spending(on: Spent) -> Iterator[None]:
    """Add what the body takes to `on`.

    Energy is what codecarbon says of the whole machine meanwhile: measured where the processor tells, else reckoned
    from its rated power. Without codecarbon (`pip install 'fromnoise[energy]'`) it is NaN.

    >>> spent = Spent()
    >>> with spending(spent):
    ...     time.sleep(0.01)
    >>> spent.seconds >= 0.01
    True
    """
    meter, began = _meter(), time.perf_counter()
    try:
        yield
    finally:
        on.seconds += time.perf_counter() - began
        on.energy += _read(meter)
        on.peak = peak_memory()


def _meter() -> Any:
    """codecarbon's meter, started; None where there is none."""
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        return None
    logging.getLogger("codecarbon").disabled = True  # what it says on its way is not for the person here
    # A country must be named, and only turns energy into carbon, which is done here.
    meter = OfflineEmissionsTracker(
        country_iso_code="USA", save_to_file=False, log_level="critical", allow_multiple_runs=True
    )
    meter.start()
    return meter


def _read(meter: Any) -> float:
    if meter is None:
        return math.nan
    meter.stop()
    return float(meter.final_emissions_data.energy_consumed)


def flops(work: Callable[[], object]) -> int:
    """FLOPs of the matrix products and convolutions of some work, those of attention included.

    >>> flops(lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    48
    """
    # The counter does not know the CPU's fused attention: here it is done as plain matrix products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def call_flops(model: Model) -> int:
    """FLOPs of one network call for one sample.

    >>> import fromnoise as fn
    >>> call_flops(fn.load("swissroll")) > 10_000
    True
    """
    x = torch.zeros(1, *model.facts.shape, device=model.device)
    given = torch.zeros(1, *model.facts.given, device=model.device) if model.facts.given else None
    denoise = model.denoiser(model.labels(1), given)
    with torch.no_grad():
        return flops(lambda: denoise(x, at(model.schedule, model.schedule.T, x)))


def peak_memory() -> float:
    """Bytes of memory that this process has taken at most.

    >>> peak_memory() > 1e6
    True
    """
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def cost(model: Model, spent: Spent) -> dict[str, Any]:
    """What a sample takes, and 1,000 of them by what was spent: a dictionary for JSON, NaN for what is not known.

    Keys: parameters, weight_bytes, call_flops, steps, calls (None for a solver that finds out on its way), and for
    1,000 samples flops, seconds, kwh, grams; peak_bytes of the process that drew them.

    >>> import fromnoise as fn
    >>> found = cost(fn.load("swissroll"), Spent(500, 2.0, math.nan))
    >>> found["seconds"], found["flops"] == 1000 * found["calls"] * found["call_flops"]
    (4.0, True)
    """
    weights = list(model.network.state_dict().values())
    each, calls = call_flops(model), model.calls()
    many = 1000 / spent.samples if spent.samples else math.nan
    return {
        "parameters": sum(part.numel() for part in model.network.parameters()),
        "weight_bytes": sum(part.numel() * part.element_size() for part in weights),
        "call_flops": each,
        "steps": model.steps(),
        "calls": calls,
        "flops": math.nan if calls is None else 1000.0 * calls * each,
        "seconds": many * spent.seconds,
        "kwh": many * spent.energy,
        "grams": many * spent.energy * GRAMS,
        "peak_bytes": spent.peak or math.nan,
    }
