"""From a configuration to the things that it names: schedule, network, denoiser, loss."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fromnoise.errors import UserError
from fromnoise.model.config import Config, Facts, Process
from fromnoise.model.options import call_named, check_options, unknown
from fromnoise.model.walks import walk
from fromnoise.networks import NETWORKS, custom
from fromnoise.process import (
    PREDICTIONS,
    SCHEDULES,
    TIMES,
    VARIANCES,
    WEIGHTS,
    Denoiser,
    Level,
    Schedule,
    denoising_loss,
    from_network,
    hybrid_loss,
    is_discrete,
    variational,
)

Loss = Callable[[Denoiser, Tensor, Level, Tensor], Tensor]
"""(denoiser, x_0, level, eps) -> the loss of each sample, summed over its elements, (B,)."""


def make_schedule(config: Config) -> Schedule:
    """The schedule that [schedule] names.

    >>> make_schedule(Config.from_dict({"schedule": {"name": "linear", "T": 500}})).T
    500
    """
    return call_named(SCHEDULES, "schedule", config.schedule)


def make_network(config: Config, facts: Facts, network: str | type[nn.Module] | None = None) -> nn.Module:
    """The network that [network] names, for samples of the data's shape, freshly initialised.

    A network of the user's own is a class or "package.module:Class" given as `network`: it is imported only
    because the caller says so, never because a file names it (raises UserError then).
    """
    name = config.network.get("name", "unet" if len(facts.shape) == 3 else "mlp")
    options = {**config.network, "name": name}
    given = {
        "shape": facts.shape,
        "classes": len(facts.classes) if config.process.conditional else 0,
        "outputs": _outputs(config.process, facts),
        **({"extra_channels": facts.given[0]} if facts.given else {}),
    }
    if network is not None:
        entry = custom(network) if isinstance(network, str) else network
        _check_constructor(entry, given)
        return _fits(call_named({name: entry}, "network", options, **given), facts, given)
    if ":" in str(name):
        raise UserError(f"this model uses the network {name}; to let it be imported, add --network {name}")
    return call_named(NETWORKS, "network", options, **given)


def _outputs(process: Process, facts: Facts) -> int:
    """How many tensors like x a network gives: of a classifier, one for each class."""
    if process.prediction != "class":
        return 2 if process.variance == "learned" else 1
    if len(facts.classes) < 2:
        raise UserError("a classifier needs data of two classes or more, and these have none")
    return len(facts.classes)


def _check_constructor(entry: type[nn.Module], given: Mapping[str, Any]) -> None:
    """See that a network's constructor takes what every network is given. Raises UserError."""
    parameters = inspect.signature(entry).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    takes_all = takes_all and entry.__init__ is not nn.Module.__init__  # which takes anything only to refuse it
    for key in given:
        if key not in parameters and not takes_all:
            line = f"{entry.__name__} must take {key}: a network is made as Class(shape=, classes=, outputs=, options)"
            raise UserError(f"{line} and called as network(x, time, label)")


def _fits(network: nn.Module, facts: Facts, given: Mapping[str, Any]) -> nn.Module:
    """The network, once two samples have gone through it and come out in the shape that training needs."""
    x, time = torch.zeros(2, *facts.shape), torch.full((2,), 0.5)
    extra = (torch.zeros(2, *facts.given),) if facts.given else ()
    wanted = (2, given["outputs"] * facts.shape[0], *facts.shape[1:])
    name = type(network).__name__
    try:
        with torch.no_grad():
            shape = tuple(copy.deepcopy(network).eval()(x, time, None, *extra).shape)
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(
            f"{name} called as network(x, time, label) failed with {type(error).__name__}: {line}"
        ) from error
    if shape != wanted:
        raise UserError(f"{name} gave {shape} for x of {tuple(x.shape)}; training needs {wanted}")
    return network


