"""The class under which a picture is denoised best."""

import numpy as np
import pytest
import torch

import fromnoise as fn
from fromnoise.data import load
from fromnoise.errors import UserError
from fromnoise.tasks import class_errors


def test_test_digits_are_classified():
    """Of 40 test digits at most one is taken for another; the full figure is in the book."""
    data = load("mnist", split="test", fit="pad", size=28)
    errors = class_errors(fn.load("mnist"), data.batch(np.arange(40)), draws=16)
    assert errors.shape == (40, 10)
    assert int((errors.argmin(1) != torch.as_tensor(data.batch_labels(np.arange(40)))).sum()) <= 1


def test_errors_do_not_depend_on_the_batch():
    x = load("mnist", split="test", fit="pad", size=28).batch(np.arange(3))
    model = fn.load("mnist")
    together = class_errors(model, x, draws=2, precision="fp32")
    torch.testing.assert_close(class_errors(model, x[2:], draws=2, precision="fp32"), together[2:], rtol=1e-4, atol=0)


def test_a_model_without_classes_has_none():
    with pytest.raises(UserError, match="does not know classes"):
        class_errors(fn.load("swissroll"), torch.zeros(1, 2))
