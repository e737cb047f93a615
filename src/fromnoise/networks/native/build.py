"""Compile the kernels here, at first use, for the processor at hand; where that cannot be, there are none.

Needs a C compiler, Linux, and the OpenMP library that PyTorch itself has loaded: a second one would bring a second
set of threads, and the two would wait for each other. `FROMNOISE_NATIVE=0` turns the kernels off. A process that was
forked after they ran in several threads waits for ever in them, as in PyTorch's own operations: spawn it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from fromnoise.folders import cache_folder

SOURCES = sorted(Path(__file__).parent.glob("*.[ch]"))
# Without -ffast-math: that would drop NaN, and denormals of the whole process.
FLAGS = ["-O3", "-march=native", "-std=c11", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-ffp-contract=fast", "-Wno-psabi"]
SEAL = 32  # bytes of the hash behind a library
PART, DAY = "part-", 86400.0
log = logging.getLogger("fromnoise")


def library() -> ctypes.CDLL | None:
    """The compiled kernels, or None where there can be none; the reason is logged once, at level INFO."""
    return _found()[0]


def why_none() -> str:
    """Why there are no compiled kernels; "" where there are.

    >>> (why_none() == "") == (library() is not None)
    True
    """
    return _found()[1]


@functools.cache
def _found() -> tuple[ctypes.CDLL | None, str]:
    try:
        return _load(), ""
    except (OSError, AttributeError, subprocess.SubprocessError, RuntimeError, ValueError) as error:
        # RuntimeError: no home; ValueError: names that are no text; AttributeError: a kernel is not in the library
        log.info("no compiled kernels: %s", error)
        return None, str(error)


def _load() -> ctypes.CDLL:
    if os.environ.get("FROMNOISE_NATIVE", "1") == "0":
        raise OSError("FROMNOISE_NATIVE is 0")
    if not sys.platform.startswith("linux"):
        raise OSError("they are built on Linux only")
    ctypes.CDLL(_openmp(), mode=ctypes.RTLD_GLOBAL)  # so that the kernels find PyTorch's threads
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
    if compiler is None:
        raise OSError("there is no C compiler")
    path = _folder() / f"{_key(compiler)}.so"
    try:
        descriptor = _checked(path)
    except OSError:  # not there yet, damaged, or not to be trusted
        _compile(compiler, path)
        descriptor = _checked(path)
    return _opened(descriptor)


def _checked(path: Path) -> int:
    """The library, opened for reading. Raises OSError where others may have written it, or where a part is missing.

    What is checked is the open file, which is loaded then: nobody can put another into its place meanwhile. A library
    that lacks its end is loaded without a complaint, and ends the process as soon as the end is needed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _trusted(path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read()
        if _sealed(content[:-SEAL]) != content:
            raise OSError(f"{path} is damaged")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _sealed(library: bytes) -> bytes:
    """The library and, behind its end, where the loader does not look, its hash."""
    return library + hashlib.blake2b(library, digest_size=SEAL).digest()


def _opened(descriptor: int) -> ctypes.CDLL:
    """The library, if it normalises -1 and 1 to themselves.

    The descriptor stays open: another file under its number would be taken for the library that is loaded already.
    """
    try:
        found = ctypes.CDLL(f"/proc/self/fd/{descriptor}")
    except OSError:
        os.close(descriptor)
        raise
    row = ctypes.c_float * 2
    x, y, one, zero, stats = row(-1, 1), row(), row(1), row(0), row()
    sizes = [ctypes.c_long(size) for size in (1, 2, 1, 1)]
    found.norm_forward_float32(x, None, one, zero, y, stats, *sizes, 0, ctypes.c_float(0), 1)
    if list(y) != [-1, 1]:
        raise OSError("the compiled kernels give wrong numbers")
    return found


def _openmp() -> str:
    """The path of the OpenMP library in this process."""
    lines = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    mapped = {Path(line[5]) for line in lines if len(line) == 6}
    found = sorted(path for path in mapped if re.match(r"lib[gi]?omp\d*[-.]", path.name) and path.exists())
    if not found:
        raise OSError("PyTorch brought no OpenMP library")
    own = Path(torch.__file__).parent.parent  # torch/lib or torch.libs; other packages may bring one of their own
    return str(next((path for path in found if own in path.parents and "torch" in str(path)), found[0]))


def _folder() -> Path:
    folder = cache_folder() / "native"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _trusted(folder, folder.stat())
    return folder


def _trusted(path: Path, found: os.stat_result) -> None:
    """Refuse what somebody else may have written: it would be run."""
    if found.st_uid != os.getuid():
        raise OSError(f"{path} belongs to the user {found.st_uid}, not to you ({os.getuid()})")
    if found.st_mode & 0o022:
        raise OSError(f"{path} may be written by others")


def _key(compiler: str) -> str:
    """A name that changes with the source, the flags, the compiler and the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    parts = [*(path.read_text() for path in SOURCES), *FLAGS, version, platform.machine(), *processor]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()


def _compile(compiler: str, path: Path) -> None:
    """Compile the sources once for each type; the library appears whole or not at all."""
    _sweep(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=PART) as folder:
        objects = []
        for source in (path for path in SOURCES if path.suffix == ".c"):
            for name, define in (("float32", []), ("bfloat16", ["-DBFLOAT16"])):
                objects.append(f"{folder}/{source.stem}_{name}.o")
                _call([compiler, *FLAGS, *define, "-c", str(source), "-o", objects[-1]])
        # -fopenmp is left out here: it would link the system's OpenMP library beside PyTorch's.
        _call([compiler, "-shared", *objects, "-o", f"{folder}/library.so", "-lm"])
        with open(f"{folder}/sealed.so", "wb") as file:
            file.write(_sealed(Path(folder, "library.so").read_bytes()))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(f"{folder}/sealed.so", 0o700)
        os.replace(f"{folder}/sealed.so", path)


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half built, once it is a day old."""
    for part in folder.glob(f"{PART}*"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > DAY:
                shutil.rmtree(part)


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise OSError(f"{Path(command[0]).name} failed: {' '.join(done.stderr.split())[:200]}")
