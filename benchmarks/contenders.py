"""What takes turns here, and how: contenders in one process, one step each a round, so that all see the same machine.

A contender does one whole step of one library in one setting. Medians are compared, spreads are printed, and nothing
else runs between the two readings of the clock. The peers' networks are at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

STANDIN = Path(__file__).with_name("standin")


@dataclass(frozen=True, eq=False)
class Contender:
    """One library in one setting.

    step     does one whole step, whatever that is in this benchmark
    items    what one step deals with: pictures, points, optimiser steps
    facts    what is known of it before it runs, for the table and the JSON
    sound    False once its numbers are worth nothing: weights that are not finite, steps left out
    settle   what goes before each step and is not counted: a step of its own, where others had the caches meanwhile
    """

    library: str
    setting: str
    step: Callable[[], object]
    items: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)
    sound: Callable[[], bool] = lambda: True
    settle: Callable[[], object] = lambda: None

    @property
    def name(self) -> str:
        """The library and the setting in one line."""
        return f"{self.library} {self.setting}"


def in_turn(
    contenders: Sequence[Contender], device: torch.device, *, warm: int, seconds: float, least: int, most: int
) -> dict[str, list[float]]:
    """Seconds of each step of each contender, one step a round and in another order each round.

    After `warm` rounds that do not count, rounds follow until `seconds` have passed, at least `least`, at most `most`.
    """
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    order, shuffle = list(contenders), random.Random(0)
    began = time.perf_counter()
    for number in range(-warm, most):
        if number == 0:
            began = time.perf_counter()
        if number >= least and time.perf_counter() - began > seconds:
            break
        shuffle.shuffle(order)
        for contender in order:
            contender.settle()
            taken = clocked(contender.step, device)
            if number >= 0:
                times[contender.name].append(taken)
    return times


def clocked(step: Callable[[], object], device: torch.device) -> float:
    """Seconds of one step, with all that it gave the device to do."""
    synchronise(device)
    began = time.perf_counter()
    step()
    synchronise(device)
    return time.perf_counter() - began


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def summary(contender: Contender, times: Sequence[float]) -> dict[str, Any]:
    """The figures of a contender: median, best, and the distance between the quartiles, in seconds a step.

    Of fewer than four steps it is that between the longest and the shortest.
    """
    found: dict[str, Any] = {"library": contender.library, "setting": contender.setting, **contender.facts}
    if not contender.sound():
        return found | {"status": "diverged"}
    middle = statistics.median(times)
    low, _, high = statistics.quantiles(times, n=4) if len(times) > 3 else (min(times), middle, max(times))
    found |= {"seconds": middle, "best_seconds": min(times), "spread_seconds": high - low, "steps": len(times)}
    return found | {"items_per_step": contender.items, "per_second": contender.items / middle}


def ratios(rows: Sequence[Mapping[str, Any]], ours: str, *keys: str) -> list[dict[str, Any]]:
    """How many times ours is ahead of each other row, in each of `keys`; rows without figures are left out."""
    whole = [row for row in rows if all(row.get(key) for key in keys)]
    pairs = [(mine, its) for mine in whole for its in whole if mine["library"] == ours != its["library"]]
    return [
        {"ours": mine["setting"], "peer": f"{its['library']} {its['setting']}"} | {k: mine[k] / its[k] for k in keys}
        for mine, its in pairs
    ]


def parameters(network: nn.Module) -> int:
    """The number of its weights."""
    return sum(p.numel() for p in network.parameters())


def finite(network: nn.Module) -> bool:
    """Whether all weights are: one gradient that is not spoils them for good."""
    return all(bool(torch.isfinite(p).all()) for p in network.parameters())


def fitted(
    make: Callable[[int], nn.Module], wanted: int, step: int, size_of: Callable[[nn.Module], int] = parameters
) -> int:
    """The multiple of `step` for which make(width) comes nearest to the wanted size, which grows with its square."""

    def miss(width: int) -> float:
        with torch.device("meta"):
            return abs(math.log(size_of(make(width)) / wanted))

    with torch.device("meta"):
        width = max(1, round(math.sqrt(wanted / size_of(make(4 * step))) * 4)) * step
    while width > step and miss(width - step) < miss(width):
        width -= step
    while miss(width + step) < miss(width):
        width += step
    return width


@dataclass(frozen=True)
class Size:
    """A recipe of ours and, where its own do not do, the shapes of the peers' networks that come nearest to it."""

    recipe: str
    channels: int
    side: int = 32  # of the pictures, in pixels
    ddp: tuple[int, ...] = ()  # multiples of denoising-diffusion-pytorch; () for the recipe's
    azula: tuple[int, ...] = ()  # multiples of azula; () for the recipe's
    azula_blocks: int = 0  # residual blocks a level of azula, down and up; 0 for the recipe's