def check(config: Config) -> None:
    """Everything that can be checked before data are read. Raises UserError."""
    process = config.process
    schedule = make_schedule(config)
    if process.prediction == "class":
        _check_classifier(config)
    elif process.prediction not in PREDICTIONS:
        raise unknown("prediction", process.prediction, (*PREDICTIONS, "class"))
    if process.variance not in VARIANCES:
        raise unknown("variance", process.variance, VARIANCES)
    if process.loss not in (*WEIGHTS, "variational", "hybrid"):
        raise unknown("loss", process.loss, (*WEIGHTS, "variational", "hybrid"))
    if process.times not in (*TIMES, "learned"):
        raise unknown("law of times", process.times, (*TIMES, "learned"))
    if process.times == "logit-normal" and process.loss in ("variational", "hybrid"):
        raise UserError(f"loss {process.loss} is a mean over all times alike: use --process.times uniform or learned")
    whole = is_discrete(schedule)
    if not whole and (process.prediction == "mean" or process.loss in ("variational", "hybrid")):
        raise UserError(f"schedule {config.schedule['name']} has no whole steps, which mean and the bound need")
    if (process.loss == "hybrid") != (process.variance == "learned"):
        raise UserError("variance = learned and loss = hybrid go together: the bound is what trains a variance")
    if config.schedule["name"] == "flow" and process.prediction in ("eps", "score"):
        raise UserError("the flow schedule has no signal at t = 1: use --process.prediction flow, v or x_0")
    if config.schedule["name"] == "flow" and process.loss in ("simple", "min-snr") and process.prediction != "class":
        raise UserError("the flow schedule has no signal at t = 1: use --process.loss clean or velocity")
    walk(config.sample, schedule)
    if config.sample.weight != 1 and not process.conditional:
        raise UserError("sample.weight guides towards a class: it needs --process.conditional true")
    if config.sample.weight != 1 and config.train.label_dropout == 0:
        raise UserError("sample.weight guides away from no class: it needs --train.label_dropout above 0")
    name = config.network.get("name")  # without one the data's shape chooses, later
    if name in NETWORKS:
        options = {key: value for key, value in config.network.items() if key != "name"}
        check_options(NETWORKS[name], "network", options, hidden=("shape", "classes", "outputs", "extra_channels"))
    elif name is not None and ":" not in str(name):
        raise unknown("network", str(name), NETWORKS)


def _check_classifier(config: Config) -> None:
    """See that a classifier is asked for nothing that only a denoiser has. Raises UserError."""
    for key in ("variance", "loss", "conditional", "small", "condition"):
        if getattr(config.process, key) != getattr(Process(), key):
            raise UserError(f"a classifier of noisy samples knows no process.{key}: leave it out")
    if config.process.times == "learned":
        raise UserError("a classifier's times are --process.times uniform or logit-normal")
    if config.train.sample_every:
        raise UserError("a classifier draws nothing: --train.sample_every 0")


def make_loss(process: Process, schedule: Schedule) -> Loss:
    """The loss that [process] names, on denoisers."""
    if process.loss == "hybrid":
        return partial(hybrid_loss, schedule=schedule)
    if process.loss == "variational":
        # K (16) with σ_t² = β_t: with β̃ it is infinite at t = 1.
        return partial(denoising_loss, weight=variational(schedule, VARIANCES["large"]))
    return partial(denoising_loss, weight=WEIGHTS[process.loss])


def make_denoiser(
    network: Callable[..., Tensor],
    process: Process,
    schedule: Schedule,
    label: Tensor | None = None,
    given: Tensor | None = None,
) -> Denoiser:
    """The denoiser of a network, its labels fixed and what is given beside x. Raises UserError for a classifier's."""
    if process.prediction == "class":
        raise UserError("this run tells classes and draws nothing: fromnoise sample ANOTHER_RUN --classifier THIS_RUN")
    extra = () if given is None else (given,)
    return from_network(
        lambda x, time: network(x, time, label, *extra),
        PREDICTIONS[process.prediction](schedule),
        schedule.T,
        VARIANCES[process.variance],
        learned=process.variance == "learned",
    )


def count_parameters(network: nn.Module) -> int:
    """The number of trained numbers.

    >>> count_parameters(nn.Linear(2, 3))
    9
    """
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
