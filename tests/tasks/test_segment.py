"""Parts of digits from few labelled ones: a denoiser's features know more than pixels do."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import fromnoise as fn
from fromnoise.data import load
from fromnoise.errors import UserError
from fromnoise.tasks import segmenter
from fromnoise.tasks.segment import features


def digits(split, index):
    """Digits, and of each pixel 0 for the ground or 1 + the digit."""
    data = load("mnist", split=split, fit="pad", size=28)
    x, labels = data.batch(index), torch.as_tensor(data.batch_labels(index)).long()
    return x, torch.where(x[:, 0] > 0, 1 + labels[:, None, None], 0)


def by_pixels(x, masks, new, side=9):
    """The same head on the pixels around each: what can be said without the denoiser."""

    def around(x):
        return F.unfold(F.pad(x, (side // 2,) * 4, value=-1.0), side).reshape(len(x), -1, 28, 28).movedim(1, -1)

    pixels, head = around(x).flatten(0, 2), nn.Linear(side**2, 11)
    optimizer, generator = torch.optim.AdamW(head.parameters(), 3e-3), torch.Generator().manual_seed(0)
    for _ in range(200):
        some = torch.randint(len(pixels), (4096,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(head(pixels[some]), masks.flatten()[some]).backward()
        optimizer.step()
    return head(around(new)).argmax(-1)


def test_features_beat_pixels_with_few_labelled_digits():
    """Which digit a stroke is part of, 30 labelled: measured with 50, half of the strokes' pixels beside a tenth."""
    x, masks = digits("train", np.arange(30))
    new, truth = digits("test", np.arange(60))
    stroke = truth > 0
    ours = (segmenter(fn.load("mnist"), x, masks, steps=100)(new) == truth)[stroke].double().mean()
    pixels = (by_pixels(x, masks, new) == truth)[stroke].double().mean()
    assert ours > 0.35
    assert ours > 2 * pixels


def test_a_picture_has_the_same_features_in_any_batch():
    x, model = digits("test", np.arange(3))[0], fn.load("mnist")
    model = fn.Model(model.config.override({"sample.batch": 2}), model.network)
    together = features(model, x, times=[0.1, 0.4])
    torch.testing.assert_close(features(model, x[2:], times=[0.1, 0.4]), together[2:], rtol=1e-3, atol=1e-3)


def test_what_does_not_go_together_is_refused():
    model, x = fn.load("mnist"), torch.zeros(2, 1, 28, 28)
    for masks in (torch.zeros(2, 14, 14).long(), torch.zeros(2, 28, 28), -torch.ones(2, 28, 28).long()):
        with pytest.raises(UserError, match="masks hold"):
            segmenter(model, x, masks)
    with pytest.raises(UserError, match="without gaps"):
        segmenter(model, x, 127 * torch.eye(28).long().expand(2, 28, 28))
    with pytest.raises(UserError, match="U-Net"):
        features(fn.load("swissroll"), torch.zeros(2, 2))
