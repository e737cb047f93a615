"""A classifier of noisy samples learns p(y|x_t), and leads a model that knows no classes to the one asked for."""

import numpy as np
import pytest
import torch

import fromnoise as fn
from fromnoise.errors import UserError
from fromnoise.model import Classifier, Guidance
from fromnoise.process import at
from fromnoise.sampling import DDIM, climbed, sample, strided
from laws import ISLANDS
from runs import differing, drain, leave, points

SETTINGS = {
    "process.prediction": "class", "process.conditional": False, "process.loss": "simple", "process.times": "uniform",
    "sample.weight": 1.0, "train.batch": 256, "train.lr": 3e-3, "train.decay": "cosine", "network.width": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A classifier of the components of ISLANDS, and the law in the units that its run gave the data."""
    path = tmp_path_factory.mktemp("classes") / "islands.npz"
    torch.manual_seed(0)
    k = (torch.rand(20_000) < 0.6).long()
    laws = [ISLANDS.component(i).sample(20_000) for i in (0, 1)]
    np.savez(path, samples=torch.where(k[:, None] == 0, *laws).numpy(), labels=k.numpy())
    *_, finished = drain(fn.recipe(str(path)).override(SETTINGS | {"train.steps": 450}))
    model = finished.model
    centre, scale = (torch.tensor(v, dtype=torch.float64) for v in (model.facts.centre, model.facts.scale))
    means, covariances = (ISLANDS.means - centre) / scale, ISLANDS.covariances / (scale[:, None] * scale)
    return Classifier(model), fn.process.GaussianMixture(ISLANDS.weights, means, covariances)


def exact(law, x, n):
    """log p(y|x_t) by Bayes."""
    each = [law.component(k).log_prob(x, n) + law.weights[k].log() for k in (0, 1)]
    return torch.stack(each, 1).log_softmax(1)


def test_it_learns_the_posterior_of_the_class_at_every_level(told):
    """The mean of KL(exact ‖ learned) over x_t is below a hundredth of a nat, and not so at another time."""
    tell, law = told
    generator = torch.Generator().manual_seed(1)
    for t in (100.0, 300.0, 500.0, 800.0):
        n = at(tell.model.schedule, t)
        x = n.alpha * law.sample(2000, generator) + n.sigma * torch.randn(2000, 2, generator=generator).double()
        truth, found = exact(law, x, n), tell(x.float(), n).double()
        assert (truth.exp() * (truth - found)).sum(1).mean() < 0.01
        if t == 500.0:
            clean = tell(x.float(), at(tell.model.schedule, 10.0)).double()
            assert (truth.exp() * (truth - clean)).sum(1).mean() > 0.05


def test_its_gradient_leads_the_exact_denoiser_where_bayes_would(told):
    """From the same noise most end near where the exact posterior leads them, with the mean and spread that it gives.

    Within half a standard deviation: with half or twice the gradient at most six in ten do. In these 60 steps even
    the exact posterior gives two thirds of the component's spread across, so that it is no measure for what is learned.
    """
    tell, law = told
    x = torch.randn(2000, 2, generator=torch.Generator().manual_seed(2)).double()
    path = strided(tell.model.schedule, 60)
    for k in (0, 1):
        learned, bayes = (
            sample(climbed(law, log_prob), DDIM(0.0), path, x)
            for log_prob in (
                lambda x, n, k=k: tell.towards(torch.full((len(x),), k))(x.float(), n),
                lambda x, n, k=k: exact(law, x, n)[:, k],
            )
        )
        spread = law.covariances[k].diagonal().sqrt()
        assert (((learned - bayes) / spread).norm(dim=1) < 0.5).double().mean() > 0.8
        there = learned[((learned - law.means[k]) / spread).norm(dim=1) < 4]
        assert len(there) > 0.9 * len(learned)
        torch.testing.assert_close(there.mean(0), law.means[k], rtol=0, atol=0.05)
        torch.testing.assert_close(there.std(0), bayes.std(0), rtol=0.3, atol=0)


@pytest.fixture(scope="module")
def pair():
    """A model of the two moons that knows no classes, and a classifier of the same."""
    model = drain(fn.recipe("moons").override({"train.steps": 350, "train.batch": 128, "process.conditional": False}))
    tell = drain(fn.recipe("moons").override(SETTINGS | {"train.steps": 200}))
    return model[-1].model, Classifier(tell[-1].model)


def test_a_model_that_knows_no_classes_is_led_to_each(pair):
    """By class and in turn; at weight 0 it is the model alone, whatever class is asked for."""
    model, tell = pair
    data = fn.data.load("moons", n=4000, noise=0.0)
    own, which = torch.from_numpy(data.units.to_own(data.rows)).double(), torch.from_numpy(data.labels)

    def moons(x):
        return which[torch.cdist(x.double(), own).argmin(1)]

    how = {"seed": 1, "steps": 30}
    led = model.sample(200, weight=Guidance(1.0, classifier=tell), **how)
    assert (moons(led) == torch.arange(200) % 2).double().mean() > 0.95
    one = model.sample(100, weight=Guidance(1.0, classifier=tell), label=1, **how)
    assert (moons(one) == 1).double().mean() > 0.95
    alone = model.sample(50, weight=Guidance(0.0, classifier=tell), label=1, **how)
    assert alone.equal(model.sample(50, **how))
    assert model.calls(Guidance(1.0, classifier=tell), steps=30) == 90
    far = Guidance(2.0, interval=(50.0, 60.0), classifier=tell)
    assert model.sample(50, weight=far, **how).equal(alone)  # where it does not act no class is told
    assert not model.sample(50, weight=Guidance(2.0, interval=(-1, 1), classifier=tell), **how).equal(alone)


def test_what_it_adds_is_by_weight_and_rescaled(pair):
    """base + weight times the same step; rescaled, each mean has the spread that weight 1 gives it."""
    model, tell = pair
    n, x, labels = at(model.schedule, 300.0), torch.randn(4, 2), torch.tensor([0, 1, 0, 1])
    base, one, five = (model.guided(labels, Guidance(w, classifier=tell))(x, n).mean for w in (0.0, 1.0, 5.0))
    torch.testing.assert_close(five, base + 5 * (one - base))
    burned = model.guided(labels, Guidance(5.0, rescale=1.0, classifier=tell))(x, n).mean
    torch.testing.assert_close(burned.std(1), one.std(1))
    torch.testing.assert_close(burned.mean(1), five.mean(1))


def test_the_variance_stays_the_models():
    law, n = ISLANDS, at(fn.load("swissroll").schedule, 300.0)
    x = torch.randn(5, 2).double()
    led = climbed(law, lambda x, n: x.sum(1), 2.0)(x, n)
    torch.testing.assert_close(led.var, law(x, n).var)


@pytest.mark.parametrize("schedule", ["flow", "ve", "vp"])
def test_it_learns_on_every_schedule(schedule):
    changes = {"schedule.name": schedule, "train.steps": 2, "process.prediction": "class"}
    model = drain(fn.recipe("moons").override(SETTINGS | changes))[-1].model
    assert Classifier(model)(torch.zeros(2, 2), at(model.schedule, 0.5)).shape == (2, 2)


def test_a_classifier_goes_on_where_it_was_stopped(tmp_path):
    config = points(process__prediction="class", process__conditional=False)
    drain(config, tmp_path / "whole")
    leave(config, tmp_path / "run", lambda event: getattr(event, "step", 0) == 8)
    drain(config, tmp_path / "run")
    assert differing(tmp_path / "whole", tmp_path / "run") == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"process.conditional": True}, "no process.conditional"),
        ({"process.loss": "clean"}, "no process.loss"),
        ({"process.times": "learned"}, "uniform or logit-normal"),
        ({"train.sample_every": 5}, "draws nothing"),
        ({"data.name": "swissroll"}, "two classes or more"),
    ],
)
def test_what_it_cannot_be(changes, says):
    with pytest.raises(UserError, match=says):
        drain(fn.recipe("moons").override(SETTINGS | {"train.steps": 1} | changes))


def test_it_draws_nothing_and_a_model_tells_no_classes(pair):
    model, tell = pair
    with pytest.raises(UserError, match="tells classes and draws nothing"):
        tell.model.sample(1)
    with pytest.raises(UserError, match="tells no classes"):
        Classifier(model)
    with pytest.raises(UserError, match="knows samples of 2, the model draws 1 x 28 x 28"):
        fn.load("mnist").sample(1, weight=Guidance(1.0, classifier=tell))
    with pytest.raises(UserError, match="give one of them"):
        Guidance(2.0, weaker=model, classifier=tell)
