"""A classifier of noisy samples, p(y|x_t), whose gradient leads a model to a class (Dhariwal & Nichol 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model.precision import casting
from fromnoise.process import Level

if TYPE_CHECKING:
    from fromnoise.model.model import Model


def class_log_probs(network: Callable[..., Tensor], x: Tensor, n: Level, horizon: float, classes: int) -> Tensor:
    """log p(y|x_t) of each class, (B, classes), float32, by a network of so many outputs.

    It is called as a denoiser's network is, F(x_t / (alpha² + sigma²)^½, t / horizon), and each of its outputs, of the
    shape of x, is averaged to one number: any network that can denoise can classify.

    >>> import torch
    >>> from fromnoise.process import linear, at
    >>> two = lambda x, time, label: torch.cat([0 * x, 0 * x + 1], 1)
    >>> class_log_probs(two, torch.zeros(1, 2), at(linear(10), 3), 10, 2).exp()
    tensor([[0.2689, 0.7311]])
    """
    time = (n.t / horizon).to(x).expand(len(x))
    outputs = network((x / (n.alpha**2 + n.sigma**2).sqrt()).to(x.dtype), time, None).float()
    return outputs.unflatten(1, (classes, -1)).flatten(2).mean(2).log_softmax(1)


class Classifier:
    """What a run trained with process.prediction = "class" knows: which class a noisy sample is of.

    >>> import torch
    >>> import fromnoise as fn
    >>> from fromnoise.process import at
    >>> how = {"process.prediction": "class", "train.steps": 2, "network.width": 8}
    >>> *_, finished = fn.fit(fn.recipe("moons").override(how))
    >>> tell = Classifier(finished.model)
    >>> tell(torch.zeros(3, 2), at(tell.model.schedule, 500.0)).shape
    torch.Size([3, 2])
    """

    def __init__(self, model: Model):
        if model.config.process.prediction != "class":
            raise UserError(
                "this model draws samples and tells no classes: train one with fromnoise train --classifier"
            )
        self.model = model

    def __call__(self, x: Tensor, n: Level, precision: str = "fp32") -> Tensor:
        """log p(y|x_t) of each class, (B, classes), with gradients in x (B, *shape), as the network sees it."""
        model = self.model
        with casting(precision, model.device):
            return class_log_probs(model.network, x, n, model.schedule.T, len(model.facts.classes))

    def towards(self, labels: Tensor, precision: str = "fp32") -> Callable[[Tensor, Level], Tensor]:
        """(x_t, level) -> log p(y = labels|x_t), (B,), labels (B,): what `sampling.climbed` climbs."""
        return lambda x, n: self(x, n, precision).gather(1, labels[:, None])[:, 0]
