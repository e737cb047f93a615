"""Where samples come from, said in the files that hold them."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from fromnoise.model.model import Model
from fromnoise.model.store import pack


def digest(model: Model) -> str:
    """Sixteen hexadecimal digits of the weights: other weights have others.

    >>> from fromnoise.model import load
    >>> len(digest(load("swissroll")))
    16
    """
    weights = pack({name: weight.cpu() for name, weight in model.network.state_dict().items()})
    return hashlib.sha256(weights).hexdigest()[:16]


def made_by(model: Model, **how: Any) -> str:
    """One line of JSON: that this was generated, by which weights, and how; what is None is left out.

    >>> from fromnoise.model import load
    >>> list(json.loads(made_by(load("swissroll"), seed=3, label=None)))
    ['generated', 'model', 'seed']
    """
    said = {name: value for name, value in how.items() if value is not None}
    return json.dumps({"generated": f"by fromnoise {version('fromnoise')}", "model": digest(model), **said})