# The multiples make the peers' FLOPs come near the recipe's once `fitted` has chosen widths for its parameters.
SIZES = {
    "h": Size("mnist-higham", 1, ddp=(1, 1, 2, 3, 3), azula=(1, 1, 1, 2, 2), azula_blocks=4),
    "ho": Size("cifar10-ho", 3, ddp=(1, 2, 3), azula=(1, 2, 2, 2), azula_blocks=2),
    "mnist": Size("mnist", 1, 28),
}


SizeOf = Callable[[nn.Module], int]


def diffusers_network(
    size: Size,
    options: Mapping[str, Any],
    wanted: int,
    *,
    best: bool = False,
    size_of: SizeOf = parameters,
    device: torch.device | None = None,
) -> nn.Module:
    """UNet2DModel of our recipe's shape, on a device or the CPU.

    Its attention heads are 8 channels wide, as by default there; the `best` have 64, and on a CPU plain attention.
    """
    from diffusers import UNet2DModel
    from diffusers.models.attention_processor import Attention, AttnProcessor

    multiples = options["multiples"]
    attends = options.get("attention") or [False] * len(multiples)

    def make(width: int) -> nn.Module:
        looking = [width * multiple for multiple, looks in zip(multiples, attends, strict=True) if looks]
        return UNet2DModel(
            sample_size=size.side,
            in_channels=size.channels,
            out_channels=size.channels,
            block_out_channels=tuple(width * multiple for multiple in multiples),
            layers_per_block=options["blocks"],
            down_block_types=tuple("AttnDownBlock2D" if looks else "DownBlock2D" for looks in attends),
            up_block_types=tuple("AttnUpBlock2D" if looks else "UpBlock2D" for looks in reversed(attends)),
            attention_head_dim=min(64 if best else 8, width * multiples[-1], *looking),
            norm_num_groups=math.gcd(32, width),
            dropout=options.get("dropout", 0.0),
        )

    network = make(fitted(make, wanted, 8, size_of))
    for part in network.modules():
        if best and plain_attention(device) and isinstance(part, Attention):
            part.set_processor(AttnProcessor())
    return network.to(device)


def plain_attention(device: torch.device | None) -> bool:
    """Whether attention as matrix products is faster than PyTorch's fused one: in bfloat16 on a CPU."""
    return device is None or device.type == "cpu"


def best_attention(device: torch.device) -> str:
    """What the settings of diffusers' best attention are called."""
    return f"heads of 64{', plain attention' if plain_attention(device) else ''}"


def ddp_network(size: Size, options: Mapping[str, Any], wanted: int, *, size_of: SizeOf = parameters) -> nn.Module:
    """The Unet of denoising-diffusion-pytorch; its linear attention at every level but the last stays as it is."""
    with torchvision():
        from denoising_diffusion_pytorch import Unet

    def make(width: int) -> nn.Module:
        multiples = size.ddp or tuple(options["multiples"])
        return Unet(width, dim_mults=multiples, channels=size.channels, dropout=options.get("dropout", 0.0))

    return make(fitted(make, wanted, 4, size_of))


