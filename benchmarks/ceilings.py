"""What this machine can do at best: matrix products, and the very convolutions of a network one by one.

python benchmarks/ceilings.py [--recipe mnist-higham] [--batch 64] [--quick] [--json FILE]
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from contenders import arguments, clocked, device_of, synchronise, table, write
from machine import here
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import fromnoise as fn
from fromnoise.model import Facts
from fromnoise.model.assembly import make_network

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
PARTS = {"forward": None, "input gradient": [True, False, False], "weight gradient": [False, True, False]}
Rates = dict[str, float]


@dataclass(frozen=True)
class Convolution:
    """One part of one convolution: its shapes and settings, as PyTorch's operation takes them."""

    part: str  # a key of PARTS
    x: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def sides(self) -> list[int]:
        """Height and width of what comes out."""
        terms = zip(self.x[2:], self.weight[2:], self.stride, self.padding, self.dilation, strict=True)
        return [(size + 2 * pad - gap * (kernel - 1) - 1) // stride + 1 for size, kernel, stride, pad, gap in terms]

    @property
    def flops(self) -> int:
        """Two for each product: the same for all three parts."""
        each = self.weight[1] * self.weight[2] * self.weight[3] * self.weight[0]
        return 2 * self.x[0] * self.sides[0] * self.sides[1] * each

    def call(self, kind: torch.dtype, layout: torch.memory_format, device: torch.device) -> Callable[[], object]:
        """This part on numbers of one type that lie in one way, ready to be timed."""

        few = torch.randn(4093, device=device).to(kind)  # repeated: to draw them all would take longer than to time

        def made(*shape: int) -> torch.Tensor:
            size = math.prod(shape)
            return few.repeat(size // len(few) + 1)[:size].view(shape).contiguous(memory_format=layout)

        x, weight = made(*self.x), made(*self.weight)
        rest = (list(self.stride), list(self.padding), list(self.dilation), False, [0, 0], self.groups)
        if self.part == "forward":
            return partial(torch.ops.aten.convolution, x, weight, None, *rest)
        up = made(self.x[0], self.weight[0], *self.sides)
        return partial(torch.ops.aten.convolution_backward, up, x, weight, None, *rest, PARTS[self.part])


class _Seen(TorchDispatchMode):
    """Counts the convolutions of a network, forward and backward, and what of their gradients is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[Convolution] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self._add(["forward"], args[0], args[1], args[3:])
        elif func is torch.ops.aten.convolution_backward.default:
            asked = [part for part, mask in zip(list(PARTS)[1:], args[10], strict=False) if mask]
            self._add(asked, args[1], args[2], args[4:])
        return func(*args, **(kwargs or {}))

    def _add(self, parts: list[str], x: torch.Tensor, weight: torch.Tensor, rest: Any) -> None:
        stride, padding, dilation, _, _, groups = rest[:6]
        shape = (tuple(x.shape), tuple(weight.shape), tuple(stride), tuple(padding), tuple(dilation), groups)
        self.found.update(Convolution(part, *shape) for part in parts)


def convolutions(network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], *shape: int) -> Counter[Convolution]:
    """Every convolution of a training step on pictures (B, C, H, W), and how often: run on shapes without numbers.

    `network` must lie on the device "meta".
    """
    seen = _Seen()
    with torch.device("meta"), seen:
        network(torch.empty(shape), torch.empty(shape[0])).sum().backward()
    return seen.found


def convolution_ceiling(found: Counter[Convolution], device: torch.device, rounds: int) -> dict[str, Any]:
    """GFLOP/s if each part of each convolution ran, alone, as fast as it does at best on this machine.

    Each distinct part is timed alone, both ways that pictures can lie, in both types, once a round; its best round
    counts, and of these the better way; "best" takes the better type as well. Each weighs as often as it is used.
    """
    best: dict[tuple[Convolution, str], float] = {}
    repeats = 20 if device.type == "cuda" else 1  # on a GPU one call would be timed with its launch
    for number in range(rounds):
        for part in found:
            for name, kind in TYPES.items():
                for layout in LAYOUTS.values():
                    call = part.call(kind, layout, device)
                    if not number:
                        call()  # what is made at first use does not count
                    taken = clocked(partial(_repeated, call, repeats), device) / repeats
                    best[part, name] = min(taken, best.get((part, name), taken))
    work = sum(part.flops * times for part, times in found.items())
    seconds = {name: sum(best[part, name] * times for part, times in found.items()) for name in TYPES}
    seconds["best"] = sum(min(best[part, name] for name in TYPES) * times for part, times in found.items())
    rates: dict[str, Any] = {name: work / taken / 1e9 for name, taken in seconds.items()}
    return rates | {"gflop_per_step": work / 1e9, "distinct": len(found)}


def _repeated(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def matrix_size(device: torch.device) -> int:
    """The side of matrices that are large enough to show a device's best, and no larger."""
    return 8192 if device.type == "cuda" else 2048


def matrix_ceiling(device: torch.device, size: int, rounds: int) -> Rates:
    """GFLOP/s of a product of two square matrices, for each type: the best of `rounds`."""
    rates = {}
    for name, kind in TYPES.items():
        a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
        torch.mm(a, b)
        synchronise(device)
        rates[name] = 2 * size**3 / min(clocked(partial(torch.mm, a, b), device) for _ in range(rounds)) / 1e9
    return rates


def show(name: str, matrix: Rates, convolution: dict[str, Any]) -> None:
    """Print both ceilings."""
    rows = [{"of": "matrix product", **matrix}, {"of": f"the convolutions of {name}", **convolution}]
    table("Ceilings, GFLOP/s", rows, {"of": "", "float32": "float32", "bfloat16": "bfloat16", "best": "best of both"})


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--recipe", default="mnist-higham")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--side", type=int, default=32, help="of the pictures, in pixels")
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    device, rounds = device_of(args), 1 if args.quick else 3
    size = 128 if args.quick else matrix_size(device)
    config = fn.recipe(args.recipe).override({"network.width": 32} if args.quick else {})
    shape = (args.channels, args.side, args.side)
    network: nn.Module = make_network(config, Facts("images", shape, 1)).to("meta")
    found = convolutions(network, 2 if args.quick else args.batch, *shape)
    matrix, convolution = matrix_ceiling(device, size, 4 * rounds), convolution_ceiling(found, device, rounds)
    show(args.recipe, matrix, convolution)
    write({**here(), "recipe": args.recipe, "matrix": matrix, "convolutions": convolution}, args.json)


if __name__ == "__main__":
    main()
