"""The U-Net for images, after Ho et al. (2020)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.errors import UserError
from fromnoise.networks.blocks import Attention, Convolution, Down, Norm, Residual, Stage, Up, beside, layout
from fromnoise.networks.embeddings import Condition, join


class UNet(nn.Module):
    """A U-Net of residual blocks with attention, for images of any size (Ho et al. 2020, appendix B).

    Each level has `blocks` residual blocks on the way down and one more on the way up, where each sees what
    the way down left for it. Between them sit a residual block, attention and a residual block. Sizes need
    not be even: a level of H rows is followed by one of ceil(H / 2), and the way up cuts back to H. Only
    patch > 1 pads, with zeros at the bottom and the right, and cuts the same off at the end. The last
    convolution starts at zero, so that an untrained network answers 0.

    Args:
        shape: of one sample, (C, H, W).
        classes: number of classes, 0 for none.
        outputs: how many tensors of x's shape come out, concatenated along dimension 1.
        extra_channels: number of extra input channels, such as a mask or a small picture made large.
        width: channels of the first level.
        multiples: channels of each level in units of `width`; as many levels as entries.
        blocks: residual blocks a level.
        attention: for each level, whether its blocks are followed by attention; () for none.
        head_width: channels of an attention head (Ho et al. use a single head: give the level's channels).
        dropout: probability inside the residual blocks, while training.
        patch: fold patch x patch pixels into channels at the door and unfold them at the end.
        time_scale: what t / T is multiplied by before its sines are taken.
        groups: most groups of a group normalisation; fewer where channels do not divide evenly.

    Shapes: x (B, C, H, W), time (B,) in [0, 1], label (B,) int64 in 0..classes or None, extra
    (B, extra_channels, H, W) -> (B, outputs * C, H, W).

    Raises:
        UserError: if the shape is not (C, H, W), or the options contradict each other.

    >>> import torch
    >>> net = UNet((1, 9, 14), classes=10, width=8, multiples=(1, 2), attention=(False, True))
    >>> net(torch.randn(3, 1, 9, 14), torch.rand(3), torch.tensor([0, 9, 10])).shape
    torch.Size([3, 1, 9, 14])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        classes: int = 0,
        outputs: int = 1,
        extra_channels: int = 0,
        width: int = 64,
        multiples: Sequence[int] = (1, 2, 2),
        blocks: int = 2,
        attention: Sequence[bool] = (),
        head_width: int = 64,
        dropout: float = 0.0,
        patch: int = 1,
        time_scale: float = 1000.0,
        groups: int = 32,
    ) -> None:
        super().__init__()
        _check(shape, multiples, attention, dropout, width, blocks, head_width, patch, groups)
        self.extra_channels, self.patch = extra_channels, patch
        attention = attention or [False] * len(multiples)
        dim = 4 * width

        def stage(inputs: int, channels: int, looks: bool) -> Stage:
            residual = Residual(inputs, channels, dim, dropout=dropout, groups=groups)
            return Stage(
                residual,
                Attention(channels, head_width=head_width, groups=groups) if looks else nn.Identity(),
            )

        self.condition = Condition(width, dim, classes=classes, time_scale=time_scale)
        self.door = Convolution((shape[0] + extra_channels) * patch**2, width)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels, left = width, [width]
        for level, (multiple, looks) in enumerate(zip(multiples, attention, strict=True)):
            if level:
                self.down.append(Down(channels))
                left.append(channels)
            for _ in range(blocks):
                self.down.append(stage(channels, multiple * width, looks))
                channels = multiple * width
                left.append(channels)
        self.middle = nn.ModuleList([stage(channels, channels, True), stage(channels, channels, False)])
        for level, (multiple, looks) in reversed(list(enumerate(zip(multiples, attention, strict=True)))):
            for _ in range(blocks + 1):
                self.up.append(stage(channels + left.pop(), multiple * width, looks))
                channels = multiple * width
            if level:
                self.up.append(Up(channels))
        self.last_norm = Norm(channels, groups)
        self.last = Convolution(channels, outputs * shape[0] * patch**2)
        self._start()

    def _start(self) -> None:
        """Initialise as Ho et al. do: every block starts as its shortcut, and the network as 0."""
        silent = [self.last.weight]
        for part in self.modules():
            if isinstance(part, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
            if isinstance(part, Residual):
                silent.append(part.second.weight)
            if isinstance(part, Attention):
                silent.append(part.out.weight)
        for weight in silent:
            nn.init.zeros_(weight)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None, extra: Tensor | None = None) -> Tensor:
        """x (B, C, H, W), time (B,) -> (B, outputs * C, H, W)."""
        return self.ascend(*self.descend(x, time, label, extra), (x.shape[-2], x.shape[-1]))

    def descend(
        self, x: Tensor, time: Tensor, label: Tensor | None = None, extra: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """The way down and the middle: what comes out there, what is left for the way up, and the condition."""
        condition = self.condition(time, label)
        height, width = x.shape[-2:]
        x = F.pad(join(x, extra, self.extra_channels), (0, -width % self.patch, 0, -height % self.patch))
        h = self.door(F.pixel_unshuffle(x, self.patch)).contiguous(memory_format=layout(x))
        left = [h]
        for part in self.down:
            h = part(h, condition)
            left.append(h)
        for part in self.middle:
            h = part(h, condition)
        return h, left, condition

    def ascend(self, h: Tensor, left: list[Tensor], condition: Tensor, size: tuple[int, int]) -> Tensor:
        """The way up, from what `descend` gave, to outputs of so many rows and columns."""
        for part in self.up:
            h = part(h, left[-1].shape[-2:]) if isinstance(part, Up) else part(beside(h, left.pop()), condition)
        h = F.pixel_shuffle(self.last(self.last_norm(h, silu=True)), self.patch)
        return h[..., : size[0], : size[1]]


def _check(
    shape: Sequence[int], multiples: Sequence[int], attention: Sequence[bool], dropout: float, *counts: int
) -> None:
    """Raise UserError where the options of a U-Net contradict each other."""
    if len(shape) != 3:
        raise UserError(f"a unet needs samples of shape (C, H, W), not {tuple(shape)}; use the network 'mlp'")
    if not multiples or min(*counts, *multiples) < 1:
        raise UserError(
            "width, multiples, blocks, head_width, patch and groups must all be at least 1;"
            " try width = 64, multiples = [1, 2, 2]"
        )
    if attention and len(attention) != len(multiples):
        raise UserError(
            f"attention has {len(attention)} entries for {len(multiples)} levels; give one for each multiple"
        )
    if not 0 <= dropout < 1:
        raise UserError(f"dropout is a probability, at least 0 and below 1, not {dropout}; try dropout = 0.1")