def small_network(size: Size, options: Mapping[str, Any], wanted: int) -> nn.Module:
    """The Unet of smalldiffusion, which is Ho et al.'s, its input scaled as in its examples: widths in steps of 32."""
    with torchvision():
        from smalldiffusion import Scaled, Unet

    multiples = tuple(options["multiples"])
    looking = tuple(size.side >> level for level, looks in enumerate(options.get("attention") or ()) if looks)

    def make(width: int) -> nn.Module:
        return Scaled(Unet)(
            size.side, size.channels, size.channels, ch=width, ch_mult=multiples, num_res_blocks=options["blocks"],
            attn_resolutions=looking, dropout=options.get("dropout", 0.0),
        )  # fmt: skip

    return make(fitted(make, wanted, 32))


class AzulaBackbone(nn.Module):
    """azula's UNet, steered by its sine encoding of the time through two layers; it has no attention to offer."""

    def __init__(self, unet: nn.Module, encoding: nn.Module, features: int) -> None:
        super().__init__()
        self.unet, self.encoding = unet, encoding
        self.steer = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, features))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x (B, C, H, W), time (B,) -> (B, C, H, W)."""
        return self.unet(x, self.steer(self.encoding(time)))


def azula_network(size: Size, options: Mapping[str, Any], wanted: int) -> nn.Module:
    """The UNet of azula with its default layer normalisation, and at most 256 features of the time."""
    from azula.nn.layers import SineEncoding
    from azula.nn.unet import UNet

    multiples = size.azula or options["multiples"]
    blocks = [size.azula_blocks or options["blocks"]] * len(multiples)

    def make(width: int) -> nn.Module:
        widths, features = [width * multiple for multiple in multiples], min(256, 4 * width)
        dropout = options.get("dropout") or None
        unet = UNet(
            size.channels, size.channels, hid_channels=widths, hid_blocks=blocks, mod_features=features, dropout=dropout
        )
        return AzulaBackbone(unet, SineEncoding(features), features)

    return make(fitted(make, wanted, 4))


@contextlib.contextmanager
def torchvision() -> Iterator[None]:
    """Where torchvision is not installed, a stand-in takes its place, only while peers that ask for it are imported.

    Afterwards it is gone again: libraries that can do without torchvision must not think that it is there.
    """
    if find_spec("torchvision"):
        yield
        return
    sys.path.append(str(STANDIN))
    try:
        yield
    finally:
        sys.path.remove(str(STANDIN))
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]


def load() -> None:
    """Import all peers and what ours imports late, so that their code is in no contender's memory."""
    import accelerate  # noqa: F401
    import azula.denoise
    import azula.nn.unet  # noqa: F401
    from diffusers import DDPMScheduler, UNet2DModel  # noqa: F401
    from diffusers.models.attention_processor import AttnProcessor  # noqa: F401

    with torchvision():
        import denoising_diffusion_pytorch  # noqa: F401
        import smalldiffusion  # noqa: F401


def table(title: str, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print rows under a title; `columns` maps a key to its heading, and a row without the key gets a dash."""
    cells = [list(columns.values()), *([_cell(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    print(f"\n{title}")
    for line in cells:
        print("  " + "  ".join(_aligned(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}" if abs(value) >= 1e-3 or not value else f"{value:.2e}"


def _aligned(cell: str, width: int) -> str:
    number = cell[:1].isdigit() or cell[:1] in "-+"
    return cell.rjust(width) if number else cell.ljust(width)


def arguments(about: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it works, not how fast")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    return parser


def device_of(args: argparse.Namespace) -> torch.device:
    """The device that was asked for; accelerate, which would take a GPU where there is one, is told."""
    if args.device == "cpu":
        os.environ["ACCELERATE_USE_CPU"] = "1"
    return torch.device(args.device)


def write(found: Mapping[str, Any], path: str | None) -> None:
    """Write the figures as JSON, if there is somewhere to."""
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(found, indent=1) + "\n")
