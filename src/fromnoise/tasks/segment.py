"""Parts of pictures from few labelled ones: a linear map of what a denoiser sees (Baranchuk et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.process import at
from fromnoise.sampling import Streams

TIMES = (0.05, 0.15, 0.3)
"""Of T: at these the denoiser looks at the pictures."""


@torch.no_grad()
def features(model: Model, x_0: Tensor, times: Sequence[float] = TIMES, seed: int = 0) -> Tensor:
    """What the way up of the model's U-Net sees at every pixel of x_0 noised to some times, (n, F, H, W).

    x_0 is (n, C, H, W) in [-1, 1]. The outputs of all blocks are brought to the pictures' size, and those of all times
    stacked. A picture gets the same features in any batch. Raises UserError for a network that is no U-Net.

    >>> import fromnoise as fn
    >>> features(fn.load("mnist"), torch.zeros(2, 1, 28, 28), times=[0.1]).shape
    torch.Size([2, 640, 28, 28])
    """
    blocks = getattr(model.network, "up", None)
    if not isinstance(blocks, nn.ModuleList):
        more = ": name the model that was adapted" if model.config.process.condition else ""
        kind = type(model.network).__name__
        raise UserError(f"features come from the way up of a U-Net, and this model's network is {kind}{more}")
    seen: list[Tensor] = []
    handles = [block.register_forward_hook(lambda *found: seen.append(found[-1])) for block in blocks]
    try:
        for time in times:
            level = at(model.schedule, time * model.schedule.T)
            x = x_0.to(model.device)
            noise = Streams(seed, 0, 1)(x[:1]).expand_as(x)  # one for all: a picture alone is seen as among others
            model.denoiser()(level.alpha * x + level.sigma * noise, level)
    finally:
        for handle in handles:
            handle.remove()
    size, parts = x_0.shape[-2:], len(seen) // len(blocks) // len(times)
    # The network is called for a few pictures at a time, all blocks each time: put each block's parts together.
    stacked = []
    for place in range(len(times) * len(blocks)):
        time, block = divmod(place, len(blocks))
        pieces = [seen[(time * parts + part) * len(blocks) + block] for part in range(parts)]
        stacked.append(F.interpolate(torch.cat(pieces).float(), size=size, mode="bilinear"))
    return torch.cat(stacked, 1)


@dataclass(frozen=True)
class Segmenter:
    """A linear map of every pixel's features to classes; call it with x_0 (n, C, H, W) for classes (n, H, W), int64."""

    model: Model
    centre: Tensor
    scale: Tensor
    head: nn.Linear

    @torch.no_grad()
    def __call__(self, x_0: Tensor) -> Tensor:
        parts = []
        for part in x_0.split(self.model.config.sample.batch):
            seen = (features(self.model, part).movedim(1, -1) - self.centre) / self.scale
            parts.append(self.head(seen).argmax(-1).cpu())
        return torch.cat(parts)


def segmenter(
    model: Model,
    x_0: Tensor,
    masks: Tensor,
    *,
    classes: int | None = None,
    steps: int = 200,
    decay: float = 1e-2,
    seed: int = 0,
) -> Segmenter:
    """Learn a Segmenter from pictures x_0 (n, C, H, W) and the class of each pixel, masks (n, H, W), int64 from 0.

    The head alone learns, for `steps` of AdamW on 4,096 pixels, so that 50 pictures take seconds. Raises UserError
    where pictures and masks do not go together, and for classes that are negative, above the number of `classes`, or,
    unless that is given, leave most numbers out.

    >>> import fromnoise as fn
    >>> x = fn.data.load("mnist", fit="pad", size=28).batch(range(4))
    >>> find = segmenter(fn.load("mnist"), x, (x[:, 0] > 0).long(), steps=20)
    >>> bool((find(x) == (x[:, 0] > 0)).double().mean() > 0.9)
    True
    """
    if masks.shape != (len(x_0), *x_0.shape[-2:]) or masks.is_floating_point() or bool((masks < 0).any()):
        raise UserError(f"masks hold whole numbers from 0, (n, H, W) like the pictures, not {tuple(masks.shape)}")
    masks = masks.long()
    if classes is not None and int(masks.max()) >= classes:
        raise UserError(f"masks hold the class {int(masks.max())}, and there are {classes}, from 0")
    if classes is None and 2 * len(masks.unique()) <= int(masks.max()):
        raise UserError(f"of the classes 0, 1, ... {int(masks.max())} most have no pixel: number them without gaps")
    parts = x_0.split(model.config.sample.batch)
    pixels = torch.cat([features(model, part).movedim(1, -1).flatten(0, 2) for part in parts])
    centre, scale = pixels.mean(0), pixels.std(0).clamp_min(1e-6)
    wanted = masks.flatten().to(pixels.device)
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(pixels.shape[1], classes or int(masks.max()) + 1).to(pixels.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=decay)
    with torch.enable_grad():
        for _ in range(steps):
            some = torch.randint(len(pixels), (4096,), generator=generator).to(pixels.device)
            optimizer.zero_grad()
            F.cross_entropy(head((pixels[some] - centre) / scale), wanted[some]).backward()
            optimizer.step()
    return Segmenter(model, centre, scale, head)
