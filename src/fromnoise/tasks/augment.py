"""Drawn pictures for the classes of which there are few, and what they are worth to a classifier (K section V)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.errors import UserError
from fromnoise.evaluation.digits import Classes
from fromnoise.model import Model
from fromnoise.model.precision import casting, chosen
from fromnoise.tasks.told import check_classes

BATCH, RATE = 128, 4e-3
"""Of the classifiers."""


class Labelled(NamedTuple):
    """Pictures x (n, C, H, W) in [-1, 1], and the number of each one's class, labels (n,) int64."""

    x: Tensor
    labels: Tensor


def lacking(labels: Tensor, classes: int, wanted: int | None = None) -> list[int]:
    """How many pictures each class has fewer than `wanted`, or than the largest class has.

    >>> lacking(torch.tensor([0, 0, 0, 2]), 3)
    [0, 3, 2]
    """
    counts = labels.bincount(minlength=classes)
    return ((int(counts.max()) if wanted is None else wanted) - counts).clamp_min(0).tolist()


def synthesised(
    model: Model,
    counts: list[int],
    *,
    seed: int = 0,
    steps: int | None = None,
    weight: float | None = None,
    precision: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Labelled:
    """So many pictures of each of the model's classes, drawn with that weight of guidance.

    Raises UserError for a model without classes.

    >>> import fromnoise as fn
    >>> drawn = synthesised(fn.load("mnist"), [0, 2, 1] + 7 * [0], steps=2)
    >>> drawn.x.shape, drawn.labels.tolist()
    (torch.Size([3, 1, 28, 28]), [1, 1, 2])
    """
    check_classes(model)
    if model.facts.kind != "images":
        raise UserError(f"this takes a model of images, and this one knows {model.facts.kind}")
    if len(counts) != len(model.classes) or not any(counts):
        raise UserError(f"counts say how many to draw of each of {len(model.classes)} classes, and some above 0")
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    how: dict[str, Any] = {"seed": seed, "steps": steps, "weight": weight, "precision": precision}
    x = model.sample(len(labels), label=labels, progress=progress, **how)
    return Labelled(x.cpu(), labels)


def moved(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture turned by up to 0.2 radians, sized by up to a tenth and shifted by up to a fourteenth of its side.

    >>> moved(torch.zeros(2, 1, 8, 8), torch.Generator()).shape
    torch.Size([2, 1, 8, 8])
    """
    n = len(x)
    angle, size = (torch.rand(2, n, generator=generator) * 2 - 1) * torch.tensor([[0.2], [0.1]])
    shift = (torch.rand(n, 2, 1, generator=generator) * 2 - 1) * 2 / 14
    wide = x.shape[3] / x.shape[2]  # the grid's units are the picture's sides
    turn = torch.stack([angle.cos(), -angle.sin() / wide, angle.sin() * wide, angle.cos()], 1).view(n, 2, 2)
    grid = F.affine_grid(torch.cat([turn * (1 + size)[:, None, None], shift], 2), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False, padding_mode="border")


def evenly(labels: Tensor) -> Tensor:
    """Weights (n,) with which each class is drawn as often as another, its pictures again and again if they are few.

    >>> evenly(torch.tensor([0, 0, 2]))
    tensor([0.5000, 0.5000, 1.0000])
    """
    return 1.0 / labels.bincount()[labels]


def together(real: Labelled, drawn: Labelled) -> tuple[Labelled, Tensor]:
    """Both, and weights (n,) with which each class is as frequent, half by its own pictures and half by drawn ones.

    Half, as drawn pictures are many and not all of them right. A class that has but one kind is of that alone.

    >>> real = Labelled(torch.zeros(3, 1, 8, 8), torch.tensor([0, 0, 1]))
    >>> drawn = Labelled(torch.zeros(1, 1, 8, 8), torch.tensor([1]))
    >>> together(real, drawn)[1]
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    both = Labelled(torch.cat([real.x, drawn.x]), torch.cat([real.labels, drawn.labels]))
    in_both = torch.isin(both.labels, real.labels) & torch.isin(both.labels, drawn.labels)
    return both, torch.cat([evenly(real.labels), evenly(drawn.labels)]) / (1 + in_both)


def classifier(
    data: Labelled, classes: int, *, weights: Tensor | None = None, steps: int = 600, move: bool = False, seed: int = 0
) -> nn.Module:
    """A small convolutional network trained on pictures by class: (n, C, H, W) -> features, logits (n, classes).

    `weights` (n,) say how often each picture is drawn, beside the others; `move` moves it a little each time. Raises
    UserError for pictures of fewer than 4 pixels a side.
    """
    if min(data.x.shape[2:]) < 4:
        raise UserError("a classifier takes pictures of at least 4 pixels a side")
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = Classes(data.x.shape[1], classes)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs do not know it
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    precision = chosen("auto", "images", data.x.device)
    ends = (torch.ones(len(data.x)) if weights is None else weights).double().cumsum(0)
    with torch.enable_grad():
        for _ in range(steps):
            u = torch.rand(BATCH, generator=generator, dtype=torch.float64)
            rows = torch.searchsorted(ends, u * ends[-1]).clamp(max=len(data.x) - 1)
            x = moved(data.x[rows], generator) if move else data.x[rows]
            with casting(precision, x.device):
                logits = network(x.contiguous(memory_format=torch.channels_last))[1].float()
            loss = F.cross_entropy(logits, data.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    return network.eval()


@torch.no_grad()
def checked(drawn: Labelled, network: nn.Module) -> Labelled:
    """Those of the drawn pictures in which a classifier sees the class that they were drawn for.

    >>> drawn = Labelled(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]))
    >>> len(checked(drawn, classifier(drawn, 2, steps=1)).x)
    1
    """
    right = torch.cat([network(part)[1].argmax(1) for part in drawn.x.split(500)]) == drawn.labels
    return Labelled(drawn.x[right], drawn.labels[right])


@torch.no_grad()
def balanced_accuracy(network: nn.Module, test: Labelled) -> float:
    """The mean over classes of the share of their pictures that are told rightly."""
    found = torch.cat([network(part)[1].argmax(1) for part in test.x.split(500)])
    return float(torch.stack([(found[test.labels == k] == k).double().mean() for k in test.labels.unique()]).mean())


WAYS: Mapping[str, tuple[str, bool]] = {
    "as they are": ("real", False),
    "duplicates": ("even", False),
    "moved": ("even", True),
    "synthetic": ("together", False),
    "synthetic, moved": ("together", True),
    "synthetic, checked": ("checked", False),
}
"""What a classifier is trained on, by name: (the data as they are, evenly, together with drawn ones or with those in
which the classifier "moved" sees their class; moved)."""


def compared(
    real: Labelled,
    drawn: Labelled,
    test: Labelled,
    classes: int,
    *,
    steps: int = 600,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """Balanced accuracies on `test` of classifiers trained in all `WAYS`, from equal weights, in as many steps."""
    sets = {"real": (real, None), "even": (real, evenly(real.labels)), "together": together(real, drawn)}
    networks: dict[str, nn.Module] = {}
    for number, (name, (which, move)) in enumerate(WAYS.items(), 1):
        if which == "checked":
            sets[which] = together(real, checked(drawn, networks["moved"]))
        data, weights = sets[which]
        networks[name] = classifier(data, classes, weights=weights, steps=steps, move=move, seed=seed)
        progress(number, len(WAYS))
    return {name: balanced_accuracy(network, test) for name, network in networks.items()}
