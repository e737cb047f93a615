"""How strongly a model's samples are drawn towards what was asked, where, and away from what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fromnoise.errors import UserError
from fromnoise.model.config import Sample
from fromnoise.sampling.guidance import EVERYWHERE

if TYPE_CHECKING:
    from fromnoise.model.classifier import Classifier
    from fromnoise.model.model import Model


@dataclass(frozen=True)
class Guidance:
    """D_0 + weight (D_1 − D_0), D_1 the model's denoiser given the class; to be put in the place of a weight.

    weight    1 is plain conditional sampling, more goes past it
    interval  of lam = log(alpha / sigma), in which it acts; outside it D_1 stands alone (Kynkäänniemi et al. 2024)
    rescale   0 to 1: how far the spread of each mean is brought back to that of D_1 (Lin et al. 2024)
    weaker    a model whose denoiser is D_0: an earlier checkpoint of the same run, say (autoguidance, Karras et al.
              2024); None is the model itself without a class (Ho & Salimans 2022)
    classifier  a classifier of noisy samples, by which D_1 is D_0 led to the class: D_0 + (sigma² / alpha) ∇ log
              p(y|x_t) (Dhariwal & Nichol 2021), outside the interval D_0; the model itself need not know classes

    Raises UserError for an interval without numbers in it, a rescale outside [0, 1], and for both a weaker model and a
    classifier.

    >>> Guidance(2.0, interval=(-1.0, 2.0)).calls
    2
    """

    weight: float
    interval: tuple[float, float] = EVERYWHERE
    rescale: float = 0.0
    weaker: Model | None = None
    classifier: Classifier | None = None

    def __post_init__(self) -> None:
        low, high = self.interval
        if not low < high:
            raise UserError(f"the interval of guidance begins below its end, not at {low:g} and {high:g}")
        if not 0 <= self.rescale <= 1:
            raise UserError(f"rescale lies from 0 to 1, got {self.rescale:g}")
        if self.weaker is not None and self.classifier is not None:
            raise UserError("guidance leads away from a weaker model or towards a classifier's class: give one of them")

    @property
    def calls(self) -> int:
        """Network calls where the model alone would make one, at most; a derivative counts as another."""
        if self.classifier is not None:
            return 3 if self.weight else 1
        return 1 if self.weight == 1 or self.classless else 2

    @property
    def classless(self) -> bool:
        """Whether no class is told at all."""
        everywhere = self.interval == EVERYWHERE and not self.rescale
        return self.weight == 0 and (everywhere or self.classifier is not None)


Weight = float | Guidance | None
"""A weight of guidance, or all of it; None is the model's own."""


def guidance_of(weight: Weight, own: Sample) -> Guidance:
    """The guidance that is meant.

    >>> guidance_of(None, Sample(weight=1.5)).weight
    1.5
    """
    if isinstance(weight, Guidance):
        return weight
    return Guidance(own.weight if weight is None else weight)
