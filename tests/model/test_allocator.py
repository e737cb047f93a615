"""Kept memory is not fetched from the system again; told in a process of its own, where it changes nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from fromnoise.model.allocator import keep_memory
told = keep_memory() if sys.argv[1] == "keep" else False
def step():
    for _ in range(4):
        torch.ones(2_000_000)  # 8 MB, given back at once unless the C library was told
for _ in range(20):
    step()  # until the heap has grown to what a step needs
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str, **env: str) -> tuple[str, int]:
    """What keep_memory said, and the page faults of 20 tensors of 8 MB."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, word], capture_output=True, text=True, env=os.environ | env)
    assert done.returncode == 0, done.stderr
    told, number = done.stdout.split()
    return told, int(number)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is told, and nobody else")
def test_freed_memory_is_used_again() -> None:
    told, kept = faults("keep", MALLOC_MMAP_THRESHOLD_="131072")
    _, fetched = faults("not", MALLOC_MMAP_THRESHOLD_="131072")
    assert told == "True"
    assert kept < fetched / 10


LARGE = """
import resource, torch
from fromnoise.model.allocator import keep_memory
keep_memory()
def step():
    held = [torch.empty(16_000_000) for _ in range(40)]  # 2.6 GB of addresses, and a page of each 4 MB that is written
    for part in held:
        part[:: 2**20] = 1
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is told, and nobody else")
def test_more_than_two_gibibytes_are_kept_too() -> None:
    found = {}
    for native in ("1", "0"):  # 0: nothing is told
        env = {**os.environ, "FROMNOISE_NATIVE": native, "MALLOC_MMAP_THRESHOLD_": "131072"}
        done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        found[native] = int(done.stdout)
    assert found["1"] < found["0"] / 5


def test_it_can_be_left_alone() -> None:
    assert faults("keep", FROMNOISE_NATIVE="0")[0] == "False"
