"""Distances beside torchmetrics' and prdc's, on the same features.

make parity
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fromnoise.evaluation import frechet, kid, manifolds

fid = pytest.importorskip("torchmetrics.image.fid")
kernels = pytest.importorskip("torchmetrics.image.kid")
prdc = pytest.importorskip("prdc")
pytestmark = pytest.mark.parity
D = 48


class Given(nn.Module):
    """Features that are the pictures themselves."""

    num_features = D

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def features(n: int, seed: int, scale: float = 1.0, gap: float = 0.0) -> torch.Tensor:
    """Correlated and skewed, as features of networks are."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(D, D, generator=torch.Generator().manual_seed(5), dtype=torch.float64) / D**0.5
    x = torch.randn(n, D, generator=generator, dtype=torch.float64) @ mix
    return scale * torch.nn.functional.softplus(x) + gap


SETS = [(features(900, 0), features(700, 1)), (features(900, 0, 1.2, 0.1), features(700, 1))]


@pytest.mark.parametrize("sets", SETS, ids=["alike", "apart"])
def test_frechet(sets) -> None:
    a, b = sets
    peer = fid.FrechetInceptionDistance(Given()).set_dtype(torch.float64)
    for x, real in ((b, True), (a, False)):
        peer.update(x.reshape(len(x), 3, 4, 4), real=real)
    traces = float(torch.cov(a.T).trace() + torch.cov(b.T).trace())
    assert abs(frechet(a, b) - float(peer.compute())) < 1e-6 * traces


@pytest.mark.parametrize("sets", SETS, ids=["alike", "apart"])
def test_kernel(sets) -> None:
    """One subset of all is the whole."""
    a, b = sets[0][:700], sets[1]
    peer = kernels.KernelInceptionDistance(Given(), subsets=1, subset_size=700).set_dtype(torch.float64)
    for x, real in ((b, True), (a, False)):
        peer.update(x.reshape(len(x), 3, 4, 4), real=real)
    assert kid(a, b).value == pytest.approx(float(peer.compute()[0]), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("sets", SETS, ids=["alike", "apart"])
def test_manifolds(sets, k: int) -> None:
    a, b = sets
    theirs = prdc.compute_prdc(b.numpy(), a.numpy(), nearest_k=k)
    for name, ours in manifolds(a, b, k)._asdict().items():
        assert ours.value == pytest.approx(float(theirs[name]), abs=1e-12), name
