"""Pictures like a picture: noised to a level and brought back (H Figures 5 and 6; SDEdit, Meng et al. 2022)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.asked import Label
from fromnoise.model.guidance import Weight
from fromnoise.process import CLEAN, at, diffuse
from fromnoise.sampling import Streams
from fromnoise.tasks.restore import APART
from fromnoise.tasks.told import check_levels, weight_for


def varied(
    model: Model,
    x_0: Tensor,
    n: int = 1,
    *,
    strength: float = 0.5,
    seed: int = 0,
    first: int = 0,
    alike: bool = False,
    label: Label = None,
    weight: Weight = None,
    **how: Any,
) -> Tensor:
    """n pictures like x_0, (1, *shape) or one each, in the network's units -> (n, *shape) in the data's own.

    x_0 is noised to time strength · T, strength in (0, 1], and the reverse process goes on from there: near 0 it gives
    the picture back, at 1 it knows nothing of it. `alike` noises all with one noise: with solver "ddpm" these are the
    backward runs of H Figure 6, and at strength 1 those of Figure 5. Without a label no class is told. `how` are other
    arguments of `Model.sample`; its `steps` are those of the whole way, of which the walk takes what is left. Raises
    UserError for a strength outside (0, 1].

    >>> import fromnoise as fn
    >>> model = fn.load("mnist")
    >>> varied(model, torch.zeros(1, 1, 28, 28), 2, strength=0.3, steps=4, label=7).shape
    torch.Size([2, 1, 28, 28])
    """
    if not 0 < strength <= 1:
        raise UserError(f"strength lies above 0 and at most at 1, got {strength:g}")
    check_levels(model)
    weight = weight_for(model, label, weight)
    way = model.walk(*(how.pop(name, None) for name in ("solver", "steps", "path")))
    begin = at(model.schedule, strength * model.schedule.T)
    left = [level for level in way.levels if float(level.t) < float(begin.t) - 1e-6 * model.schedule.T]
    levels = [begin, *(left or way.levels[-1:])]
    streams = Streams(seed, 0 if alike else first, 1 if alike else n, draw=APART)
    x_0 = x_0.to(model.device).expand(n, *model.facts.shape)
    x_t = diffuse(x_0, CLEAN, begin, lambda x: streams(x[: streams.n]).expand_as(x))
    how |= {"label": label, "weight": weight, "first": first}
    return model.sample(n, seed=seed, start=x_t, solver=way.solver, path=levels, **how)


def between(model: Model, x_0: Tensor, y_0: Tensor, n: int = 8, **how: Any) -> Tensor:
    """n pictures on the way from x_0 to y_0, (1, *shape) each: their mixtures, noised alike and brought back.

    The noisy versions of both with one noise are mixed, as in Ho et al. (2020), which is to noise the mixtures with it.
    `how` are the arguments of `varied`.

    >>> import fromnoise as fn
    >>> between(fn.load("mnist"), torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28), 3, steps=4).shape
    torch.Size([3, 1, 28, 28])
    """
    share = torch.linspace(0, 1, n).reshape(-1, *(1,) * len(model.facts.shape)).to(x_0)
    return varied(model, torch.lerp(x_0, y_0, share), n, alike=True, **how)
