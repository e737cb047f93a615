"""A model samples: by seed alone, with guidance as its formula says, in the data's own units."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from fromnoise.data import Dataset, Units
from fromnoise.errors import UserError
from fromnoise.model import Config, Facts, Model
from fromnoise.model.assembly import make_network
from fromnoise.process import at
from fromnoise.sampling import DDIM, churned, strided
from runs import POINTS

FLAT = Facts("points", (2,), 50, ("a", "b", "c"), (1.0, -2.0), (3.0, 0.5), ("x", "y"))
IMAGE = Facts("images", (1, 8, 8), 50, ("a", "b", "c"))

TOLERANCE = 5e-6
"""Of the largest number. A matrix product of another batch size sums in another order, which costs about 2^-23,
that is 1e-7; 20 steps of these networks of random weights grow it to the 7e-7 that was measured (U-Net, DDPM)."""


def make(facts: Facts, **changes) -> Model:
    """A model with random weights, none of them zero."""
    if facts.kind == "images":
        network = {"name": "unet", "width": 8, "multiples": [1, 2], "blocks": 1, "attention": [False, True]}
    else:
        network = POINTS["network"]
    tree = {**POINTS, "network": network, "sample": {"batch": 5}}
    config = Config.from_dict(tree).override({key.replace("__", "."): value for key, value in changes.items()})
    config = dataclasses.replace(config, facts=facts)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = make_network(config, facts)
        for p in net.parameters():
            p.data += 0.1 * torch.randn_like(p)
    return Model(config, net)


@pytest.fixture(scope="module", params=[FLAT, IMAGE], ids=["mlp", "unet"])
def model(request) -> Model:
    """A model of each kind of network."""
    return make(request.param)


def near(one: torch.Tensor, two: torch.Tensor, within: float = TOLERANCE) -> bool:
    """Equal but for the rounding of float32."""
    return one.shape == two.shape and (one - two).abs().max() <= within * max(1.0, float(two.abs().max()))


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "unipc", "ode"])
def test_a_sample_depends_on_its_seed_and_number_alone(model, solver):
    within = 1e-3 if solver == "ode" else TOLERANCE  # rounding may change a step of its own by one
    seven = model.sample(7, seed=4, solver=solver, label=[0, 1, 2, 0, 1, 2, 0])
    for i in (0, 3, 6):
        assert near(model.sample(1, seed=4, solver=solver, label=i % 3, first=i), seven[i : i + 1], within)
    for size in (1, 2, 64):
        config = model.config.override({"sample.batch": size})
        assert near(Model(config, model.network).sample(7, seed=4, solver=solver), seven, within)
    parts = [model.sample(n, seed=4, solver=solver, first=first, label=[(first + i) % 3 for i in range(n)])
             for first, n in ((0, 3), (3, 4))]  # fmt: skip
    assert near(torch.cat(parts), seven, within)


def test_a_sample_is_given_the_row_of_its_own_number():
    model = make(dataclasses.replace(FLAT, given=(2,), given_centre=(1.0, 0.0), given_scale=(2.0, 1.0)))
    rows = torch.tensor([[0.0, 1.0], [2.0, -3.0], [5.0, 4.0]])
    seven = model.sample(7, seed=4, given=rows)
    assert near(model.sample(3, seed=4, given=rows, first=4), seven[4:])
    assert near(model.sample(1, seed=4, given=rows[2:], first=5), seven[5:6])
    assert not near(model.sample(1, seed=4, given=rows[:1], first=5), seven[5:6])


def test_samples_too_many_to_walk_together_are_the_same(model, monkeypatch):
    import fromnoise.model.model as room

    whole = model.sample(7, seed=1)
    monkeypatch.setattr(room, "ELEMENTS_AT_ONCE", 3 * whole[0].numel())
    calls = []
    assert near(model.sample(7, seed=1, progress=lambda done, total: calls.append((done, total))), whole)
    assert calls == [(i, 60) for i in range(1, 61)]


def test_the_same_again_is_the_same_to_the_bit_and_other_seeds_differ(model):
    assert torch.equal(model.sample(4, seed=1), model.sample(4, seed=1))
    one, two = model.sample(4, seed=1), model.sample(4, seed=2)
    assert ((one - two).flatten(1).abs().amax(1) > 0.01).all()
    within = model.sample(4, seed=1, label=0)
    assert all((within[i] - within[j]).abs().max() > 0.01 for i in range(4) for j in range(i))


def test_sampling_leaves_the_callers_random_numbers_alone(model):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    model.sample(2)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0, -1.0, 0.5])
def test_guidance_is_the_base_plus_weight_times_the_difference(model, weight):
    """One DDIM step from T against D_0 + w (D_1 − D_0), written out."""
    x, step = list(model.trajectory(4, seed=2, solver="ddim", steps=20, label=1, weight=weight))[:2]
    without, with_label = model.denoise(x, 20).mean, model.denoise(x, 20, 1).mean
    mean = without + weight * (with_label - without)
    t, s = at(model.schedule, 20, x), at(model.schedule, 19, x)
    eps = (x - t.alpha * mean) / t.sigma
    expected = s.alpha * mean + s.sigma * eps
    assert (without - with_label).abs().max() > 1e-3
    assert (step - expected).abs().max() <= 1e-4 * float(expected.abs().max())


def test_weight_zero_is_unconditional_and_one_is_plain_conditional(model):
    assert near(model.sample(3, label=0, weight=0.0), model.sample(3, label=1, weight=0.0))
    assert torch.equal(model.sample(3, label=2, weight=1.0), model.sample(3, label=2))
    assert not near(model.sample(3, label=2, weight=2.0), model.sample(3, label=2))
    assert not near(model.sample(3, label=1), model.sample(3, label=2))


def test_classes_are_taken_in_turn_unless_they_are_given(model):
    assert model.labels(5).tolist() == [0, 1, 2, 0, 1]
    assert model.labels(2, 1).tolist() == [1, 1]
    assert model.labels(2, torch.tensor([2, 0])).tolist() == [2, 0]
    assert near(model.sample(5), model.sample(5, label=[0, 1, 2, 0, 1]))


def test_a_class_has_a_name_and_a_number(model):
    names = model.classes
    assert model.labels(2, names[1]).tolist() == [1, 1]
    for some in ([names[2], 0, names[1]], (names[2], 0, names[1]), np.array([names[2], names[0], names[1]]),
                 np.array([2, 0, 1]), [torch.tensor(2), np.int64(0), 1]):  # fmt: skip
        assert model.labels(3, some).tolist() == [2, 0, 1]
    with pytest.raises(UserError, match="unknown class none of them"):
        model.labels(2, [names[0], "none of them"])


@pytest.mark.parametrize("label", [1.0, [0, 1.7], torch.tensor([0.0, 1.0]), [None, 1], [[0], [1]], b"\x00\x01", {0, 1}])
def test_what_is_no_class(model, label):
    with pytest.raises(UserError, match="a class is told by its number or its name, not "):
        model.labels(2, label)


def test_the_trajectory_ends_in_the_sample_and_counts_its_calls(model):
    calls = []
    handle = model.network.register_forward_hook(lambda *_: calls.append(1))
    try:
        states = list(model.trajectory(3, steps=4))
    finally:
        handle.remove()
    assert len(states) == 5 == model.steps(4) + 1
    assert len(calls) == 4
    assert model.steps() == 20
    assert torch.equal(model.to_own(states[-1]), model.sample(3, steps=4))
    assert not any(x.requires_grad for x in states)


def test_a_solver_may_be_a_thing_of_ones_own(model):
    assert torch.equal(model.sample(2, solver=DDIM(0.0)), model.sample(2, solver="ddim"))


def test_points_come_in_their_own_units():
    model = make(FLAT)
    x = torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
    assert model.to_own(x).tolist() == [[-2.0, -2.5], [1.0, -2.0], [4.0, -1.5]]


def test_fields_come_in_their_own_units_a_channel():
    facts = Facts("fields", (2, 8, 8), 9, (), (10.0, 0.0), (1.0, 5.0))
    model = make(facts, process__conditional=False, network__name="fnn")
    x = torch.ones(3, 2, 8, 8)
    assert model.to_own(x)[:, 0].eq(11).all()
    assert model.to_own(x)[:, 1].eq(5).all()
    one = make(
        dataclasses.replace(facts, centre=(10.0,), scale=(2.0,)), process__conditional=False, network__name="fnn"
    )
    assert one.to_own(x).eq(12).all()


def test_images_stay_within_their_range():
    model = make(IMAGE)
    assert model.to_own(torch.tensor([-3.0, 0.5, 2.0]).reshape(3, 1, 1, 1)).flatten().tolist() == [-1.0, 0.5, 1.0]
    assert model.sample(3).abs().max() <= 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"n": 0}, "the number of samples must be at least 1, got 0"),
        ({"n": -3}, "the number of samples must be at least 1, got -3"),
        ({"steps": 0}, "steps must be at least 1 and at most 20, got 0"),
        ({"steps": 21}, "steps must be at least 1 and at most 20, got 21"),
        ({"solver": "dppm"}, r"unknown solver dppm; did you mean ddpm\?"),
        ({"label": 3}, "labels run from 0 to 2 here: a, b, c"),
        ({"label": -1}, "labels run from 0 to 2 here: a, b, c"),
        ({"label": [0, 1]}, r"give one label, or one for each of 4 samples, got \(2,\)"),
        ({"seed": -1}, r"a seed is a whole number from 0 to 2\*\*63 - 1, got -1"),
    ],
)
def test_what_cannot_be_is_one_line(options, line):
    model = make(FLAT)
    with pytest.raises(UserError, match=f"^{line}$"):
        model.sample(**{"n": 4, **options})


def test_a_model_without_classes_knows_no_labels_and_no_guidance():
    model = make(dataclasses.replace(FLAT, classes=()), process__conditional=False)
    assert model.labels(3) is None
    assert model.sample(2).shape == (2, 2)
    with pytest.raises(UserError, match="this model does not know classes"):
        model.sample(2, label=0)
    with pytest.raises(UserError, match="guidance needs classes"):
        model.sample(2, weight=2.0)


def test_guidance_needs_labels_that_were_hidden_at_times():
    model = make(FLAT, train__label_dropout=0.0)
    assert model.sample(2, weight=1.0).shape == (2, 2)
    with pytest.raises(UserError, match=r"train\.label_dropout above 0"):
        model.sample(2, weight=3.0)


def test_the_denoiser_takes_one_time_or_one_a_sample():
    model = make(FLAT)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    both = model.denoise(x, torch.tensor([1.0, 5.0, 10.0, 20.0]), [0, 1, 2, 0]).mean
    for i, t in enumerate((1, 5, 10, 20)):
        assert near(model.denoise(x[i : i + 1], t, i % 3).mean, both[i : i + 1])


@pytest.mark.parametrize("variance", ["small", "large", "learned"])
@pytest.mark.parametrize("prediction", ["eps", "x_0", "v", "score", "mean", "flow"])
def test_every_prediction_and_variance_samples(prediction, variance):
    loss = "hybrid" if variance == "learned" else "simple"
    model = make(FLAT, process__prediction=prediction, process__variance=variance, process__loss=loss)
    assert torch.isfinite(model.sample(3, steps=5)).all()
    elsewhere = {"on": "ve", "path": "lambda", "solver": "dpmpp"}  # below the first whole step too
    assert torch.isfinite(model.sample(3, steps=5, **elsewhere)).all()
    assert near(model.sample(3, seed=1, steps=5)[1:], model.sample(2, seed=1, steps=5, first=1, label=[1, 2]))


def test_clipping_keeps_the_estimate_within_the_data():
    assert make(FLAT, sample__clip=True).denoise(50 * torch.ones(2, 2), 20).mean.abs().max() <= 1
    assert make(FLAT).denoise(50 * torch.ones(2, 2), 20).mean.abs().max() > 1


def test_a_configuration_without_facts_is_no_model():
    model = make(FLAT)
    with pytest.raises(UserError, match=r"has no \[facts\]"):
        Model(dataclasses.replace(model.config, facts=None), model.network)


def test_a_path_of_levels_is_walked(model):
    """A given path, here with rises, has as many states; its calls are counted step by step."""
    levels = churned(model.schedule, strided(model.schedule, 6), churn=1.0)
    assert model.sample(3, path=levels).shape[0] == 3
    assert len(list(model.trajectory(3, path=levels))) == len(levels)
    rises = sum(b.t > a.t for a, b in itertools.pairwise(levels))
    assert rises > 0
    assert model.calls(solver="heun", path=levels) == 2 * (len(levels) - 2 - rises) + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": []}, "at least two levels, got 0"),
        ({"on": "table"}, "table"),
        ({"on": "vpp"}, "did you mean vp"),
        ({"path": "sideways"}, "unknown path sideways"),
    ],
)
def test_a_way_that_there_is_not(model, options, message):
    with pytest.raises(UserError, match=message):
        model.sample(1, **options)


def test_levels_say_themselves_how_many_steps(model):
    with pytest.raises(UserError, match="leave steps out"):
        model.sample(1, path=strided(model.schedule, 4), steps=4)


def test_the_adaptive_solver_finds_its_own_steps(model):
    assert model.walk("ode").calls is None
    assert [float(level.t) for level in model.walk("ode").levels] == [20.0, 1.0, 0.0]


def test_own_units_there_and_back():
    model = make(dataclasses.replace(FLAT, centre=(1e8, -2.0), scale=(1.0, 3600.0)))
    x = torch.tensor([[0.25, -0.5]], dtype=torch.float64)
    torch.testing.assert_close(model.from_own(model.to_own(x)), x, rtol=1e-7, atol=1e-7)
    assert model.volume() == pytest.approx(math.log(3600.0))


def test_data_are_seen_in_the_models_own_units():
    """A model that was trained when its data had other units sees the same numbers as it did then."""
    model = make(FLAT)
    rows = np.array([[0.5, 0.25], [-0.5, -0.25]], np.float32)
    data = Dataset("points", (2,), rows, Units(np.array([1.0, 0.0]), np.array([4.0, 2.0])))
    known = (np.array([[3.0, 0.5], [-1.0, -0.5]]) - [1.0, -2.0]) / [3.0, 0.5]
    assert torch.allclose(model.seen(data, [0, 1]).double(), torch.from_numpy(known), atol=1e-6)
