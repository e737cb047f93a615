"""fromnoise doctor: what this machine has and can do."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = (
        "The cache holds decoded folders and compiled kernels; $FROMNOISE_CACHE moves it, deleting it is safe."
    )
    parser.add_argument("--json", metavar="FILE", help="write the findings there")


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    from fromnoise.cli.outputs import check_numbers, write_numbers

    check_numbers(args.json)
    found = examine()
    write_numbers(args.json, found)
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name.replace('_', ' '):{width}}  {value if not isinstance(value, float) else f'{value:.3g}'}")


def examine() -> dict[str, Any]:
    """Versions, processors, measured rates in TFLOP/s, and which extras are installed."""
    import importlib.util
    import shutil

    import torch

    import fromnoise
    from fromnoise.folders import cache_folder
    from fromnoise.model.precision import GAIN, convolution_rates, decided, instructions
    from fromnoise.networks.native import tiles, why_none

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    rates = {name: _rate(device, dtype) for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
    convolutions = convolution_rates(device)
    extras = {"video": "imageio_ffmpeg", "tensorboard": "tensorboard"}
    return {
        "fromnoise": fromnoise.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if cuda else "CPU",
        "processor": processor(),
        "instructions": " ".join(instructions()) or torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "memory_GB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if hasattr(os, "sysconf") else 0,
        "free_disk_GB": shutil.disk_usage(".").free / 1e9,
        "matrix_product_fp32_TFLOPs": rates["fp32"],
        "matrix_product_bf16_TFLOPs": rates["bf16"],
        "convolution_fp32_TFLOPs": convolutions["fp32"],
        "convolution_bf16_TFLOPs": convolutions["bf16"],
        "convolution_gain": convolutions["bf16"] / convolutions["fp32"],
        "bf16_above_a_gain_of": GAIN,
        "precision_for_images": decided(device, convolutions),
        "compiled_kernels": f"no: {why_none()}" if why_none() else f"yes, with{'' if tiles() else 'out'} AMX tiles",
        "cache": str(cache_folder()),
        "extras": ", ".join(k for k, v in extras.items() if importlib.util.find_spec(v)) or "none",
    }


def processor() -> str:
    """The processor by name, as far as the system tells."""
    if sys.platform == "darwin":
        asked = subprocess.run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        return asked.stdout.strip() or platform.machine()
    path = Path("/proc/cpuinfo")
    name = _named(path.read_text(errors="replace")) if path.exists() else ""
    return name or platform.processor() or platform.machine()


def _named(cpuinfo: str) -> str:
    """The name of the first processor, or of the board.

    >>> _named("processor : 0\\nmodel name\\t: Xeon(R)\\nflags : amx_bf16")
    'Xeon(R)'
    >>> _named("processor : 0\\nBogoMIPS : 108\\n\\nModel : Raspberry Pi 5"), _named("")
    ('Raspberry Pi 5', '')
    """
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    return facts.get("model name") or facts.get("Model", "")


def _rate(device: Any, dtype: Any) -> float:
    import torch

    from fromnoise.model.precision import seconds

    side = 8192 if device.type == "cuda" else 1024
    a = torch.randn(side, side, device=device).to(dtype)
    return 2 * side**3 / seconds(lambda: a @ a, device) / 1e12
