"""The compiled kernels are built once, are trusted only where nobody else may write, and can do without a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fromnoise.networks import UNet
from fromnoise.networks.blocks import layout
from fromnoise.networks.native import build, library

# Only a missing compiler excuses: kernels that cannot be built or loaded are a failure.
without = sys.platform != "linux" or not (shutil.which("cc") or shutil.which("gcc"))
needs_kernels = pytest.mark.skipif(without, reason="there is no C compiler here")


@needs_kernels
def test_there_are_kernels() -> None:
    assert build.why_none() == ""
    assert library() is not None


def gap(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def network_gradient(dtype: torch.dtype | None) -> Tensor:
    torch.manual_seed(1)
    net = UNet((1, 16, 16), width=32, multiples=(1, 2), attention=(False, True), blocks=1)
    for part in net.parameters():
        torch.nn.init.normal_(part, std=0.1)  # nothing starts at zero, so that every part has a gradient
    x, time = torch.randn(4, 1, 16, 16), torch.rand(4)
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        y = net(x, time)
    (y.float() - torch.randn_like(x)).square().mean().backward()
    return torch.cat([part.grad.flatten() for part in net.parameters()])


@needs_kernels
def test_a_networks_gradient_is_that_of_plain_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, half = network_gradient(None), network_gradient(torch.bfloat16)
    for user in ("native.norm", "blocks"):
        monkeypatch.setattr(f"fromnoise.networks.{user}.library", lambda: None)
    assert layout(torch.zeros(1)) == torch.contiguous_format
    plain = network_gradient(None)
    assert 0 < gap(fast, plain) < 1e-5  # 0 would mean that the kernel was not used
    assert gap(half, plain) < 2e-2


@pytest.mark.parametrize("way", ["off", "no compiler", "broken compiler", "another library", "writable by others"])
def test_where_there_can_be_no_kernels(way: str, tmp_path: Path) -> None:
    """In a process of its own: what was loaded once stays loaded."""
    env = {**os.environ, "FROMNOISE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    if way == "off":
        env["FROMNOISE_NATIVE"] = "0"
    if way == "no compiler":
        env["PATH"], env["CC"] = str(tmp_path), "nothing"
    if way == "broken compiler":
        (tmp_path / "cc").write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho no such thing >&2; exit 1\n')
        (tmp_path / "cc").chmod(0o700)
        env["CC"] = str(tmp_path / "cc")
    if way == "another library":  # without the kernels
        (tmp_path / "cc").write_text(
            f'#!/bin/sh\nexec {shutil.which("cc") or "gcc"} "$@" -Dnorm_forward_float32=other\n'
        )
        (tmp_path / "cc").chmod(0o700)
        env["CC"] = str(tmp_path / "cc")
    if way == "writable by others":
        (tmp_path / "cache" / "native").mkdir(parents=True)
        (tmp_path / "cache" / "native").chmod(0o777)
    script = (
        "import logging, torch; logging.basicConfig(level=logging.INFO)\n"
        "from fromnoise.networks import UNet; from fromnoise.networks.native import library\n"
        "print(library(), UNet((1, 8, 8), width=8, multiples=(1,))(torch.zeros(1, 1, 8, 8), torch.zeros(1)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("None torch.Size([1, 1, 8, 8])")
    assert done.stderr.count("no compiled kernels") == 1


@needs_kernels
def test_the_library_is_built_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path))
    assert build._load() is not None
    (kept,) = (tmp_path / "native").iterdir()
    before = kept.stat().st_mtime_ns
    assert build._load() is not None
    assert kept.stat().st_mtime_ns == before
    whole = kept.read_bytes()
    for length in (7, 5000, len(whole) // 2, len(whole) - 40, len(whole) - 1):  # loaded, it would end the process
        kept.unlink()  # it is mapped here: another file takes its place
        kept.write_bytes(whole[:length])
        kept.chmod(0o700)
        with pytest.raises(OSError, match="is damaged"):
            build._checked(kept)
    assert build._load() is not None
    assert len(kept.read_bytes()) == len(whole)
    kept.chmod(0o722)
    assert build._load() is not None  # built anew: what others may have written is not run
    (kept,) = (tmp_path / "native").iterdir()
    assert kept.stat().st_mode & 0o022 == 0


@needs_kernels
def test_what_was_left_half_built_is_removed_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path))
    for name in ("part-old", "part-new"):
        (tmp_path / "native" / name).mkdir(parents=True)
    (tmp_path / "native").chmod(0o700)
    os.utime(tmp_path / "native" / "part-old", (0, 0))
    assert build._load() is not None
    assert {path.suffix or path.name for path in (tmp_path / "native").iterdir()} == {".so", "part-new"}


@needs_kernels
def test_another_source_or_another_compiler_is_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = str(shutil.which("cc") or shutil.which("gcc"))
    first = build._key(compiler)
    assert build._key(compiler) == first
    (tmp_path / "cc").write_text("#!/bin/sh\necho another\n")
    (tmp_path / "cc").chmod(0o700)
    assert build._key(str(tmp_path / "cc")) != first
    for changed in build.SOURCES:  # headers, too
        (tmp_path / "changed").write_text(changed.read_text() + "\n")
        others = [tmp_path / "changed" if path == changed else path for path in build.SOURCES]
        with monkeypatch.context() as patch:
            patch.setattr(build, "SOURCES", others)
            assert build._key(compiler) != first
