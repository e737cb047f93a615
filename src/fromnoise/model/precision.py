"""Which precision is the fast one on this machine: measured, not guessed from names."""

from __future__ import annotations

import contextlib
import copy
import json
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.errors import UserError
from fromnoise.folders import cache_folder
from fromnoise.model.store import read_json, write_file
from fromnoise.networks import ours

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("auto", "fp32", *TYPES)
GAIN = 1.3
"""bfloat16 is chosen where it makes convolutions faster by this: below it the rest of a step eats the gain."""


def chosen(precision: str, kind: str, device: torch.device) -> str:
    """The precision itself, or for "auto" what suits data of this kind on this device.

    Images and fields go through convolutions: bf16 where these are faster by `GAIN` in it. Points and tables go through
    small matrices, where there is nothing to gain: fp32. Raises UserError for another word.

    >>> chosen("auto", "points", torch.device("cpu")), chosen("bf16", "points", torch.device("cpu"))
    ('fp32', 'bf16')
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision is {', '.join(PRECISIONS)}, not {precision!r}")
    if precision != "auto":
        return precision
    if kind == "points":
        return "fp32"
    return _known().get(_here(device)) or decided(device, convolution_rates(device))


def convolution_rates(device: torch.device) -> dict[str, float]:
    """TFLOP/s of convolutions on this device, measured now, by precision."""
    return {name: convolution_rate(name, device) for name in ("fp32", "bf16")}


def decided(device: torch.device, rates: Mapping[str, float]) -> str:
    """bf16 or fp32, whichever makes convolutions fast at these rates, kept in the cache folder for this device.

    What was decided once is used from then on: a seed gives the same samples tomorrow, however busy the machine.
    """
    found = "bf16" if rates["bf16"] > GAIN * rates["fp32"] else "fp32"
    with contextlib.suppress(UserError, RuntimeError):  # nowhere to keep it
        write_file(cache_folder() / "precision.json", json.dumps(_known() | {_here(device): found}).encode())
    return found


def _known() -> dict[str, str]:
    """What was measured before, by machine."""
    with contextlib.suppress(UserError, RuntimeError):
        return {
            key: value for key, value in read_json(cache_folder() / "precision.json").items() if value in PRECISIONS
        }
    return {}


def _here(device: torch.device) -> str:
    """The device as far as its speed goes."""
    if device.type == "cuda":
        # "at work": before, launches were what was measured.
        return f"{torch.cuda.get_device_name(device)} at work, torch {torch.__version__}"
    versions = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    return " ".join([device.type, platform.machine(), *instructions(), versions])


def instructions() -> list[str]:
    """Which instructions the processor has of those that decide the speed here."""

    def has(name: str) -> bool:
        found = getattr(torch.cpu, f"_is_{name}_supported", None)
        return found is not None and bool(found())

    return [name for name in ("avx2", "avx512", "avx512_bf16", "amx_tile") if has(name)]


def convolution_rate(precision: str, device: torch.device) -> float:
    """TFLOP/s of a 3x3 convolution, channels-last, forward and backward, measured now.

    Of 64 channels on a CPU; on a GPU so large that it is not its launch that is measured.

    >>> convolution_rate("fp32", torch.device("cpu")) > 0
    True
    """
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller's mode is
        kind = TYPES.get(precision, torch.float32)
        n, side, width = (16, 16, 64) if device.type == "cpu" else (256, 32, 128)
        x = torch.ones(n, width, side, side, device=device, dtype=kind).to(memory_format=torch.channels_last)
        weight = torch.ones(width, width, 3, 3, device=device, dtype=kind).requires_grad_()
        up = torch.ones_like(x)
        x.requires_grad_()

        def call() -> None:
            torch.autograd.grad(F.conv2d(x, weight, padding=1), (x, weight), up)

        return 3 * 2 * n * side**2 * width**2 * 9 / seconds(call, device) / 1e12


def seconds(call: Callable[[], Any], device: torch.device) -> float:
    """The shortest of ten calls after two to warm up: what else the machine does only makes them longer."""
    times = []
    for _ in range(12):
        began = time.perf_counter()
        call()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        times.append(time.perf_counter() - began)
    return min(times[2:])


class Lowered:
    """The copy of a network whose matrices have the type that autocast would cast them to at every call.

    It is made at first use, and anew where the network has other weights, parts or hooks by then; one that was handed
    out stays as it is. Only networks of this package have one: others may use their weights in their own ways.

    >>> from fromnoise.networks import UNet
    >>> network, lowered = UNet((1, 8, 8), width=8, multiples=(1,)), Lowered()
    >>> lowered(network, "fp32") is network, lowered(network, "bf16").door.weight.dtype
    (True, torch.bfloat16)
    """

    def __init__(self) -> None:
        self.key: object = None
        self.copy: nn.Module | None = None

    def __call__(self, network: nn.Module, precision: str) -> nn.Module:
        """What is called for `network`, with the weights that it has now, in this precision, within `casting`."""
        if precision not in TYPES or not ours(network):
            return network
        with torch.inference_mode(False), torch.no_grad():
            found, key = self.copy, (precision, [_build(part) for part in network.modules()], _fingerprint(network))
            if found is None or self.key != key:
                found = copy.deepcopy(network)
                for part in found.modules():
                    if isinstance(part, nn.Conv2d | nn.Linear):
                        part.to(TYPES[precision])
                self.copy, self.key = found, key
        return found


def _build(part: nn.Module) -> tuple[object, ...]:
    """What a copy of the part has taken over beside its numbers."""
    hooks = (*part._forward_hooks, *part._forward_pre_hooks)
    kinds = [(value.shape, value.device) for value in (*part.parameters(False), *part.buffers(False))]
    return id(part), type(part), part.training, hooks, kinds


def _fingerprint(network: nn.Module) -> list[tuple[int, int, float]]:
    """What shows that numbers have changed: where they are, how often they were changed, and their norms.

    Changes past autograd, by `.data` or NumPy, are not counted there; norms show them, if not a change of signs.
    """
    numbers = [part for part in (*network.parameters(), *network.buffers()) if part.is_floating_point()]
    norms = torch.stack(torch._foreach_norm(numbers)).tolist() if numbers else []
    counts = [(part.data_ptr(), 0 if part.is_inference() else part._version) for part in numbers]
    return [(*count, norm) for count, norm in zip(counts, norms, strict=True)]


def cast(network: nn.Module, precision: str) -> Callable[..., Tensor]:
    """Calls of a network in this precision, on its device.

    >>> cast(nn.Linear(2, 2), "bf16")(torch.ones(2, 2)).dtype
    torch.bfloat16
    """

    def called(*given: Tensor | None) -> Tensor:
        device = next((p.device for p in network.parameters()), torch.device("cpu"))
        with casting(precision, device):
            return network(*given)

    return called


def casting(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The context in which a network runs in this precision ("auto" is not one).

    >>> with casting("bf16", torch.device("cpu")):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, TYPES[precision])
