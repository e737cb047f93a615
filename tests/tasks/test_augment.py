"""Classes of which there are few: how many they lack, drawn pictures of them, and classifiers that tell the gain."""

import pytest
import torch

import fromnoise as fn
from fromnoise.errors import UserError
from fromnoise.tasks.augment import (
    WAYS,
    Labelled,
    balanced_accuracy,
    checked,
    classifier,
    compared,
    lacking,
    moved,
    synthesised,
    together,
)


def bars(n, shares, seed=0):
    """Pictures of a bright bar, upright or lying, in noise: two classes in these shares."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.tensor([0, 1]), torch.tensor([int(n * share) for share in shares]))
    x = 0.5 * torch.randn(len(labels), 1, 8, 8, generator=generator) - 0.5
    place = torch.randint(0, 8, (len(labels),), generator=generator)
    for i, (label, at) in enumerate(zip(labels.tolist(), place.tolist(), strict=True)):
        (x[i, 0, :, at] if label else x[i, 0, at])[:] += 1.5
    return Labelled(x.clamp(-1, 1), labels)


def test_what_is_lacking_fills_all_classes_up():
    labels = torch.tensor([0] * 7 + [1] * 2 + [3])
    assert lacking(labels, 4) == [0, 5, 7, 6]
    assert lacking(labels, 4, 5) == [0, 3, 5, 4]


def test_pictures_are_drawn_of_each_class_as_asked():
    model, counts = fn.load("mnist"), [0, 4, 0, 0, 0, 0, 0, 3, 0, 0]
    drawn = synthesised(model, counts, seed=1, steps=10)
    assert drawn.labels.bincount(minlength=10).tolist() == counts
    assert (fn.evaluation.judge_digits(drawn.x).digit == drawn.labels).all()


def test_a_class_counts_as_much_as_another_however_many_there_are():
    class Always(torch.nn.Module):
        def forward(self, x):
            return None, torch.tensor([[1.0, 0.0]]).expand(len(x), 2)

    assert balanced_accuracy(Always(), bars(100, (0.9, 0.1))) == pytest.approx(0.5)


def test_more_pictures_of_a_rare_class_help_it():
    """Real pictures in the place of drawn ones: the gain over few of them repeated is plain."""
    real, more, test = bars(400, (0.99, 0.01)), bars(800, (0.0, 0.5), 1), bars(400, (0.5, 0.5), 2)
    found = compared(real, more, test, 2, steps=40)
    assert list(found) == list(WAYS)
    assert found["synthetic"] > found["duplicates"] + 0.05
    assert found["synthetic"] > 0.9
    assert found["as they are"] < 0.75


def test_what_is_drawn_wrongly_harms_and_is_left_out_when_it_is_checked():
    """Where all that is drawn for the rare class shows the other one, nothing is left but the few that there are."""
    real, wrong, test = bars(400, (0.95, 0.05)), bars(400, (0.5, 0.0), 3), bars(400, (0.5, 0.5), 2)
    found = compared(real, Labelled(wrong.x, torch.ones(200, dtype=torch.long)), test, 2, steps=40)
    assert found["synthetic, checked"] == found["duplicates"] > found["synthetic"] + 0.05


def test_of_a_class_with_drawn_pictures_half_are_its_own():
    real, drawn = bars(40, (0.75, 0.25)), bars(60, (0.0, 1.0), 1)
    only = Labelled(drawn.x[:5], torch.full((5,), 2))
    both, weights = together(real, Labelled(torch.cat([drawn.x, only.x]), torch.cat([drawn.labels, only.labels])))
    assert len(both.x) == len(weights) == 40 + 60 + 5
    share = torch.stack([weights[both.labels == k].sum() for k in range(3)])
    torch.testing.assert_close(share, torch.ones(3))
    own = weights[:40][real.labels == 1]
    torch.testing.assert_close(own.sum(), torch.tensor(0.5))
    assert torch.equal(own, own[:1].expand(10))


def test_checked_are_those_that_look_like_their_class():
    """Bars under the wrong class are left out, those under the right one stay as they are."""
    real, more = bars(400, (0.5, 0.5)), bars(40, (0.5, 0.5), 1)
    network = classifier(real, 2, steps=60)
    wrong = Labelled(torch.cat([more.x, more.x[:7]]), torch.cat([more.labels, 1 - more.labels[:7]]))
    kept = checked(wrong, network)
    assert torch.equal(kept.x, more.x)
    assert torch.equal(kept.labels, more.labels)


def test_pictures_of_no_weight_are_never_seen():
    """Pictures with the wrong class and the weight 0 beside right ones change nothing to the last bit."""
    data = bars(40, (0.5, 0.5))
    wrong = Labelled(torch.cat([data.x, data.x]), torch.cat([data.labels, 1 - data.labels]))
    weights = torch.cat([torch.ones(40), torch.zeros(40)])
    one, other = (classifier(d, 2, weights=w, steps=3) for d, w in ((data, weights[:40]), (wrong, weights)))
    assert torch.equal(one(data.x)[1], other(data.x)[1])


def test_a_seed_is_a_classifier_and_leaves_chance_as_it_was():
    data = bars(40, (0.5, 0.5))
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    one, again, other = (classifier(data, 2, steps=3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), wanted)
    x = data.x[:4]
    assert torch.equal(one(x)[1], again(x)[1])
    assert not torch.equal(one(x)[1], other(x)[1])


def test_moved_pictures_stay_what_they_are():
    """The same shapes and range, nothing brighter comes in from outside, and a flat picture is moved to itself."""
    x = bars(20, (0.5, 0.5)).x
    found = moved(x, torch.Generator().manual_seed(0))
    assert found.shape == x.shape
    assert bool((found.flatten(1).amin(1) >= x.flatten(1).amin(1) - 1e-5).all())
    assert bool((found.flatten(1).amax(1) <= x.flatten(1).amax(1) + 1e-5).all())
    assert not torch.equal(found, x)
    flat = torch.full((2, 3, 8, 8), 0.3)
    torch.testing.assert_close(moved(flat, torch.Generator()), flat)


def test_what_is_round_stays_round_in_a_wide_picture():
    """A blob in pictures three times as wide as high: its covariance has equal eigenvalues however it is turned."""
    y, x = torch.arange(16.0)[:, None] - 7.5, torch.arange(48.0) - 23.5
    blob = 2 * torch.exp(-(x**2 + y**2) / 8) - 1
    found = moved(blob.expand(40, 1, 16, 48), torch.Generator().manual_seed(0))[:, 0].double() + 1
    place = torch.stack(torch.broadcast_tensors(y, x)).double().flatten(1)
    share = found.flatten(1) / found.sum((1, 2))[:, None]
    offset = place - (share @ place.mT)[..., None]
    values = torch.linalg.eigvalsh((share[:, None] * offset) @ offset.mT)
    assert float((values[:, 1] / values[:, 0]).max()) < 1.1


def test_what_cannot_be():
    with pytest.raises(UserError, match="does not know classes"):
        synthesised(fn.load("swissroll"), [1])
    with pytest.raises(UserError, match="of each of 10 classes"):
        synthesised(fn.load("mnist"), [1, 2])
    with pytest.raises(UserError, match="some above 0"):
        synthesised(fn.load("mnist"), [0] * 10)
