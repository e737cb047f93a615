"""Run the benchmarks, ours and the peers', print a table each and keep the figures.

python benchmarks/bench.py [training sampling points folder start] [--compile] [--quick] [--device D] [--json FILE]

Each runs in a process of its own, so that none finds what another left behind. The figures of the parts that did not
run stay in the file as they were; every part says by itself of what commit, when and where it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from contenders import arguments, write
from machine import kind

HERE = Path(__file__).parent
PARTS = ("training", "sampling", "points", "folder", "start")


def run(part: str, options: list[str]) -> dict[str, Any]:
    """The figures of one benchmark, whose table is printed as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        began = time.perf_counter()
        subprocess.run([sys.executable, str(HERE / f"bench_{part}.py"), *options, "--json", str(path)], check=True)
        found: dict[str, Any] = json.loads(path.read_text())
        return found | {"minutes": (time.perf_counter() - began) / 60}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--compile", action="store_true", help="diffusers' best setting compiled, too: takes minutes")
    args = parser.parse_args()
    for part in args.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}: {', '.join(PARTS)}")
    path = Path(args.json or HERE / "results" / f"bench-{kind(args.device)}.json")
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    shared = ["--device", args.device, *(["--quick"] if args.quick else [])]
    for part in args.parts or PARTS:
        kept[part] = run(part, shared + (["--compile"] if args.compile and part == "training" else []))
        if not args.quick or args.json:
            write(kept, str(path))
        print(f"\n{part} took {kept[part]['minutes']:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
