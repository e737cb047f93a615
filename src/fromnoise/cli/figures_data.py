"""What the figures of both papers are drawn from: pictures, states and shapes of a trained run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.evaluation.digits import SIDE
from fromnoise.model.walks import walk
from fromnoise.networks.blocks import Down, Up
from fromnoise.process import CLEAN, at, diffuse, is_discrete
from fromnoise.sampling import Streams, path, trajectory

if TYPE_CHECKING:
    from fromnoise.data import Dataset
    from fromnoise.figures import Block
    from fromnoise.model import Model
    from fromnoise.process import Denoiser, Level

STEPS, RUNS = 100, 9
"""Of a backward run of the ancestral solver, and how many runs H shows."""
ONE, PICTURE = 1000, 2000
"""Numbers of the seed's samples from which H Figures 5 and 6 take their noise.

Where x_T decides little, as with many schedules, the noise of Figure 3 would give its pictures again.
"""
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Source:
    """A trained model under its name, and the seed of all that is drawn from it."""

    name: str
    model: Model
    seed: int = 0

    @cached_property
    def data(self) -> Dataset:
        """What the model was trained on. Raises UserError where it is not there any more."""
        from fromnoise import data

        settings = self.model.config.data
        options = {key: value for key, value in settings.items() if key != "name"}
        try:
            found = data.load(str(settings.get("name", "")), **options)
        except UserError as error:
            raise UserError(f"the training data of {self.name} cannot be read: {error}") from None
        if tuple(found.shape) != tuple(self.model.facts.shape):
            raise UserError(f"the training data of {self.name} now have shape {found.shape}: they were replaced")
        return found

    def check_kind(self, kind: str, argument: str) -> None:
        """Raise UserError unless the model's samples are of this kind."""
        if self.model.facts.kind != kind:
            raise UserError(
                f"this figure is of {kind}, {self.name} is a run of {self.model.facts.kind}: see {argument}"
            )

    def check_nothing_given(self) -> None:
        """Raise UserError for a model of pairs."""
        if self.model.facts.given:
            raise UserError(f"{self.name} draws its samples given something, and this figure gives nothing")

    def check_unconditional(self) -> None:
        """Raise UserError unless the model knows every level, and samples that are of no class."""
        self.check_nothing_given()
        config = self.model.config
        if config.distil.teacher:
            raise UserError(f"{self.name} was distilled and knows the levels of its own steps alone: name its teacher")
        if config.process.conditional and config.train.label_dropout == 0:
            raise UserError(f"{self.name} needs a class, and this figure tells it none: train.label_dropout was 0")

    def check_even(self) -> None:
        """Raise UserError unless the sides of the pictures can be halved."""
        if any(side % 2 for side in self.model.facts.shape[1:]):
            raise UserError(f"k5 halves the sides of pictures, and those of {self.name} are odd")

    def check_digits(self) -> None:
        """Raise UserError unless the samples may be digits, which the classifier of H Figure 4 knows alone."""
        shape, classes = self.model.facts.shape, self.model.facts.classes
        if len(shape) != 3 or shape[0] != 1 or min(shape[1:]) < SIDE or not {*classes} <= {*DIGITS}:
            raise UserError(f"h4 is for digits of one channel and at least {SIDE} x {SIDE} pixels, unlike {self.name}")

    @cached_property
    def unconditional(self) -> Denoiser:
        """The model told no class, as H trained theirs, in the precision in which it is sampled."""
        from fromnoise.model.precision import chosen

        model = self.model
        return model.guided(None, 1.0, chosen(model.config.sample.precision, model.facts.kind, model.device))

    def classes(self, n: int) -> Tensor | None:
        """The numbers of n classes drawn at random by the seed, (n,), for a model that is told one; else None."""
        if not self.model.config.process.conditional:
            return None
        return torch.randint(len(self.model.facts.classes), (n,), generator=torch.Generator().manual_seed(self.seed))

    def pictures(self, n: int) -> Tensor:
        """n different rows of the training data, chosen by the seed, (n, *shape), as the network sees them."""
        from fromnoise.figures.data import choose

        return self.model.seen(self.data, choose(self.data, n, self.seed))

    def various(self, n: int) -> Tensor:
        """The same, of as many classes as there are, where the data have any."""
        from fromnoise.figures.data import choose

        some = choose(self.data, 20 * n, self.seed)
        labels = self.data.batch_labels(some)
        firsts = [] if labels is None else [list(labels).index(label) for label in dict.fromkeys(labels.tolist())]
        order = [*firsts, *(k for k in range(len(some)) if k not in firsts)]
        return self.model.seen(self.data, some[order[:n]])

    def steps(self, most: int = STEPS) -> int:
        """So many steps, or as many as a shorter schedule has."""
        return min(most, int(self.model.schedule.T)) if is_discrete(self.model.schedule) else most

    def back(self, x: Tensor, levels: Sequence[Level], randn: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """x (n, *shape) and what it is after each step of an unconditional ancestral run through the levels."""
        chosen = walk(self.model.config.sample, self.model.schedule, "ddpm", path=levels).solver
        with torch.no_grad():
            return [x, *trajectory(self.unconditional, chosen, levels, x, randn=randn)]

    def gaussian(self, randn: Callable[[Tensor], Tensor], n: int, level: Level) -> Tensor:
        """Pure noise of the size that x_T has on this schedule, (n, *shape)."""
        scale = (level.alpha**2 + level.sigma**2).sqrt().float()
        return scale * randn(torch.zeros(n, *self.model.facts.shape, device=self.model.device))


def even(source: Source, begin: float, steps: int) -> list[Level]:
    """The levels from time `begin` to 0 in at most so many even steps; whole times for a table."""
    schedule = source.model.schedule
    times = torch.linspace(begin, 0.0, steps + 1, dtype=torch.float64)
    times = times.round().unique().flip(0) if is_discrete(schedule) else times
    return path(schedule, times.tolist())


def many_runs(source: Source, n: int) -> tuple[list[Level], list[Tensor]]:
    """Backward runs from n Gaussians (H Figure 3): the levels, and the states (n, *shape) at each."""
    levels = even(source, source.model.schedule.T, source.steps())
    randn = Streams(source.seed, 0, n)
    return levels, source.back(source.gaussian(randn, n, levels[0]), levels, randn)


def runs_from_one(source: Source, runs: int = RUNS) -> tuple[Tensor, list[Tensor]]:
    """Backward runs from one Gaussian (H Figure 5): x_T (*shape), and the states (runs, *shape) of every step."""
    levels = even(source, source.model.schedule.T, source.steps())
    x = source.gaussian(Streams(source.seed, ONE), 1, levels[0])
    states = source.back(x.expand(runs, *x.shape[1:]), levels, Streams(source.seed, ONE + 1, runs))
    return x[0], states


def runs_from_picture(
    source: Source, x_0: Tensor, t: float | None = None, runs: int = RUNS
) -> tuple[Tensor, list[Tensor]]:
    """Backward runs from one noised picture (H Figure 6): x_t (*shape) of x_0 (*shape), and the states of the runs.

    `t` is a time above 0, T unless given; the states are (runs, *shape), one a step.
    """
    schedule = source.model.schedule
    begin = schedule.T if t is None else t
    x_0 = x_0[None].to(source.model.device)
    x = diffuse(x_0, CLEAN, at(schedule, torch.tensor(begin, dtype=torch.float64)), Streams(source.seed, PICTURE))
    levels = even(source, begin, source.steps())
    states = source.back(x.expand(runs, *x.shape[1:]), levels, Streams(source.seed, PICTURE + 1, runs))
    return x[0], states


def chain_times(source: Source, share: float = 0.4) -> list[float]:
    """0, t − 1, t and T, with t at a share of T; in continuous time a step is a thousandth of T.

    Raises UserError where there is no such t.
    """
    end = float(source.model.schedule.T)
    if not is_discrete(source.model.schedule):
        return [0.0, share * end - end / 1000, share * end, end]
    if end < 3:
        raise UserError(f"k3 shows four different times, and {source.name} has T = {end:g}")
    t = min(max(2.0, round(share * end)), end - 1)
    return [0.0, t - 1, t, end]


def unet_blocks(source: Source) -> tuple[list[Block], tuple[int, ...], tuple[int, ...]]:
    """The blocks of the model's U-Net with the shapes that one forward pass has, and those of its ends, (C, H, W).

    Raises UserError for a network without the parts of `networks.UNet`.
    """
    from fromnoise.figures import Block

    network, facts = source.model.network, source.model.facts
    if not all(hasattr(network, name) for name in ("door", "down", "middle", "up", "last")):
        raise UserError(f"the network of {source.name} is no U-Net but {type(network).__name__}")
    down, up = list(network.down), list(network.up)  # type: ignore[arg-type]
    parts = [network.door, *down, *network.middle, *up, network.last]  # type: ignore[misc]
    shapes = _shapes(source, parts)
    left = list(range(1 + len(down)))
    blocks = []
    for part, shape in zip(parts, shapes, strict=True):
        kind = "down" if isinstance(part, Down) else "up" if isinstance(part, Up) else "residual"
        kind = "convolution" if part in (network.door, network.last) else kind
        attention = kind == "residual" and not isinstance(part.attention, torch.nn.Identity)
        skip = left.pop() if part in up and kind == "residual" else None
        channels, height, width = shape
        blocks.append(Block(kind, channels, height, width, attention, skip))
    return blocks, tuple(facts.shape), _shapes(source, [network])[0]


def _shapes(source: Source, parts: Sequence[Any]) -> list[tuple[int, ...]]:
    """The shape (C, H, W) of what each part of the network gives in one forward pass."""
    found: dict[Any, tuple[int, ...]] = {}

    def watch(part: Any, _: Any, output: Tensor) -> None:
        found[part] = tuple(output.shape[1:])

    facts, device = source.model.facts, source.model.device
    hooks = [part.register_forward_hook(watch) for part in parts]
    try:
        x, time = torch.zeros(1, *facts.shape, device=device), torch.full((1,), 0.5, device=device)
        extra = (torch.zeros(1, *facts.given, device=device),) if facts.given else ()
        with torch.no_grad():
            source.model.network(x, time, None, *extra)
    finally:
        for hook in hooks:
            hook.remove()
    return [found[part] for part in parts]
