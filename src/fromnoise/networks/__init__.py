"""Networks: what the denoiser learns with. They know nothing of noise schedules, samplers or files.

Each network, built-in or yours, is made by `Net(shape, classes=0, outputs=1, extra_channels=0, **options)`
and called as `net(x, time, label=None, extra=None)`:

- x has shape (B, *shape), time (B,) is t / T in [0, 1];
- label (B,) is int64 in 0..classes, where `classes` itself, like None, means "no label";
- extra (B, extra_channels, ...) is given exactly when the network was built with extra channels;
- the result has shape (B, outputs * shape[0], ...): `outputs` tensors like x, along dimension 1.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import nn

from fromnoise.errors import UserError
from fromnoise.networks.adapter import Adapted
from fromnoise.networks.embeddings import Condition, Fourier, Labels, sinusoidal
from fromnoise.networks.mlp import FNN, MLP
from fromnoise.networks.unet import UNet

__all__ = [
    "FNN",
    "MLP",
    "NETWORKS",
    "Adapted",
    "Condition",
    "Fourier",
    "Labels",
    "UNet",
    "custom",
    "ours",
    "sinusoidal",
]

NETWORKS: dict[str, Callable[..., nn.Module]] = {"adapted": Adapted, "fnn": FNN, "mlp": MLP, "unet": UNet}
"""The built-in networks by the name that a recipe gives them."""


def ours(network: nn.Module) -> bool:
    """Whether a network is of this package, and uses its weights in no ways of its own.

    >>> ours(FNN((2,))), ours(nn.Linear(2, 2))
    (True, False)
    """
    return type(network).__module__.startswith("fromnoise.networks.")


def custom(path: str) -> type[nn.Module]:
    """Import the user's own network class, named as "package.module:Class".

    Importing runs that module, so call this only with a name that the user typed, never with one read from a
    downloaded file.

    Args:
        path: dotted module, a colon, the name of a subclass of torch.nn.Module.

    Raises:
        UserError: if there is no colon, no such module, no such class, or it is not a network.

    >>> custom("fromnoise.networks.mlp:FNN").__name__
    'FNN'
    """
    name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in [*name.split("."), attribute]):
        raise UserError(f"'{path}' does not name a network class; write package.module:Class")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise UserError(f"no module named '{name}'; check its spelling and put its folder on PYTHONPATH") from error
        raise UserError(f"'{name}' needs the module '{error.name}', which is not installed") from error
    except Exception as error:
        what = " ".join(str(error).split())
        raise UserError(f"importing '{name}' failed with {type(error).__name__}: {what}") from error
    found = getattr(module, attribute, None)
    if found is None:
        raise UserError(f"module '{name}' has no class '{attribute}'; check its spelling")
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f"'{path}' is not a network; give a subclass of torch.nn.Module")
    return found
