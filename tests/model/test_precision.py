"""The precision is measured where it is left open, and only there."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from fromnoise.errors import UserError
from fromnoise.model import Config, Model, make_network, precision
from fromnoise.model.precision import Lowered, casting, chosen
from fromnoise.networks import UNet
from fromnoise.process import at

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_known(tmp_path, monkeypatch) -> None:
    """No machine was measured before."""
    monkeypatch.setenv("FROMNOISE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("half", "found"), [(1.29, "fp32"), (1.31, "bf16")])
def test_images_take_the_precision_that_is_faster_here(half: float, found: str, monkeypatch) -> None:
    monkeypatch.setattr(precision, "convolution_rate", lambda name, device: half if name == "bf16" else 1.0)
    assert chosen("auto", "images", CPU) == chosen("auto", "fields", CPU) == found
    assert chosen("auto", "points", CPU) == "fp32"
    assert chosen("fp32", "images", CPU) == "fp32"
    assert chosen("bf16", "points", CPU) == "bf16"


def test_a_machine_is_measured_once_and_again_when_asked(monkeypatch) -> None:
    rates = {"fp32": 1.0, "bf16": 2.0}
    monkeypatch.setattr(precision, "convolution_rate", lambda name, device: rates[name])
    assert chosen("auto", "images", CPU) == "bf16"
    rates["bf16"] = 1.0  # a busy machine, say
    assert chosen("auto", "images", CPU) == "bf16"
    assert precision.decided(CPU, rates) == "fp32"
    assert chosen("auto", "images", CPU) == "fp32"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    rates["bf16"] = 2.0
    assert chosen("auto", "images", CPU) == "bf16"  # another machine, as far as speed goes


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', "\x00"])
def test_a_damaged_cache_is_measured_over(content: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(precision, "convolution_rate", lambda name, device: 2.0 if name == "bf16" else 1.0)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "precision.json").write_text(content)
    assert chosen("auto", "images", CPU) == "bf16"


def test_where_nothing_can_be_kept_it_is_measured_each_time(tmp_path, monkeypatch) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    monkeypatch.setattr(precision, "convolution_rate", lambda name, device: 2.0 if name == "bf16" else 1.0)
    assert chosen("auto", "images", CPU) == "bf16"


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_is_measured_whatever_the_callers_mode_and_leaves_his_generator_alone(mode) -> None:
    before = torch.get_rng_state()
    with mode():
        assert chosen("auto", "images", CPU) in ("fp32", "bf16")
    assert torch.equal(before, torch.get_rng_state())


def test_another_word_is_refused() -> None:
    with pytest.raises(UserError, match="precision is auto, fp32, bf16, fp16, not 'half'"):
        chosen("half", "images", CPU)


@pytest.mark.parametrize(("name", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_the_network_runs_in_it(name: str, kind: torch.dtype) -> None:
    with casting(name, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


def small(std: float, **sample: object) -> Model:
    """A model of 8 x 8 pictures with random weights of this deviation."""
    tree = {
        "network": {"name": "unet", "width": 8, "multiples": [1, 2]},
        "facts": {"kind": "images", "shape": [1, 8, 8], "n": 1},
        "sample": sample,
    }
    config = Config.from_dict(tree)
    assert config.facts is not None
    torch.manual_seed(0)
    network = make_network(config, config.facts)
    for part in network.parameters():
        torch.nn.init.normal_(part, std=std)
    return Model(config, network)


def test_samples_are_drawn_in_it_and_estimates_are_not() -> None:
    model = small(0.05, precision="bf16")
    config, network = model.config, model.network
    exact = Model(dataclasses.replace(config, sample=dataclasses.replace(config.sample, precision="fp32")), network)
    drawn = {name: model.sample(2, steps=3, precision=name) for name in (None, "bf16", "fp32")}
    assert torch.equal(drawn[None], drawn["bf16"])
    assert torch.equal(drawn["fp32"], exact.sample(2, steps=3))
    assert 0 < (drawn["bf16"] - drawn["fp32"]).norm() < 0.05 * drawn["fp32"].norm()
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(model.denoise(x, 500).mean, exact.denoise(x, 500).mean)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_weights_cast_once_give_what_weights_cast_at_every_call_give(precision: str) -> None:
    network, lowered = UNet((1, 9, 8), classes=3, width=16, multiples=(1, 2), attention=(False, True)).eval(), Lowered()
    for part in network.parameters():
        torch.nn.init.normal_(part, std=0.1)
    x = (torch.randn(4, 1, 9, 8), torch.rand(4), torch.tensor([0, 1, 2, 3]))
    for _ in range(2):
        with torch.no_grad(), casting(precision, torch.device("cpu")):
            assert torch.equal(lowered(network, precision)(*x), network(*x))
        with torch.no_grad():
            network.last.weight.mul_(2)  # noticed


def answer(model: Model, name: str = "bf16") -> torch.Tensor:
    """What it makes of noise."""
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model.guided(precision=name)(x, at(model.schedule, 300, x)).mean - x


@pytest.mark.parametrize("way", ["data", "numpy", "inference", "copy_"])
def test_weights_changed_in_any_way_are_noticed(way: str) -> None:
    model = small(0.2, clip=False)
    before = answer(model)
    for part in model.network.parameters():
        if way == "data":
            part.data.mul_(0.5)
        elif way == "numpy":
            part.numpy()[...] *= 0.5
        elif way == "copy_":
            part.copy_(part * 0.5)
        else:
            with torch.inference_mode():
                part.mul_(0.5)
    after, exact = answer(model), answer(model, "fp32")
    assert 0 < (after - exact).norm() < 0.2 * (before - exact).norm()


def test_weights_loaded_in_inference_mode_are_too() -> None:
    with torch.inference_mode():
        model = small(0.2, clip=False)
        before = answer(model)
        for part in model.network.parameters():
            part.mul_(0.5)
        inside, exact = answer(model), answer(model, "fp32")
    assert (inside - exact).norm() < 0.2 * (before - exact).norm()
    assert torch.equal(answer(model), inside)


def test_hooks_modes_and_parts_are_noticed() -> None:
    model, calls = small(0.2, clip=False), []
    before = answer(model)
    hook = model.network.middle[0].register_forward_hook(lambda *_: calls.append(None))
    assert torch.equal(answer(model), before)
    assert len(calls) == 1
    hook.remove()
    first = model.network.middle[0].residual
    own, first.dropout = first.dropout, torch.nn.Tanh().eval()  # a part without weights
    assert not torch.equal(answer(model), before)
    assert len(calls) == 1
    first.dropout = own
    assert torch.equal(answer(model), before)
    own.p = 0.9
    model.network.train()
    assert not torch.equal(answer(model), before)


def test_a_denoiser_that_is_held_stays_as_it_is() -> None:
    """Another made meanwhile changes neither its answers nor its gradients."""
    model = small(0.2, clip=False)
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    level = at(model.schedule, 300, x)
    held = model.guided(precision="bf16")
    before = held(x, level).mean
    same = model.guided(precision="bf16")(x, level).mean
    torch.autograd.grad((before - 0.5 * same).square().sum(), x)
    for part in model.network.parameters():
        part.data.mul_(0.5)
    assert not torch.equal(model.guided(precision="bf16")(x, level).mean, before)
    assert torch.equal(held(x, level).mean, before)


def test_networks_of_others_are_left_as_they_are() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert Lowered()(network, "bf16") is network
