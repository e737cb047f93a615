"""A network of one's own that does not fit is refused before training, in one line that says what is wanted."""

import pytest
import torch

from fromnoise.errors import UserError
from runs import drain, points


class Plain(torch.nn.Module):
    def forward(self, x, time, label=None):
        return x


class Wide(torch.nn.Module):
    def __init__(self, shape, classes=0, outputs=1):
        super().__init__()
        self.layer = torch.nn.Linear(shape[0], 5)

    def forward(self, x, time, label=None):
        return self.layer(x)


class Broken(Wide):
    def forward(self, x, time, label=None):
        return self.layer(x[:, :1])


def settings():
    return points(data__name="swissroll", data__n=50, network__name="mlp", process__conditional=False, train__steps=1)


@pytest.mark.parametrize(
    ("network", "line"),
    [
        (Plain, r"Plain must take shape: a network is made as Class\(shape=, classes=, outputs=, options\)"),
        (Wide, r"Wide gave \(2, 5\) for x of \(2, 2\); training needs \(2, 2\)"),
        (Broken, r"Broken called as network\(x, time, label\) failed with RuntimeError"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(network, line):
    with pytest.raises(UserError, match=line):
        drain(settings(), network=network)


def test_a_class_may_be_named_in_python():
    model = drain(points(train__steps=2))[-1].model
    name = model.facts.classes[1]
    assert torch.equal(model.sample(3, label=name), model.sample(3, label=1))
    with pytest.raises(UserError, match="unknown class"):
        model.sample(3, label="nobody")
    assert "classes" in repr(model)
