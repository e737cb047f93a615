"""One name -> one model: a run folder, a checkpoint, a saved model, a bundled name or a hub name."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from fromnoise.errors import UserError
from fromnoise.model.assembly import make_network
from fromnoise.model.config import TUNED, Config, read_config, read_sample
from fromnoise.model.model import Model
from fromnoise.model.options import unknown
from fromnoise.model.store import read_tensors

BUNDLED = Path(__file__).with_name("bundled")
"""Models that come with the package, each a folder as `Model.save` writes it."""


def load(
    name: str | Path,
    *,
    device: str | torch.device | None = None,
    network: str | type[nn.Module] | None = None,
) -> Model:
    """A trained model by run folder, checkpoint folder, saved folder, bundled name or hub name (owner/name).

    Of a run the newest whole checkpoint is taken and, where there are any, its averaged weights; a way of sampling
    that `fromnoise tune` found goes before that of the recipe. `device` is the GPU where there is one. A network of
    your own must be given again, as a class or as "package.module:Class": what a file names is never imported. Raises
    UserError.

    >>> load("swissroll").facts.shape
    (2,)
    """
    folder = _find(str(name))
    if (folder / "model.safetensors").is_file():
        config, weights = folder / "config.toml", folder / "model.safetensors"
    elif checkpoints(folder):
        config, weights = folder / "config.toml", _weights(checkpoints(folder)[-1])
    elif (folder / "network.safetensors").is_file():
        config, weights = folder.resolve().parent.parent / "config.toml", _weights(folder)
    else:
        raise UserError(f"{folder} holds no model yet: no checkpoint and no model.safetensors")
    model = assemble(_tuned(read_config(config), config.parent), read_tensors(weights), str(folder), network)
    model.network.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return model


def bundled() -> list[str]:
    """The names of the models that come with the package.

    >>> "swissroll" in bundled()
    True
    """
    return sorted(path.parent.name for path in BUNDLED.glob("*/model.safetensors"))


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first; one that was being written has another name."""
    found = [path for path in (run / "checkpoints").glob("step-*") if re.fullmatch(r"step-\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name[5:]))


def _tuned(config: Config, folder: Path) -> Config:
    """The configuration with the way of sampling that `fromnoise tune` found, where it was asked."""
    path = folder / TUNED
    return config.override({f"sample.{key}": v for key, v in read_sample(path).items()}) if path.is_file() else config


def _weights(checkpoint: Path) -> Path:
    averaged = checkpoint / "ema.safetensors"
    return averaged if averaged.is_file() else checkpoint / "network.safetensors"


def _find(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name)
    if name in bundled():
        return BUNDLED / name
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith(".") and not Path(name).parent.is_dir():
        return _from_hub(name)
    raise unknown("model", name, bundled()) if "/" not in name else UserError(f"there is no run at {name}")


def _from_hub(name: str) -> Path:
    """Download config.toml and model.safetensors, nothing else: a hub folder is not trusted with more."""
    import huggingface_hub

    try:
        path = huggingface_hub.snapshot_download(name, allow_patterns=["config.toml", "model.safetensors"])
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise UserError(f"no folder {name} here, and the hub did not give it: {reason}") from None
    return Path(path)


def assemble(config: Config, weights: dict[str, Tensor], source: str, network: str | type | None = None) -> Model:
    """A model from a configuration and weights. Raises UserError where they do not fit each other."""
    if config.facts is None:
        raise UserError(f"{source} has no [facts]: it is not a trained model")
    net = make_network(config, config.facts, network)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise UserError(f"the weights of {source} do not fit its network: {first[0].strip()}") from None
    return Model(config, net)
