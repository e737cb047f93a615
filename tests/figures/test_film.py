"""Films have the right frames, end at the final state, and appear whole or not at all."""

import sys
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from fromnoise.errors import UserError
from fromnoise.figures import film, write_film
from fromnoise.figures.film import pick
from fromnoise.figures.raster import Canvas, limits_of, staircase


def states(total, *shape):
    for seed in range(total):
        yield torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


def frames_of(path):
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@given(total=st.integers(1, 200), frames=st.integers(2, 30), known=st.booleans())
def test_frames_are_even_and_hold_both_ends(total, frames, known):
    chosen, last = pick((np.array(k) for k in range(total)), frames, total if known else None)
    numbers = [number for number, _ in chosen]
    assert last == total - 1
    assert (numbers[0], numbers[-1]) == (0, last)
    assert numbers == sorted(set(numbers))
    assert [int(state) for _, state in chosen] == numbers
    assert len(numbers) == min(frames, total)
    gaps = np.diff(numbers)
    assert len(gaps) == 0 or (gaps.max() <= 3 * gaps.min() if not known else gaps.max() - gaps.min() <= 1)


def test_memory_is_bounded_by_the_frames_and_not_by_the_states():
    tracemalloc.start()
    pick((np.zeros(10_000) for _ in range(2000)), 5)  # 80 kB each, 160 MB in all
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (4 * 5 + 5) * 80_000


def test_a_wrong_total_still_ends_at_the_end():
    assert pick((np.array(k) for k in range(7)), 5, total=5)[0][-1][0] == 6
    assert pick((np.array(k) for k in range(3)), 5, total=50)[0][-1][0] == 2


def test_states_that_change_in_place_are_copied():
    x = np.zeros(1)

    def in_place():
        for k in range(1000):
            x[:] = k
            yield x

    chosen, _ = pick(in_place(), 5)
    assert [int(state[0]) for _, state in chosen] == [number for number, _ in chosen]


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_a_film_ends_at_the_final_state(suffix, tmp_path):
    from fromnoise.figures.pictures import grid

    path = tmp_path / f"a{suffix}"
    film(states(21, 9, 1, 8, 8), path, kind="images", total=21, frames=11, seconds=1.1, hold=0.5)
    shown = frames_of(path)
    *_, final = states(21, 9, 1, 8, 8)
    assert len(shown) == 11
    expected = np.asarray(grid(final, scale=(shown[-1].shape[0] - 8) // 24).convert("RGB"))
    assert np.array_equal(shown[-1], expected)
    with Image.open(path) as image:
        durations = []
        for k in range(image.n_frames):
            image.seek(k)
            image.load()
            durations.append(image.info["duration"])
    assert durations == [100] * 10 + [600]


@pytest.mark.parametrize(("kind", "shape"), [("points", (30, 2)), ("points", (30, 1)), ("points", (30, 4)),
                                             ("fields", (3, 2, 5, 6)), ("fields", (3, 1, 12))])  # fmt: skip
def test_every_kind_has_a_film(kind, shape, tmp_path):
    film(states(5, *shape), tmp_path / "a.webp", kind=kind, frames=4, columns=("a", "b") if shape[1] == 4 else ())
    shown = frames_of(tmp_path / "a.webp")
    assert len(shown) >= 3
    assert all(frame.shape == shown[0].shape for frame in shown)


def test_own_units_reach_the_axes(tmp_path):
    film(states(3, 20, 2), tmp_path / "a.webp", kind="points", frames=3)
    film(states(3, 20, 2), tmp_path / "b.webp", kind="points", frames=3, to_own=lambda x: 300 + 1000 * x)
    assert not np.array_equal(frames_of(tmp_path / "a.webp")[-1], frames_of(tmp_path / "b.webp")[-1])


def test_mp4_plays_for_its_time(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    film(states(10, 4, 3, 7, 7), tmp_path / "a.mp4", kind="images", frames=10, seconds=1.0, hold=0.5)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    about = next(reader)
    assert about["duration"] == pytest.approx(1.5, abs=0.05)
    assert len(list(reader)) == 15
    assert all(side % 2 == 0 for side in about["size"])


def test_mp4_without_the_extra_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)

    def never():
        raise AssertionError("the suffix is checked before the work")
        yield

    with pytest.raises(UserError, match=r"pip install 'fromnoise\[video\]', or name a \.webp or \.gif"):
        film(never(), tmp_path / "a.mp4", kind="images")


@pytest.mark.parametrize("name", ["a.avi", "a", "a.png"])
def test_an_unknown_suffix_is_an_error(name, tmp_path):
    with pytest.raises(UserError, match=r"name a \.webp, \.gif or \.mp4"):
        film(states(3, 4, 2), tmp_path / name, kind="points")


def test_what_breaks_half_way_leaves_the_old_film(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"old")

    def broken():
        yield torch.zeros(1, 1, 4, 4)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        film(broken(), tmp_path / "a.gif", kind="images")
    with pytest.raises(UserError, match="not finite"):
        film([torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), float("nan"))], tmp_path / "a.gif", kind="images")
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]
    assert (tmp_path / "a.gif").read_bytes() == b"old"


@pytest.mark.parametrize("options", [{"frames": 1}, {"seconds": 0}, {"hold": -1}, {"kind": "sounds"}])
def test_options_out_of_range_are_refused(options, tmp_path):
    with pytest.raises(ValueError, match=r"frames|kind"):
        film(states(3, 4, 2), tmp_path / "a.gif", **{"kind": "points", **options})


def test_nothing_is_no_film(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        film([], tmp_path / "a.gif", kind="points")
    with pytest.raises(ValueError, match="at least one"):
        write_film([], tmp_path / "a.gif")


def test_a_point_is_drawn_where_matplotlib_would():
    canvas = Canvas(((-2.0, 2.0), (-2.0, 2.0)))
    point = np.array([[0.7, -1.1]])
    drawn = np.asarray(canvas.cloud(point)).astype(int)
    ink = np.abs(drawn - canvas.ground).sum(2)
    rows, columns = np.nonzero(ink)
    centre = np.array([(columns + 0.5) @ ink[rows, columns], (rows + 0.5) @ ink[rows, columns]]) / ink.sum()
    assert centre == pytest.approx(canvas.pixels(point)[0], abs=0.1)
    left, right = canvas.pixels(np.array([[-2.0, 0.0], [2.0, 0.0]]))[:, 0]
    assert canvas.pixels(point)[0, 0] == pytest.approx(left + (right - left) * 2.7 / 4)


def test_nothing_is_drawn_outside_the_axes():
    canvas = Canvas(((-1.0, 1.0), (-1.0, 1.0)))
    far = np.array([[-1.1, 0.0], [0.0, 1.05], [0.0, -9.0], [np.nan, 0.0], [1e30, 0.0]])
    assert np.array_equal(np.asarray(canvas.cloud(far)), canvas.ground)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_limits_hold_every_point(values):
    points = np.array([values, values[::-1]]).T
    (left, right), (bottom, top) = limits_of([points], share=1)
    assert (points >= [left, bottom]).all()
    assert (points <= [right, top]).all()
    assert right - left == pytest.approx(top - bottom)


def test_a_staircase_encloses_the_share_within_its_limits():
    outline = staircase(np.linspace(-2, 2, 1001), (-1.0, 1.0), 10)
    assert np.trapezoid(outline[:, 1], outline[:, 0]) == pytest.approx(0.5, abs=0.01)
