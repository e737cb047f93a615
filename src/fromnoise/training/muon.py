"""Muon (Jordan et al. 2024): hidden weights move by orthogonal matrices, everything else by AdamW."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

# The odd quintic whose iterates carry singular values in (0, 1] to 0.7 ... 1.2 in five rounds (Jordan et al. 2024).
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ROUNDS = 5


def orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    """The same matrices with singular values near 1; of any shapes and scales.

    Newton and Schulz's iteration, which needs products only: from U S Vᵀ it makes U S' Vᵀ, where S' is 0.7 ... 1.2 for
    all but the smallest of S. Each round multiplies by a polynomial of x xᵀ, and these commute. So they are gathered on
    the small side, in one stack for all matrices of the same side: a third of the work, and few large products.

    >>> values = torch.linalg.svdvals(orthogonal([torch.randn(20, 50)])[0])
    >>> bool((values > 0.6).all() and (values < 1.25).all())
    True
    """
    wide = [matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT for matrix in matrices]
    wide = [x / x.norm().clamp_min(1e-12) for x in wide]
    sides: dict[int, list[int]] = {}
    for place, x in enumerate(wide):
        sides.setdefault(len(x), []).append(place)
    out = list(matrices)
    for places in sides.values():
        factors = _rounds(torch.stack([wide[place] @ wide[place].mT for place in places]))
        for place, factor in zip(places, factors, strict=True):
            x = factor @ wide[place]
            out[place] = x if x.shape == matrices[place].shape else x.mT
    return out


def _rounds(gram: Tensor) -> Tensor:
    """For x xᵀ of each x, (n, side, side), the product of all rounds' polynomials: what x is to be multiplied by."""
    unit = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
    gathered = unit
    for number in range(_ROUNDS):
        factor = torch.baddbmm(torch.add(_A * unit, gram, alpha=_B), gram, gram, alpha=_C)
        gathered = factor @ gathered if number else factor
        if number < _ROUNDS - 1:
            gram = factor @ gram @ factor
    return gathered


def hidden_weights(network: nn.Module, least: int = 16) -> list[Tensor]:
    """The weights inside a network that multiply features: of linear and convolutional layers.

    Left out are the layers called `door` and `last`, which see the data's own units, where directions are not alike,
    and matrices with fewer than `least` rows or columns, in which there is little to make orthogonal.

    >>> net = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 2))
    >>> [tuple(weight.shape) for weight in hidden_weights(net)]
    [(32, 32)]
    """
    ends = [part for name, part in network.named_modules() if name.rpartition(".")[2] in ("door", "last")]
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    layers = [part for part in network.modules() if isinstance(part, kinds) and part not in ends]
    weights = {id(layer.weight): layer.weight for layer in layers}  # two layers may share one
    return [weight for weight in weights.values() if weight.requires_grad and min(weight.flatten(1).shape) >= least]


@contextlib.contextmanager
def _float32_products() -> Iterator[None]:
    """Products of matrices in float32 itself: squares of squares would carry the rounding of TF32 beyond 1."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class Muon(torch.optim.Optimizer):
    """Orthogonal steps with momentum for some weights, AdamW for the others.

    A weight (rows, ...) is taken as a matrix (rows, columns). Its step is lr · scale · max(1, rows / columns)^½ times
    the orthogonalised Nesterov momentum of its gradient, so that every direction of it moves alike, however seldom a
    sample points there. `lr` is AdamW's rate for the others.

    Args:
        hidden: the weights that take orthogonal steps, of at least two dimensions each.
        others: all other weights.
        lr: AdamW's learning rate.
        scale: the rate of orthogonal steps, in units of `lr`.
        betas: of AdamW; in [0, 1).
        momentum: of the orthogonal steps; in [0, 1).
        weight_decay: decoupled, for all.

    >>> net = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 1))
    >>> optimizer = Muon(hidden_weights(net), [net[0].weight, net[2].weight])
    >>> net(torch.ones(4, 2)).square().mean().backward()
    >>> optimizer.step()
    """

    def __init__(
        self,
        hidden: Iterable[Tensor],
        others: Iterable[Tensor],
        lr: float = 2e-3,
        *,
        scale: float = 10.0,
        betas: tuple[float, float] = (0.9, 0.99),
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay}
        groups = [
            {"params": list(hidden), "momentum": momentum, "scale": scale, "orthogonal": True},
            # fused: so that a resumed run keeps its count of steps where the weights are
            {"params": list(others), "betas": betas, "eps": 1e-8, "orthogonal": False, "fused": True},
        ]
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Follow the gradients; weights without one stay. `closure` is not supported."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if group["orthogonal"]:
                self._orthogonal(group, weights)
            elif weights:
                self._adamw(group, weights)

    def _orthogonal(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        if not weights:
            return
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        means = [self.state[weight]["momentum"] for weight in weights]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        torch._foreach_mul_(means, group["momentum"])
        torch._foreach_add_(means, gradients)
        ahead = torch._foreach_add(gradients, means, alpha=group["momentum"])
        with _float32_products():
            moves = orthogonal([move.flatten(1) for move in ahead])
        # The rate may be a tensor, which a recorded step reads anew each time: it is no Python number then.
        rates = [group["lr"] * (group["scale"] * max(1.0, move.shape[0] / move.shape[1]) ** 0.5) for move in moves]
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        for weight, move, rate in zip(weights, moves, rates, strict=True):
            if isinstance(rate, Tensor):
                weight.sub_(move.reshape(weight.shape) * rate)
            else:
                weight.add_(move.reshape(weight.shape), alpha=-rate)

    def _adamw(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        for weight in weights:
            if not self.state[weight]:
                state = {"step": torch.zeros((), device=weight.device)}
                self.state[weight] = state | {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
        states = [self.state[weight] for weight in weights]
        adamw(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
