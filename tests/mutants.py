"""Breaks each formula on purpose and checks that a test notices; writes docs/mutants.md.

    .venv/bin/python tests/mutants.py

`mutants.toml` lists the faults. Each is put into a copy of src, against which the fast tests of the file that
was changed run, then those of the rooms `process` and `sampling`. Exits with 1 if a fault survives, if
a text to be replaced no longer occurs exactly once, or if the tests fail on the copy without any fault.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("process", "sampling")
CHECK = "import fromnoise, sys; sys.exit(not fromnoise.__file__.startswith(sys.argv[1]))"
HEAD = """# What the tests would notice

Each line is a fault put into the code on purpose, and the first test that fails because of it. The table is
written by `make mutants` (`tests/mutants.py`, from `tests/mutants.toml`), which fails if any fault survives.

| fault | formula | killed by |
|---|---|---|
"""


def faults() -> list[dict[str, str]]:
    """The mutations, each checked to have exactly one place in the source."""
    listed = tomllib.loads((ROOT / "tests/mutants.toml").read_text())["mutation"]
    info = Path("/proc/cpuinfo")
    has = info.read_text() if info.exists() else ""
    listed = [m for m in listed if m.get("needs", "") in has]  # what this processor cannot run it cannot break
    for m in listed:
        found = (ROOT / "src/fromnoise" / m["file"]).read_text().count(m["old"])
        if found != 1:
            sys.exit(f"{m['name']}: its text occurs {found} times in {m['file']}; mend tests/mutants.toml")
    return listed


def suites(changed: str | None) -> list[list[str]]:
    """The mirror of the changed file first, or else its room: most faults die there, within seconds."""
    rooms = [f"tests/{room}" for room in ROOMS]
    if changed is None:
        return [rooms]
    path = ROOT / "tests" / changed
    mirror = path.with_name(f"test_{path.stem}.py")
    near = mirror if mirror.exists() else path.parent if path.parent.exists() else path.parents[1]
    return [[str(near.relative_to(ROOT))], rooms]


def killer(fault: dict[str, str] | None) -> str | None:
    """The first test that fails on a copy of the source with this fault in it; None if all pass."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(ROOT / "src", Path(folder) / "src", ignore=shutil.ignore_patterns("__pycache__"))
        if fault is not None:
            file = copy / "fromnoise" / fault["file"]
            file.write_text(file.read_text().replace(fault["old"], fault["new"]))
        env = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "OMP_NUM_THREADS": "1",
            "LAWS_PROFILE": "mutants",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        subprocess.run([sys.executable, "-c", CHECK, str(copy)], env=env, check=True)
        for tests in suites(fault and fault["file"]):
            command = [sys.executable, "-m", "pytest", *tests, "-x", "-q", "-m", "not slow and not soak"]
            command += ["-p", "no:cacheprovider", "--timeout=120", "--tb=no"]
            run = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
            if run.returncode not in (0, 1):
                sys.exit(f"pytest stopped with {run.returncode}:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
            if run.returncode == 1:
                failed = re.search(r"^(?:FAILED|ERROR) tests/(.+?)(?: - |$)", run.stdout, re.MULTILINE)
                return failed.group(1) if failed else run.stdout[-500:]
    return None


def main() -> int:
    listed, rows = faults(), []
    with ThreadPoolExecutor(2) as pool:
        intact = pool.submit(killer, None)
        for m, test in zip(listed, pool.map(killer, listed), strict=True):
            print(f"{'killed  ' if test else 'SURVIVES'}  {m['name']}  [{m['formula']}]  {test or ''}", flush=True)
            rows.append(f"| {m['name']} | {m['formula']} | {f'`{test}`' if test else '**nothing**'} |")
    if broken := intact.result():
        print(f"without any fault {broken} fails")
        return 1
    survivors = sum("**nothing**" in row for row in rows)
    (ROOT / "docs/mutants.md").write_text(HEAD + "\n".join(rows) + "\n")
    print(f"{len(listed) - survivors} of {len(listed)} faults killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
