"""A model by name: what loads, what is refused, and that nothing a file names is ever run."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch

from fromnoise.errors import UserError
from fromnoise.model import bundled, checkpoints, load, loading
from fromnoise.model.store import pack, read_tensors, write_folder
from runs import drain, points


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run folder."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    drain(points(), folder)
    return folder


@pytest.fixture
def saved(run, tmp_path):
    """The model of that run as a saved folder."""
    load(run).save(tmp_path / "saved")
    return tmp_path / "saved"


def weights(model) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


def identical(one, two) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_a_run_gives_the_averaged_weights_of_its_newest_checkpoint(run):
    newest, before = checkpoints(run)[-1], checkpoints(run)[-2]
    assert identical(weights(load(run)), read_tensors(newest / "ema.safetensors"))
    assert not identical(weights(load(run)), read_tensors(newest / "network.safetensors"))
    assert identical(weights(load(newest)), weights(load(run)))
    assert identical(weights(load(before)), read_tensors(before / "ema.safetensors"))


def test_without_averaging_the_weights_themselves_are_taken(tmp_path):
    drain(points(train__ema=0.0), tmp_path / "run")
    newest = checkpoints(tmp_path / "run")[-1]
    assert not (newest / "ema.safetensors").exists()
    assert identical(weights(load(tmp_path / "run")), read_tensors(newest / "network.safetensors"))


def test_the_finished_event_has_the_model_that_is_loaded(tmp_path):
    finished = drain(points(), tmp_path / "run")[-1]
    assert identical(weights(finished.model), weights(load(tmp_path / "run")))
    assert finished.model.config == load(tmp_path / "run").config


def test_a_relative_path_works_from_within_a_checkpoint(run, monkeypatch):
    monkeypatch.chdir(checkpoints(run)[-1])
    assert identical(weights(load(".")), weights(load(run)))


def test_saving_and_loading_change_no_bit(run, saved, tmp_path):
    one, two = load(run), load(saved)
    assert sorted(p.name for p in saved.iterdir()) == ["config.toml", "model.safetensors"]
    assert identical(weights(one), weights(two))
    assert one.config == two.config
    assert torch.equal(one.sample(5, seed=3), two.sample(5, seed=3))
    two.save(tmp_path / "again")
    for name in ("config.toml", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_saving_in_half_precision_halves_the_file_and_rounds_the_weights(saved, tmp_path):
    model = load(saved)
    model.save(tmp_path / "half", dtype=torch.float16)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "half", saved)]
    whole, half = weights(model), weights(load(tmp_path / "half"))
    assert abs(sizes[1] - sizes[0] - 2 * sum(w.numel() for w in whole.values())) < 200  # headers differ a little
    assert all(half[name].dtype == whole[name].dtype for name in whole)
    for name in whole:
        torch.testing.assert_close(half[name], whole[name], rtol=2**-11, atol=2**-24)
    assert not identical(whole, half)
    assert read_tensors(saved / "model.safetensors").keys() == whole.keys()


def test_a_weight_too_large_for_half_precision_is_one_line_and_nothing_is_written(saved, tmp_path):
    model = load(saved)
    next(iter(model.network.parameters())).data.fill_(1e6)
    with pytest.raises(UserError, match=r"numbers too large for torch.float16: save without dtype"):
        model.save(tmp_path / "half", dtype=torch.float16)
    assert not (tmp_path / "half").exists()


def test_saving_again_replaces_and_anything_else_is_left_alone(run, saved, tmp_path):
    model = load(run)
    model.save(saved)
    (saved / "notes.txt").write_text("mine")
    (tmp_path / "file").touch()
    for taken in (saved, run, tmp_path / "file", tmp_path):
        with pytest.raises(UserError, match="exists and is more than a saved model; choose another name"):
            model.save(taken)
    assert (saved / "notes.txt").read_text() == "mine"
    with pytest.raises(UserError, match="cannot write"):
        model.save(tmp_path / "file" / "below")


def test_a_bundled_name_is_found(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "BUNDLED", tmp_path / "bundled")
    shutil.copytree(saved, tmp_path / "bundled" / "spirals")
    monkeypatch.chdir(tmp_path)
    assert bundled() == ["spirals"]
    assert identical(weights(load("spirals")), weights(load(saved)))
    with pytest.raises(UserError, match="unknown model spiral; did you mean spirals"):
        load("spiral")


@pytest.mark.parametrize("name", bundled())
def test_every_model_that_comes_with_the_package_samples(name):
    samples = load(name).sample(2, steps=2)
    assert torch.isfinite(samples).all()


def test_a_hub_name_is_fetched_and_only_two_files_of_it(saved, monkeypatch):
    import huggingface_hub

    asked = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **options: asked.append((name, options)) or str(saved)
    )
    assert identical(weights(load("owner/spirals")), weights(load(saved)))
    assert asked == [("owner/spirals", {"allow_patterns": ["config.toml", "model.safetensors"]})]


def test_without_the_hub_a_name_is_one_clear_line(monkeypatch, tmp_path):
    import huggingface_hub

    def offline(*_, **__):
        raise ConnectionError("Cannot reach the hub.\nTraceback and more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        load("owner/name")
    assert str(error.value) == "no folder owner/name here, and the hub did not give it: Cannot reach the hub."


@pytest.mark.parametrize("name", ["../runs/x", "/no/such/run", "a/b/c", "./x", "", "~/x", "a/b\n"])
def test_what_is_no_name_is_never_asked_of_the_hub(name, monkeypatch, tmp_path):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        load(name)


def test_a_folder_without_a_model_says_so(tmp_path, run):
    with pytest.raises(UserError, match="holds no model yet"):
        load(tmp_path)
    (tmp_path / "begun").mkdir()
    shutil.copy(run / "config.toml", tmp_path / "begun")
    with pytest.raises(UserError, match="holds no model yet"):
        load(tmp_path / "begun")


def rename(folder: Path, name: str) -> None:
    """Let the settings name another network."""
    path = folder / "config.toml"
    path.write_text(path.read_text().replace('name = "mlp"', f'name = "{name}"').replace("fourier = 4\n", ""))


@pytest.mark.parametrize("name", ["os:system", "trap:Net", "trap.inner:Net", ":", "os:"])
def test_a_network_that_a_file_names_is_never_imported(saved, tmp_path, monkeypatch, name):
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nNet = print")
    monkeypatch.syspath_prepend(tmp_path)
    rename(saved, name)
    with pytest.raises(UserError, match=rf"uses the network {name}; to let it be imported, add --network {name}"):
        load(saved)
    assert not (tmp_path / "sprung").exists()
    assert "trap" not in sys.modules


def test_it_is_imported_when_the_user_says_so(saved, tmp_path, monkeypatch):
    (tmp_path / "mine_to_load.py").write_text(
        "from fromnoise.networks import MLP\nclass Net(MLP): pass\nopen('sprung', 'w')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = saved / "config.toml"
    path.write_text(path.read_text().replace('name = "mlp"', 'name = "mine_to_load:Net"'))
    model = load(saved, network="mine_to_load:Net")
    assert (tmp_path / "sprung").exists()
    assert type(model.network).__name__ == "Net"
    assert identical(weights(load(saved, network=type(model.network))), weights(model))
    for name, line in (("os:system", "not a network"), ("mine_to_load:Nett", "no class"), ("mime:Net", "no module")):
        with pytest.raises(UserError, match=line):
            load(saved, network=name)


@pytest.mark.parametrize("content", ["pickle", "torch", "empty", "cut"])
def test_weights_that_are_no_safetensors_are_refused_and_never_unpickled(saved, tmp_path, content):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    path = saved / "model.safetensors"
    torch.save({"evil": Evil()}, tmp_path / "evil.pt")
    path.write_bytes(
        {"pickle": pickle.dumps(Evil()), "torch": (tmp_path / "evil.pt").read_bytes(), "empty": b"",
         "cut": path.read_bytes()[:-1]}[content]
    )  # fmt: skip
    with pytest.raises(UserError, match=r"model\.safetensors is damaged or not a safetensors file"):
        load(saved)
    assert not (tmp_path / "owned").exists()
    pickle.loads(pickle.dumps(Evil()))  # noqa: S301 - the trap is a trap
    assert (tmp_path / "owned").exists()


def test_weights_of_another_network_are_one_line(saved):
    for tensors in ({"w": torch.zeros(2)}, {}, {**read_tensors(saved / "model.safetensors"), "more": torch.zeros(1)}):
        (saved / "model.safetensors").write_bytes(pack(tensors))
        with pytest.raises(UserError, match=r"the weights of .* do not fit its network") as error:
            load(saved)
        assert "\n" not in str(error.value)


def test_settings_without_facts_are_no_model(saved):
    path = saved / "config.toml"
    path.write_text(path.read_text().partition("[facts]")[0])
    with pytest.raises(UserError, match=r"has no \[facts\]: it is not a trained model"):
        load(saved)


def test_settings_that_are_damaged_are_one_line(saved):
    text = (saved / "config.toml").read_text()
    for old, new in (
        ("shape = [2]", "shape = [0]"),
        ("width = 8", "width = -8"),
        ("T = 20", "T = 0"),
        ("[train]", "[t"),
    ):
        assert old in text
        (saved / "config.toml").write_text(text.replace(old, new))
        with pytest.raises(UserError) as error:
            load(saved)
        assert "\n" not in str(error.value)


def test_writing_a_folder_replaces_all_of_it(tmp_path):
    write_folder(tmp_path / "a", {"x": b"1", "y": b"2"})
    write_folder(tmp_path / "a", {"x": b"3"})
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {"x": b"3"}
    assert [p.name for p in tmp_path.iterdir()] == ["a"] or os.listdir(tmp_path) == ["a"]
