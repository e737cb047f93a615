"""The command as a process of its own: streams that close, signals, what is imported and how long it takes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import IMAGES, POINTS, write_table

pytestmark = pytest.mark.slow  # each starts the command as a process of its own

FROMNOISE = [sys.executable, "-m", "fromnoise"]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
"""Buffered, as usual: what cannot be written would be heard of at the interpreter's end only."""


def run(line: str, **how) -> subprocess.CompletedProcess[str]:
    """`python -m fromnoise LINE`, in the current folder."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.run(
        [*FROMNOISE, *line.split()], text=True, timeout=120, check=False, env={**os.environ, **ENVIRONMENT}, **how
    )


def test_a_module_is_the_command(place):
    done = run("train swissroll --out run --data.n 50 --train.batch 8 --quiet --train.steps 2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines()[0].startswith("50 points of 2 numbers")


def test_a_mistake_has_no_traceback(place):
    done = run("train nosuch/ --out run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fromnoise: no such file or folder: nosuch/; check the path\n"


def test_no_words_at_all(place):
    done = run("")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fromnoise: which command? ")


def test_a_reader_that_leaves(place):
    """As in `fromnoise recipes | true`: no complaint, and the code that a shell gives for it."""
    environment = {**os.environ, **ENVIRONMENT}
    process = subprocess.Popen([*FROMNOISE, "recipes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), said) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
@pytest.mark.parametrize("line", ["recipes", "recipes swissroll"])
def test_a_full_standard_output(line, place):
    with open("/dev/full", "w") as full:
        done = run(line, stdout=full)
    assert done.returncode == 2
    assert done.stderr == "fromnoise: cannot write: No space left on device\n"


@pytest.mark.skipif(os.name != "posix", reason="closes streams by a shell")
@pytest.mark.parametrize("close", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed(close, place):
    write_table(Path("table.csv"))
    words = " ".join(FROMNOISE)
    line = f"{words} recipes {close} && {words} train table.csv --out run {POINTS.replace('--quiet', '')} {close}"
    done = subprocess.run(["sh", "-c", line], env={**os.environ, **ENVIRONMENT}, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert Path("run/checkpoints/step-00000002").is_dir()


def test_ctrl_c_saves_and_the_same_line_goes_on(place):
    write_table(Path("table.csv"))
    line = f"train table.csv --out run {POINTS} --train.steps 100000 --train.checkpoint_every 100000 --json run.json"
    process = subprocess.Popen(
        [*FROMNOISE, *line.split()], stderr=subprocess.PIPE, text=True, env={**os.environ, **ENVIRONMENT}
    )
    log = Path("run/log.jsonl")
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.stat().st_size > 500):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 130, said
    numbers = json.loads(Path("run.json").read_text())
    step = numbers["step"]
    assert numbers["interrupted"] is True
    assert said.splitlines()[-1] == f"fromnoise: stopped at step {step} and saved; the same line again goes on"
    assert Path(f"run/checkpoints/step-{step:08d}").is_dir()
    done = run(f"train table.csv --out run {POINTS} --train.steps {step + 2}")
    assert f"going on from step {step}" in done.stderr, done.stderr


LIGHT = "import sys; {}; heavy = {{'torch', 'numpy', 'PIL', 'matplotlib', 'rich', 'datasets'}} & {{*sys.modules}}"


@pytest.mark.parametrize(
    "code",
    [
        "import fromnoise",
        "import fromnoise.cli.main",
        "from fromnoise.cli.main import build; [build(name) for name in ('train', 'sample', 'show', 'recipes')]",
        "from fromnoise.cli.main import main; main(['trian'])",
        "from fromnoise.cli.main import main; main(['sample', 'run', '--out', 'a.bmp'])",
        "from fromnoise.cli.main import main; main(['sample', 'run', '--out', 'a.png', '-n', '0'])",
    ],
)
def test_what_is_light_imports_nothing_heavy(code, place):
    code = f"{LIGHT.format(code)}; assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["", "train", "sample", "show", "recipes", "doctor", "demo"])
def test_help_imports_no_torch(command, place):
    words = [*command.split(), "--help"]
    code = f"from fromnoise.cli.main import main\ntry:\n    main({words})\nexcept SystemExit:\n    import sys\n"
    code += "    print(*sorted({'torch', 'numpy', 'matplotlib'} & {*sys.modules}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "\n")
    assert done.stdout.startswith("usage: fromnoise")


def test_how_long_it_takes(place, capsys):
    """Printed, and asserted loosely: machines differ, but nothing heavy takes ten times as long as nothing."""

    def seconds(*words: str) -> float:
        took = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([sys.executable, *words], capture_output=True, timeout=60, check=True)
            took.append(time.perf_counter() - began)
        return min(took)

    python, light, usage = (
        seconds("-c", "pass"),
        seconds("-c", "import fromnoise"),
        seconds("-m", "fromnoise", "--help"),
    )
    with capsys.disabled():
        print(f"\npython {python:.3f} s, import fromnoise {light:.3f} s, fromnoise --help {usage:.3f} s")
    assert usage < 5


def test_images_in_a_process_of_their_own(place):
    """A broken image among good ones: the skip is said once, on stderr."""
    from commands import write_pets

    write_pets(Path("photos"))
    Path("photos/cat/torn.png").write_bytes(b"torn")
    done = run(f"train photos --out run {IMAGES}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0].startswith("left out 1 image that cannot be read: cat/torn.png (")
    assert len(done.stderr.splitlines()) == 3
