"""A checkpoint is whole or absent, whatever fails; what is damaged is named and never unpickled."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.errors import UserError
from fromnoise.model import checkpoints, load, store
from fromnoise.training import Saved, fit, log
from runs import differing, drain, environment, points, recipe_file, state

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    drain(points(), run)
    return run


def failing(monkeypatch, place: str, first: int, lasting: bool) -> None:
    """Let a full disk meet the `first`-th call at `place`, and all later ones if it lasts."""
    owner, name = (store.os, "replace") if place == "replace" else (store, f"_{place}")
    true, calls = getattr(owner, name), [0]

    def call(path, *rest):
        calls[0] += 1
        if calls[0] == first or (lasting and calls[0] > first):
            if place == "write_through":
                path.write_bytes(rest[0][: len(rest[0]) // 2])  # a part is on disk when it fails
            raise FULL
        return true(path, *rest)

    monkeypatch.setattr(owner, name, call)


# Writes of a run: config.toml, then 4 files, a rename and 2 folders a checkpoint.
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize(
    ("place", "first"),
    [("write_through", n) for n in (1, 2, 3, 4, 5, 6, 9, 10)]
    + [("replace", n) for n in (1, 2, 3)]
    + [("sync_folder", n) for n in (1, 2, 3, 4, 5)],
)
def test_a_full_disk_is_one_line_and_the_run_goes_on_from_the_checkpoint_before(
    whole, tmp_path, monkeypatch, place, first, lasting
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        failing(patch, place, first, lasting)
        with pytest.raises(UserError, match=r"^cannot write .*: No space left on device; [^\n]*$"):
            drain(points(), run)
    for path in checkpoints(run):
        assert {p.name for p in path.iterdir()} == {p.name for p in checkpoints(whole)[-1].iterdir()}
        load(path)
    drain(points(), run)
    assert differing(run, whole) == []


def test_a_log_that_cannot_be_written_is_one_line_and_loses_no_line(whole, tmp_path, monkeypatch):
    def full(*_, **__):
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(log, "open", full, raising=False)
        with pytest.raises(UserError, match=r"^cannot write .*log\.jsonl: No space left on device; [^\n]*$"):
            drain(points(), tmp_path / "run")
    drain(points(), tmp_path / "run")
    assert differing(tmp_path / "run", whole) == []


def test_a_file_size_limit_met_in_a_save_leaves_the_checkpoint_before(whole, tmp_path):
    run, what = tmp_path / "run", recipe_file(tmp_path, points())
    for event in fit(points(), run):
        if isinstance(event, Saved):
            break
    before = state(run)
    size = (checkpoints(run)[-1] / "optimizer.safetensors").stat().st_size
    done = subprocess.run(
        [sys.executable, "-m", "fromnoise", "train", str(what), "--out", str(run), "--quiet"],
        env=environment(), capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size - 100, size - 100)),
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert re.search(r"^fromnoise: cannot write .*step-00000010: File too large; ", done.stderr, re.M), done.stderr
    kept = state(run)
    assert {name: kept[name] for name in before if "step" in name} == {n: before[n] for n in before if "step" in n}
    assert not list((run / "checkpoints").glob(".*"))
    drain(points(), run)
    assert differing(run, whole) == []


def test_a_swap_that_fails_half_way_puts_back_what_was_there(tmp_path, monkeypatch):
    """Replacing a folder takes two renames; when the second fails the first is undone."""
    path = tmp_path / "model"
    store.write_folder(path, {"a": b"old"})
    true = os.replace

    def second_fails(source, target):
        if Path(source).name == ".model.partial":
            raise FULL
        true(source, target)

    monkeypatch.setattr(store.os, "replace", second_fails)
    with pytest.raises(UserError, match="what was there before is unchanged"):
        store.write_folder(path, {"a": b"new"})
    assert (path / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith((".", "model"))] == ["model"]


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_newest_and_the_named_are_kept(tmp_path, keep):
    run = tmp_path / "run"
    drain(points(train__steps=12, train__checkpoint_every=2, train__keep=keep, train__keep_steps=[3, 6, 77]), run)
    kept = [int(path.name[5:]) for path in checkpoints(run)]
    saved = [2, 3, 4, 6, 8, 10, 12]
    assert kept == sorted({*saved[-keep:], 3, 6})


def test_leftovers_of_a_kill_are_ignored_and_cleaned(whole, tmp_path):
    run = tmp_path / "run"
    for event in fit(points(), run):
        if isinstance(event, Saved):
            break
    for name in (".step-00000010.partial", ".step-00000005.old"):
        (run / "checkpoints" / name).mkdir()
        (run / "checkpoints" / name / "network.safetensors").write_bytes(b"half")
    (run / ".config.toml.partial").write_bytes(b"[tra")
    (run / ".log.jsonl.partial").write_bytes(b'{"st')
    load(run)
    drain(points(), run)
    assert differing(run, whole) == []


def test_a_run_killed_while_it_wrote_its_settings_begins_anew(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / ".config.toml.partial").write_bytes(b"[tra")
    assert drain(points(train__steps=1), run)[-1].step == 1


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def damages(tmp_path: Path) -> dict[str, bytes]:
    """Contents that no checkpoint has."""
    tensors = store.pack({"w": torch.zeros(3)})
    torch.save({"w": torch.zeros(2), "evil": Evil(tmp_path / "owned")}, tmp_path / "evil.pt")
    return {
        "empty": b"",
        "cut": tensors[:-4],
        "pickle": pickle.dumps(Evil(tmp_path / "owned")),
        "torch pickle": (tmp_path / "evil.pt").read_bytes(),
        "huge header": (2**62).to_bytes(8, "little") + tensors[8:],
        "other tensors": tensors,
        "other shapes": store.pack(
            {"0.exp_avg": torch.zeros(2), "0.exp_avg_sq": torch.zeros(2), "0.step": torch.ones(())}
        ),
        "no tensors": store.pack({}),
        "text": b"weights",
    }


@pytest.mark.parametrize(
    "damage",
    ["empty", "cut", "pickle", "torch pickle", "huge header", "other tensors", "other shapes", "no tensors", "text"],
)
@pytest.mark.parametrize("name", ["network", "ema", "optimizer"])
def test_a_damaged_file_is_named_and_nothing_is_unpickled(whole, tmp_path, name, damage):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(whole, run)
    newest = checkpoints(run)[-1]
    (newest / f"{name}.safetensors").write_bytes(damages(tmp_path)[damage])
    with pytest.raises(UserError) as error:
        drain(points(train__steps=20), run)
    assert str(newest) in str(error.value)
    assert "remove that folder to go on from step-00000010" in str(error.value)
    assert "\n" not in str(error.value)
    if name != "optimizer":
        (newest / "network.safetensors").write_bytes(damages(tmp_path)[damage])
        (newest / "ema.safetensors").write_bytes(damages(tmp_path)[damage])
        with pytest.raises(UserError, match=re.escape(str(run))):
            load(run)
    assert not (tmp_path / "owned").exists()
    shutil.rmtree(newest)
    drain(points(), run)
    assert differing(run, whole) == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"step": 3, "evil": 1}', b'{"step": "x"}', b'{"step": -1}', b"\xff", b"7"]
)
def test_a_damaged_progress_is_named(whole, tmp_path, content):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (checkpoints(run)[-1] / "progress.json").write_bytes(content)
    with pytest.raises(UserError, match=r"step-00000012 cannot be used .*; remove that folder"):
        drain(points(train__steps=20), run)


@settings(max_examples=60)
@given(content=st.binary(max_size=80), cut=st.integers(0, 300))
def test_any_bytes_give_tensors_or_one_error(tmp_path_factory, content, cut):
    path = tmp_path_factory.mktemp("bytes") / "x.safetensors"
    whole = store.pack({"a": torch.arange(5.0), "b": torch.zeros(2, 3)})
    for damaged in (content, whole[:cut] + content + whole[cut:]):
        path.write_bytes(damaged)
        try:
            found = store.read_tensors(path)
        except UserError:
            continue
        assert all(isinstance(v, torch.Tensor) for v in found.values())


def test_progress_says_where_the_run_is(whole):
    progress = json.loads((checkpoints(whole)[-1] / "progress.json").read_bytes())
    assert progress == {
        "step": 12, "skipped": 0, "skipped_in_a_row": 0, "loss_sum": 0.0, "loss_count": 0, "scaler": None
    }  # fmt: skip


def test_a_second_trainer_in_a_folder_is_refused(tmp_path):
    run, what = tmp_path / "run", recipe_file(tmp_path, points())
    events = fit(points(), run)
    next(events)
    with pytest.raises(UserError, match=r"another process is training in .*; wait for it or use another --out"):
        drain(points(), run)
    done = subprocess.run(
        [sys.executable, "-m", "fromnoise", "train", str(what), "--out", str(run), "--quiet"],
        env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("fromnoise: another process is training in ")
    assert len(done.stderr.splitlines()) == 1
    events.close()
    drain(points(), run)


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("all my work")
    with pytest.raises(UserError, match="is not empty and holds no run; choose another --out"):
        drain(points(), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != ".lock") == ["thesis.tex"]


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_in_the_way_is_one_line(tmp_path, where):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"^cannot write "):
        drain(points(), tmp_path / where)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        drain(points(), tmp_path / "run")
