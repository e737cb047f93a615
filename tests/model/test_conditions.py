"""What is given of a picture: edges where it changes and only there, alike in every direction; masks; sketches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.model.conditions import CONDITIONS, brightness, edges, mask, sketch


def square(size=16):
    x = -torch.ones(1, 1, size, size)
    x[..., 5:11, 4:12] = 1
    return x


def test_edges_of_a_square_are_its_border():
    """Every line is within a pixel of the border, every pixel of the border within one of a line; inside is nothing."""
    lines, inside = edges(square())[0, 0], square()[0, 0] > 0
    outline = torch.nn.functional.max_pool2d(inside.float()[None, None], 3, 1, 1)[0, 0].bool()
    inner = -torch.nn.functional.max_pool2d(-inside.float()[None, None], 3, 1, 1)[0, 0]
    ring = outline & ~inner.bool()
    assert bool((ring | (lines == 0)).all())
    assert bool(torch.nn.functional.max_pool2d(lines[None, None], 3, 1, 1)[0, 0][inside & ring].all())
    assert lines[6:10, 6:10].sum() == 0


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6), channels=st.sampled_from([1, 2, 3]), height=st.integers(1, 9), width=st.integers(1, 9)
)
def test_whatever_the_picture_they_lie_in_their_range(seed, channels, height, width):
    x = 3 * torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(seed))
    for name, draw in CONDITIONS.items():
        found = draw(x)
        assert found.shape == (2, 1, height, width), name
        assert bool(((found >= 0) & (found <= 1)).all())
        torch.testing.assert_close(draw(x[:1]), found[:1])  # none depends on its batch


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_turned_pictures_have_turned_edges(seed):
    x = torch.randn(1, 1, 9, 9, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)
    for turn in (lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.mT, lambda x: x.rot90(1, (2, 3))):
        torch.testing.assert_close(edges(turn(x)), turn(edges(x)))


def test_what_is_faint_is_no_edge_and_a_mask_is_of_each_picture():
    assert edges(0.1 * square()).sum() == 0
    assert edges(square()).sum() > 0
    both = torch.cat([square(), 0.1 * square()])
    assert torch.equal(mask(both)[:1], mask(both)[1:])
    assert torch.equal(mask(both)[0, 0], (square()[0, 0] > 0).float())
    soft = sketch(square())
    assert soft[edges(square()) > 0].min() > 0.3
    assert soft[0, 0, 0, 0] == 0


@pytest.mark.parametrize(("colour", "light"), [((1, -1, -1), 0.299), ((-1, 1, -1), 0.587), ((-1, -1, 1), 0.114)])
def test_colours_are_as_bright_as_they_look(colour, light):
    assert float(brightness(torch.tensor(colour).float().reshape(1, 3, 1, 1))) == pytest.approx(light)
