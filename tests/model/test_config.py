"""Settings: what is read is what was written, and a mistake is named with what is near it."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.errors import UserError
from fromnoise.model import Config, Facts, Process, Sample, Train, read_config
from fromnoise.model.assembly import check, make_loss, make_schedule
from fromnoise.model.config import Distil
from fromnoise.model.options import call_named, conform, parse_value, write_toml

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(allow_nan=False) | st.integers(-(2**60), 2**60) | st.booleans()
values = st.recursive(numbers | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
positive, counts = st.floats(1e-9, 1e9), st.integers(1, 10**6)
sections = st.dictionaries(texts, values, max_size=4)

processes = st.builds(Process, texts, texts, texts, texts, st.booleans())
precisions = st.sampled_from(["auto", "fp32", "bf16", "fp16"])
trains = st.builds(
    lambda parts, accumulate, **rest: Train(batch=parts * accumulate, accumulate=accumulate, **rest),
    parts=counts, accumulate=counts, steps=st.integers(0, 10**9), epochs=st.just(0.0),
    optimizer=st.sampled_from(["adam", "adamw", "muon"]), lr=positive, hidden_rate=positive,
    betas=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2), weight_decay=st.floats(0, 1), warmup=counts,
    decay=st.sampled_from(["none", "linear", "cosine"]), clip=st.floats(0, allow_nan=False),
    ema=st.floats(0, 1, exclude_max=True), reduction=st.sampled_from(["mean", "sum"]),
    label_dropout=st.floats(0, 1), flip=st.booleans(), precision=precisions,
    seed=st.integers(0, 2**63 - 1), log_every=counts, sample_every=st.integers(0, 99), samples=counts,
    checkpoint_every=counts, keep=counts, keep_steps=st.lists(counts, max_size=3).map(tuple),
    tracker=texts, patience=counts,
)  # fmt: skip
samples = st.builds(
    Sample,
    texts,
    texts,
    st.integers(0, 10**6),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    counts,
    precisions,
)
distils = st.builds(Distil, texts, counts, texts, counts)
facts = st.integers(1, 9).flatmap(
    lambda d: st.builds(
        Facts, st.sampled_from(["points", "images", "fields"]), st.tuples(st.just(d)) | st.tuples(st.just(d), counts),
        counts, st.lists(texts, max_size=3).map(tuple), st.tuples(*[st.floats(-9, 9)] * d),
        st.tuples(*[st.floats(1e-9, 9)] * d),
        st.lists(texts, max_size=3).map(tuple),
    )
)  # fmt: skip
configs = st.builds(Config, texts, sections, sections, sections, processes, trains, samples, distils, facts | st.none())


def same(one: Any, two: Any) -> bool:
    """Equal, where lists and tuples of a named section are not told apart."""
    if isinstance(one, (list, tuple)):
        return isinstance(two, (list, tuple)) and len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return type(one) is type(two) and one == two


@settings(deadline=None, max_examples=150)
@given(configs)
def test_what_is_written_is_read_again(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("toml") / "config.toml"
    path.write_bytes(write_toml(config.to_dict()).encode())
    assert same(dataclasses.asdict(read_config(path)), dataclasses.asdict(config))


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(texts, values | sections, max_size=4))
def test_toml_is_what_pythons_reader_reads(tree):
    assert same(tomllib.loads(write_toml(tree)), tree)


@settings(deadline=None)
@given(values)
def test_a_typed_value_is_what_toml_reads(value):
    typed = write_toml({"x": value}).removeprefix("x = ").strip()
    assert same(parse_value(typed), value)


@pytest.mark.parametrize("text", ["cosine", "1.2.3", "a b", "photos/", "", "[1,", "2024-01-01", "12:30:00", "{a = 1}",
                                  "1\nb = 2", "C:\\photos", "'"])  # fmt: skip
def test_what_is_no_value_is_text(text):
    assert parse_value(text) == text


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"train": {"warm_up": 1}}, "unknown key train.warm_up; did you mean train.warmup?"),
        ({"train": {"stesp": 1}}, "unknown key train.stesp; did you mean train.steps?"),
        ({"sample": {"solvr": "x"}}, "unknown key sample.solvr; did you mean sample.solver?"),
        ({"process": {"predict": "x"}}, "unknown key process.predict; did you mean process.prediction?"),
        ({"trian": {}}, "unknown key trian; did you mean train?"),
        ({"train": 3}, "train is a section: write --train.name VALUE or [train] in a file"),
        ({"train": {"steps": 1.5}}, "train.steps takes a whole number, got 1.5"),
        ({"train": {"steps": math.inf}}, "train.steps takes a whole number, got inf"),
        ({"train": {"steps": math.nan}}, "train.steps takes a whole number, got nan"),
        ({"train": {"steps": "many"}}, "train.steps takes a whole number, got 'many'"),
        ({"train": {"steps": True}}, "train.steps takes a whole number, got True"),
        ({"train": {"lr": "fast"}}, "train.lr takes a number, got 'fast'"),
        ({"train": {"flip": 1}}, "train.flip takes true or false, got 1"),
        ({"train": {"decay": 3}}, "train.decay takes text, got 3"),
        ({"train": {"betas": [0.9]}}, "train.betas takes a list like [1, 2], got [0.9]"),
        ({"train": {"betas": 0.9}}, "train.betas takes a list like [1, 2], got 0.9"),
        ({"train": {"betas": [0.9, 1.0]}}, "train.betas must lie in [0, 1), got [0.9, 1.0]"),
        ({"train": {"lr": 0}}, "train.lr must be above 0, got 0.0"),
        ({"train": {"lr": math.nan}}, "train.lr must be above 0, got nan"),
        ({"train": {"batch": -1}}, "train.batch must be above 0, got -1"),
        ({"train": {"samples": 0}}, "train.samples must be above 0, got 0"),
        ({"train": {"warmup": -1}}, "train.warmup must not be negative, got -1"),
        ({"train": {"label_dropout": 1.1}}, "train.label_dropout must lie in [0, 1], got 1.1"),
        ({"train": {"ema": 1}}, "train.ema must be below 1: the average would never move"),
        ({"train": {"seed": 2**63}}, f"train.seed must lie in [0, {2**63 - 1}], got {2**63}"),
        ({"train": {"decay": "cosin"}}, "train.decay is none or linear or cosine, got 'cosin'"),
        ({"train": {"steps": 1, "epochs": 1}}, "train.steps and train.epochs both say how long: give one of them"),
        ({"sample": {"batch": 0}}, "sample.batch must be above 0, got 0"),
        ({"facts": {"kind": "points", "n": 3}}, "[facts] lacks shape"),
        ({"facts": {"kind": "songs", "n": 3, "shape": [2]}}, "facts.kind is points or images or fields, got 'songs'"),
        ({"facts": {"kind": "points", "n": 3, "shape": []}}, "facts.shape is that of one sample"),
        ({"facts": {"kind": "points", "n": 3, "shape": [-2]}}, "facts.shape is that of one sample"),
        ({"facts": {"kind": "points", "n": 3, "shape": [2], "scale": [1, 1, 1]}}, "facts.scale has one number, or one"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_in_one_line(tree, line):
    with pytest.raises(UserError) as error:
        Config.from_dict(tree)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"schedule": {"name": "linaer"}}, "unknown schedule linaer; did you mean linear?"),
        ({"schedule": {"T": 5}}, "[schedule] lacks name; known: "),
        ({"schedule": {"name": "linear", "t": 5}}, "unknown key schedule.t; "),
        ({"schedule": {"name": "linear", "T": "x"}}, "schedule.T takes a whole number, got 'x'"),
        ({"schedule": {"name": "linear", "T": -5}}, "[schedule] linear: "),
        ({"process": {"prediction": "epsilon"}}, "unknown prediction epsilon; did you mean eps?"),
        ({"process": {"loss": "simpel"}}, "unknown loss simpel; did you mean simple?"),
        ({"process": {"variance": "larg"}}, "unknown variance larg; did you mean large?"),
        ({"process": {"variance": "learned"}}, "variance = learned and loss = hybrid go together"),
        ({"schedule": {"name": "flow"}}, "the flow schedule has no signal at t = 1"),
        ({"schedule": {"name": "vp"}, "process": {"prediction": "mean"}}, "schedule vp has no whole steps"),
        ({"network": {"name": "unett"}}, "unknown network unett; did you mean unet?"),
        ({"network": {"name": "unet", "widht": 4}}, "unknown key network.widht; did you mean network.width?"),
        ({"network": {"name": "mlp", "shape": [2]}}, "unknown key network.shape; "),
        ({"sample": {"weight": 3.0}}, "sample.weight guides towards a class: it needs --process.conditional true"),
    ],
)
def test_what_can_be_checked_before_data_are_read_is(tree, line):
    with pytest.raises(UserError) as error:
        check(Config.from_dict(tree))
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_options_without_a_network_wait_for_the_data():
    check(Config.from_dict({"network": {"anything": 1}}))


def test_overriding_changes_what_is_named_and_nothing_else():
    config = Config.from_dict({"about": "x", "train": {"lr": 0.1}, "network": {"name": "mlp", "width": 4}})
    changed = config.override({"train.lr": 1, "network.depth": 2, "schedule.T": 7})
    assert changed == dataclasses.replace(
        config, train=dataclasses.replace(config.train, lr=1.0),
        network={"name": "mlp", "width": 4, "depth": 2}, schedule={"name": "linear", "T": 7},
    )  # fmt: skip
    assert config.override({}) == config


def test_another_name_has_other_options_in_any_order():
    config = Config.from_dict({"network": {"name": "mlp", "fourier": 4}})
    for changes in (
        {"network.name": "fnn", "network.width": 8},
        {"network.width": 8, "network.name": "fnn"},
    ):
        assert config.override(changes).network == {"name": "fnn", "width": 8}
    assert config.override({"network.name": "mlp"}).network == {"name": "mlp", "fourier": 4}


def test_steps_and_epochs_replace_each_other():
    steps = Config.from_dict({"train": {"steps": 10}})
    epochs = steps.override({"train.epochs": 2.0})
    assert (epochs.train.steps, epochs.train.epochs) == (0, 2.0)
    assert (epochs.override({"train.steps": 3}).train.steps, epochs.override({"train.steps": 3}).train.epochs) == (3, 0)
    with pytest.raises(UserError, match="both say how long"):
        steps.override({"train.steps": 3, "train.epochs": 1})


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("lr", "unknown key lr; did you mean train.lr?"),
        ("trian.lr", "unknown section trian; did you mean train?"),
        ("train.lrr", "unknown key train.lrr; did you mean train.lr?"),
        ("about", "unknown key about"),
    ],
)
def test_an_unknown_override_names_the_nearest(key, line):
    with pytest.raises(UserError) as error:
        Config().override({key: 1})
    assert str(error.value).startswith(line)


def test_a_file_that_is_missing_or_not_toml_is_one_line(tmp_path):
    for content in (None, b"[train", b"\xff\xfe", b"train = 1\ntrain = 2"):
        path = tmp_path / "x.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=str(path)) as error:
            read_config(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "hint", "found"),
    [
        (3.0, int, 3), (3, float, 3.0), ([1, 2], tuple[int, ...], (1, 2)), ([], tuple[int, ...], ()),
        (None, int | None, None), (5, int | None, 5), ("x", int | str, "x"), (2**70, int, 2**70),
        ([[1]], tuple[tuple[int, ...], ...], ((1,),)), (True, bool, True), ({"a": 1}, Any, {"a": 1}),
    ],
)  # fmt: skip
def test_a_value_takes_the_type_that_is_asked_for(value, hint, found):
    assert same(conform(value, hint, "x"), found)


def test_calling_by_name_gives_and_refuses_what_the_signature_says():
    def thing(shape, *, a: int = 1, b: tuple[float, ...] = ()):
        if a < 0:
            raise ValueError("a is negative")
        if a > 9:
            raise UserError("a is too large")
        return shape, a, b

    table = {"thing": thing}
    assert call_named(table, "x", {"name": "thing", "a": 2.0, "b": [1]}, shape=5) == (5, 2, (1.0,))
    for options, line in (
        ({"name": "thin"}, "unknown x thin; did you mean thing?"),
        ({"a": 1}, r"\[x\] lacks name; known: thing"),
        ({"name": "thing", "c": 1}, "unknown key x.c; "),
        ({"name": "thing", "shape": 1}, "unknown key x.shape; "),
        ({"name": "thing", "a": -1}, r"\[x\] thing: a is negative"),
        ({"name": "thing", "a": 10}, "a is too large"),
    ):
        with pytest.raises(UserError, match=line):
            call_named(table, "x", options, shape=5)


@pytest.mark.parametrize("loss", ["simple", "clean", "velocity", "min-snr", "variational", "hybrid"])
def test_every_loss_can_be_made(loss):
    config = Config.from_dict({"process": {"loss": loss, "variance": "learned" if loss == "hybrid" else "small"}})
    check(config)
    assert callable(make_loss(config.process, make_schedule(config)))
