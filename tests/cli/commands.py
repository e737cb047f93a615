"""Command lines run in this process, what they said, and the data that they are given."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fromnoise.cli.main import main

SHORT = "--quiet --schedule.T 8 --sample.steps 0 --train.batch 4 --train.steps 2 --train.log_every 1 --train.warmup 0"
POINTS = f"{SHORT} --network.name mlp --network.width 8 --network.depth 1 --network.fourier 2"
IMAGES = f"{SHORT} --network.name unet --network.width 8 --network.multiples [1] --network.blocks 1 --data.size 8"


class Said(NamedTuple):
    """The exit code of a command and what it wrote."""

    code: object
    out: str
    err: str


def call(line: str, *more: str) -> Said:
    """Run `fromnoise LINE MORE...` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: object = main([*shlex.split(line), *more])
        except SystemExit as end:
            code = end.code
    return Said(code, out.getvalue(), err.getvalue())


def done(line: str, *more: str) -> Said:
    """Run a command that must succeed."""
    said = call(line, *more)
    assert said.code == 0, said.err
    return said


def refused(line: str, says: str, *more: str, new: frozenset[str] = frozenset()) -> str:
    """Run a command that must end in one line and code 2, and leave all files as they are; gives the line.

    `new` are files that it may leave.
    """
    before = snapshot()
    said = call(line, *more)
    lines = said.err.splitlines()
    assert said.code == 2, said.err
    assert len(lines) == 1, said.err
    assert lines[0].startswith("fromnoise: ")
    assert re.search(says, lines[0]), lines[0]
    after = snapshot()
    assert {name: after.get(name) for name in before} == before
    assert not {*after} - {*before} - new
    return lines[0]


def snapshot(folder: Path = Path()) -> dict[str, object]:
    """Every file, link and folder below the current one, with its bytes."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = path.readlink()
        else:
            found[str(path)] = path.read_bytes() if path.is_file() else "folder" if path.is_dir() else "special"
    return found


def write_table(path: Path, n: int = 40) -> None:
    """A table of two columns in units of their own."""
    rows = np.random.default_rng(0).normal([300, 1e-3], [20, 1e-4], (n, 2))
    np.savetxt(path, rows, delimiter=",", header="kelvin,metre", comments="")


def write_image(path: Path, mode: str = "RGB", seed: int = 0, **how: object) -> None:
    """A noisy image of 8 x 8 pixels in any mode."""
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    elif mode != "RGB":
        image = image.convert("L").convert(mode) if mode == "LA" else image.convert(mode)
    image.save(path, **how)  # type: ignore[arg-type]


def write_film(path: Path) -> None:
    """An animated image: a red frame, then a blue one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    red.save(path, save_all=True, append_images=[blue])


def write_pets(folder: Path) -> None:
    """Six cats and six dogs."""
    for kind in ("cat", "dog"):
        for i in range(6):
            write_image(folder / kind / f"{i}.png", seed=i + (kind == "dog"))


def bomb(side: int = 60_000) -> bytes:
    """A PNG of a few bytes that says that it has side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class Touch:
    """Unpickled, it makes the file `unpickled`: a test that finds the file has found code that was run."""

    def __reduce__(self):
        return Path("unpickled").touch, ()
