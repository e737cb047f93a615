"""fromnoise pde: pictures, films and pairs of H section 6."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import done, refused

from fromnoise.pde import FORCINGS, Grid, Problem, pairs


def test_pairs_are_written_with_their_grid():
    done("pde --eta 3 --forcing smooth --cells 20 --steps 30 -n 7 --seed 2 --quiet --out pairs.npz")
    found = np.load("pairs.npz", allow_pickle=False)
    grid = Grid((20,))
    u_0, u_T = pairs(Problem(grid, 3.0, FORCINGS["smooth"], steps=30, seed=2), 7)
    assert np.array_equal(found["u_0"], u_0.numpy())
    assert np.array_equal(found["u_T"], u_T.numpy())
    assert float(found["t"]) == pytest.approx(30 * 0.15 / 400)
    assert np.allclose(found["x"], grid.points[0])
    assert not np.allclose(u_0, u_T, atol=1e-3)


def test_a_pair_is_its_own_in_any_company(monkeypatch):
    monkeypatch.setattr("fromnoise.pde.forward.AT_ONCE", 3)
    problem = Problem(Grid((20,)), steps=20)
    whole, alone = pairs(problem, 7), pairs(problem, 2, first=4)
    for a, b in zip(whole, alone, strict=True):
        assert torch.equal(a[4:6], b)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_profiles_of_several_amplitudes(suffix):
    done(f"pde --cells 10 --steps 16 --eta 0 100 --quiet --out figure.{suffix}")
    assert Path(f"figure.{suffix}").stat().st_size > 5000


def test_what_is_beyond_the_critical_amplitude_is_told():
    said = done("pde --cells 16 --steps 8 --eta 10000 --out a.png")
    assert "eta = 1e+04 is " in said.err
    assert "times the critical one on this grid" in said.err
    assert "critical" not in done("pde --cells 16 --steps 8 --eta 100 --out a.png").err
    assert "critical" not in done("pde --cells 16 --steps 8 --eta 1e5 --dt 1e-18 --out a.png").err


def test_a_film_and_the_shares():
    done("pde --cells 10 --steps 30 --eta 100 --quiet --out film.webp")
    assert Path("film.webp").read_bytes()[8:12] == b"WEBP"
    done("pde --cells 10 --steps 30 --shares --quiet --out shares.png")
    assert Path("shares.png").read_bytes()[:4] == b"\x89PNG"


def test_a_map_back_is_learned_and_judged(monkeypatch):
    """A tiny one: the folder, the picture, the numbers, and that the same line again only judges."""
    monkeypatch.setattr("fromnoise.cli.pde_backward.FRESH", 60)
    line = "pde --eta 1000 --cells 8 --steps 10 -n 200 --learn-backward --out psi --quiet "
    line += "--train.steps 4 --train.batch 16 --network.width 8"
    said = done(line)
    assert "linear regression" in said.out
    assert "ranks of modes 1 to 5: p =" in said.out
    numbers = json.loads(Path("psi/backward.json").read_text())
    assert len(numbers["p"]) == 5
    assert set(numbers["scores"]) == {"network", "regression", "nearest"}
    assert numbers["worse"]["regression"][0] == pytest.approx(
        numbers["scores"]["regression"][0] - numbers["scores"]["network"][0]
    )
    assert Path("psi/backward.png").read_bytes()[:4] == b"\x89PNG"
    before = Path("psi/run/log.jsonl").read_bytes()
    assert done(line).out == said.out
    assert Path("psi/run/log.jsonl").read_bytes() == before
    refused(line.replace("200", "300"), "psi holds 200 pairs, not 300: ask for as many")
    refused(line.replace("1000", "900"), "psi holds the pairs of another problem: give another --out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--out a.txt", "use .png, .svg, .pdf"),
        ("--out a.npz --eta 1 2", "of one amplitude: give --eta once"),
        ("--out a.npz", "of one amplitude"),
        ("--out a.png --eta -1", "not negative, got -1"),
        ("--out a.png --eta 1e99", "at most 1e9, got 1e"),
        ("--out a.png -n 3", "-n is the number of pairs of an .npz"),
        ("--out a.png --forcing wite", "did you mean white"),
        ("--out a.png --scheme implicit", "unknown scheme implicit; did you mean explicit"),
        ("--out a.png --dt 0.1", "at most 5e-05; or use --scheme exponential"),
        ("--out a.png --dt -1", "above 0, got -1$"),
        ("--out a.png --dt 0", "above 0, got 0$"),
        ("--out a.npz --shares", "use .png, .svg or .pdf"),
        ("--out a.png --fields front", "unknown fields front; did you mean fronts"),
        ("--out a.png --learn-backward --eta 1", "writes a folder: give --out a name without a suffix"),
        ("--out a --learn-backward --shares", "give one of them"),
        ("--out a --learn-backward", "a map back is of one amplitude"),
        ("--out a --learn-backward --eta 0", "without noise the way back is one field"),
        ("--out a --learn-backward --eta 1 -n 100", "from at least 200 pairs"),
        ("--out a --learn-backward --eta 1 --fields gaussian", "hold .*% of what is conserved"),
        ("--out a --learn-backward --eta 1 --train.step 4", "did you mean train.steps"),
        ("--out a.png --train.steps 4", "goes with --learn-backward"),
    ],
)
def test_mistakes_are_one_line(line, message):
    refused(f"pde {line}", message)
