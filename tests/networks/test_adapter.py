"""An adapter begins as the network beside which it stands, learns alone, and can learn."""

import torch
from torch import nn

from fromnoise.networks import Adapted, UNet

OPTIONS = {"classes": 3, "width": 8, "multiples": (1, 2), "blocks": 1, "patch": 2}


def pair():
    """A network with no zeros in it, and an adapter beside it."""
    torch.manual_seed(0)
    base, net = UNet((1, 7, 6), **OPTIONS), Adapted((1, 7, 6), extra_channels=2, **OPTIONS)
    for weight in base.parameters():
        nn.init.normal_(weight, std=0.2)
    net.base.load_state_dict(base.state_dict())
    net.begin()
    return base.eval(), net


def batch():
    return torch.randn(4, 1, 7, 6), torch.rand(4), torch.tensor([0, 1, 2, 3]), torch.randn(4, 2, 7, 6)


def test_untrained_it_is_the_network_whatever_is_given():
    base, net = pair()
    x, time, label, extra = batch()
    torch.testing.assert_close(net(x, time, label, extra), base(x, time, label), rtol=0, atol=0)


def test_the_side_begins_as_the_way_down():
    """Given nothing but zeros it makes at every stage what the base does."""
    base, net = pair()
    x, time, label, extra = batch()
    mine, its = base.descend(x, time, label), net.side.descend(x, time, label, 0 * extra)
    torch.testing.assert_close(its[0], mine[0])
    for a, b in zip(its[1], mine[1], strict=True):
        torch.testing.assert_close(a, b)


def test_a_step_changes_the_answer_and_not_the_base():
    base, net = pair()
    x, time, label, extra = batch()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(2):  # the first opens the gates, the second reaches what lies behind
        optimizer.zero_grad()
        net.train()(x, time, label, extra).square().mean().backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(net.base.parameters(), base.parameters(), strict=True))
    assert (net(x, time, label, extra) - base(x, time, label)).abs().max() > 1e-3
    assert (net(x, time, label, extra) - net(x, time, label, -extra)).abs().max() > 1e-5
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in net.out.parameters())
    assert not net.base.training
