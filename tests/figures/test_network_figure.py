"""The drawn U-Net has the blocks, numbers and connections of the module."""

import re

import numpy as np
import pytest
import torch

from fromnoise.cli.figures_data import Source, unet_blocks
from fromnoise.errors import UserError
from fromnoise.figures import Block, save, unet_figure
from fromnoise.model import Config, Model
from fromnoise.networks import UNet
from fromnoise.networks.blocks import Attention, Stage


def source(shape=(1, 14, 14), **options):
    facts = {"kind": "images", "shape": list(shape), "n": 4, "centre": [0.0], "scale": [1.0]}
    config = Config.from_dict({"facts": facts, "network": {"name": "unet", **options}})
    return Source("tiny", Model(config, UNet(shape, **options)))


NETWORKS = [
    {"width": 8, "multiples": (1,), "blocks": 1},
    {"width": 8, "multiples": (1, 2, 4), "blocks": 1, "patch": 2},
    {"width": 16, "multiples": (1, 2, 2), "blocks": 2, "attention": (False, True, False)},
    {"width": 8, "multiples": (1, 1, 2, 3), "blocks": 3},
]


@pytest.mark.parametrize("options", NETWORKS)
def test_the_blocks_are_those_of_the_module(options):
    one = source(**options)
    network = one.model.network
    blocks, inlet, outlet = unet_blocks(one)
    assert inlet == outlet == (1, 14, 14)
    stages = [part for part in (*network.down, *network.middle, *network.up) if isinstance(part, Stage)]
    drawn = [(k, block) for k, block in enumerate(blocks) if block.kind == "residual"]
    for (k, block), stage in zip(drawn, stages, strict=True):
        assert block.channels == stage.residual.second.out_channels
        assert block.attention == isinstance(stage.attention, Attention)
        beside = 0 if block.skip is None else blocks[block.skip].channels
        assert stage.residual.first.in_channels == blocks[k - 1].channels + beside
        if block.skip is not None:
            assert (block.height, block.width) == (blocks[block.skip].height, blocks[block.skip].width)
    assert sum(block.kind == "down" for block in blocks) == len(options["multiples"]) - 1
    side = 14 // options.get("patch", 1)
    sizes = {side := (side if k == 0 else -(-side // 2)) for k in range(len(options["multiples"]))}
    assert {block.height for block in blocks} == sizes


@pytest.mark.parametrize("options", NETWORKS)
def test_the_numbers_and_boxes_are_those_of_the_blocks(options, tmp_path):
    blocks, inlet, outlet = unet_blocks(source(**options))
    figure = unet_figure(blocks, inlet, outlet)
    ax = figure.axes[0]
    words = [text.get_text() for text in ax.texts]
    assert [int(text) for text in words[: len(blocks)]] == [block.channels for block in blocks]
    sizes = [text for text in words if re.fullmatch(r"\d+ × \d+", text)]
    assert sizes == list(dict.fromkeys(f"{block.height} × {block.width}" for block in blocks))
    boxes = [patch for patch in ax.patches if type(patch).__name__ == "Rectangle"]
    for what, value in (("get_width", "channels"), ("get_height", "height")):
        drawn = np.array([getattr(box, what)() for box in boxes])
        true = np.array([getattr(block, value) for block in blocks])
        most = true == true.max()
        assert np.allclose(drawn[most], drawn.max())
        assert (np.diff(drawn[np.argsort(true, kind="stable")]) >= -1e-9).all()
    arrows = [patch for patch in ax.patches if type(patch).__name__ == "FancyArrowPatch"]
    skips = sum(block.skip is not None for block in blocks)
    assert len(arrows) == len(blocks) - 1 + skips + 2
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for text in ax.texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width, text.get_text()
        assert 0 <= box.y0 <= box.y1 <= height, text.get_text()
    save(figure, tmp_path / "a.png")


def test_no_hook_stays_behind():
    one = source(**NETWORKS[0])
    unet_blocks(one)
    assert not any(part._forward_hooks for part in one.model.network.modules())


def test_another_network_is_refused():
    one = source(**NETWORKS[0])
    with pytest.raises(UserError, match="the network of tiny is no U-Net but Conv2d"):
        unet_blocks(Source("tiny", Model(one.model.config, torch.nn.Conv2d(1, 1, 1))))


def test_no_block_and_no_known_block_are_refused():
    for blocks in ([], [Block("pooling", 1, 2, 2)]):
        with pytest.raises(ValueError, match="kinds convolution"):
            unet_figure(blocks, (1, 2, 2), (1, 2, 2))
