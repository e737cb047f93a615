"""Muon's steps against the singular value decomposition, and which weights take them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fromnoise.networks import MLP, UNet
from fromnoise.training import muon
from fromnoise.training.muon import Muon, hidden_weights, orthogonal


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), scale=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_singular_vectors_stay_and_values_come_near_one(rows: int, columns: int, scale: float, seed: int) -> None:
    matrix = scale * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    u, values, vt = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.T @ orthogonal([matrix])[0] @ vt.T
    kept = values > 0.02 * values.norm()  # five rounds do not lift what is smaller to 0.7
    assert ((inside.diag()[kept] > 0.6) & (inside.diag()[kept] < 1.25)).all()
    assert (inside - inside.diag().diag()).abs().max() < 0.01


def test_a_matrix_and_its_transpose_and_the_zero_matrix() -> None:
    matrix = torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(orthogonal([matrix])[0].mT, orthogonal([matrix.mT])[0], atol=1e-5)
    assert (orthogonal([torch.zeros(4, 6)])[0] == 0).all()


def test_matrices_of_all_shapes_at_once_are_as_each_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(20, 30), (30, 20), (20, 20), (7, 90), (20, 64), (1, 5)]
    matrices = [torch.randn(shape, generator=generator) for shape in shapes]
    for together, matrix in zip(orthogonal(matrices), matrices, strict=True):
        assert together.shape == matrix.shape
        assert torch.allclose(together, orthogonal([matrix])[0], atol=1e-5)


def test_two_steps_written_out() -> None:
    """W ← W (1 − lr wd) − lr scale √max(1, rows / columns) O(g + μ m), m ← μ m + g."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(32, 8, 2, 1))
    expected, mean = weight.detach().clone(), torch.zeros(32, 16)
    optimizer = Muon([weight], [], 0.01, scale=5.0, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        weight.grad = torch.randn(32, 8, 2, 1)
        gradient = weight.grad.flatten(1)
        mean = 0.9 * mean + gradient
        move = orthogonal([gradient + 0.9 * mean])[0].view_as(weight)
        expected = expected * (1 - 0.01 * 0.1) - 0.01 * 5.0 * 2**0.5 * move
        optimizer.step()
    assert torch.allclose(weight, expected, atol=1e-6)


def test_the_others_take_adamw_steps() -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.arange(6.0)) for _ in range(2))
    pair = (
        Muon([], [ours], 0.02, betas=(0.8, 0.9), weight_decay=0.1),
        torch.optim.AdamW([theirs], 0.02, betas=(0.8, 0.9), weight_decay=0.1),
    )
    for _ in range(5):
        ours.grad = torch.randn(6)
        theirs.grad = ours.grad.clone()
        for optimizer in pair:
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_weight_without_a_gradient_stays() -> None:
    weight, other = nn.Parameter(torch.ones(16, 16)), nn.Parameter(torch.ones(3))
    Muon([weight], [other], 0.1, weight_decay=0.5).step()
    assert (weight == 1).all()
    assert (other == 1).all()


def test_hidden_weights_leave_out_what_touches_the_data_and_tables_and_vectors() -> None:
    for network in (
        UNet((1, 8, 8), classes=10, width=16, multiples=(1, 2), attention=(False, True)),
        MLP((2,), classes=3, width=32),
    ):
        hidden = {id(weight) for weight in hidden_weights(network)}
        names = {name for name, part in network.named_parameters() if id(part) in hidden}
        assert names
        assert all(name.endswith("weight") for name in names)
        assert not names & {"door.weight", "last.weight", "condition.labels.table.weight"}
        for name, part in network.named_parameters():
            matrix = part.ndim > 1 and min(part.flatten(1).shape) >= 16
            outside = name.startswith(("door", "last", "condition.labels"))
            assert (name in names) == (matrix and not outside)


def test_it_needs_no_closure() -> None:
    with pytest.raises(ValueError, match="no closure"):
        Muon([nn.Parameter(torch.ones(16, 16))], []).step(lambda: 0.0)


def test_its_count_of_steps_stays_beside_the_weights_when_it_is_resumed() -> None:
    """PyTorch leaves the count on the CPU unless the group says that it is fused, and the fused step refuses that."""
    net = torch.nn.Linear(2, 1)
    optimizer = Muon([], net.parameters())
    assert all(group["fused"] for group in optimizer.param_groups if not group["orthogonal"])


def test_its_products_are_in_float32_whatever_the_caller_allows_and_his_choice_stays(monkeypatch) -> None:
    seen = []

    def watched(matrices):
        seen.append(torch.get_float32_matmul_precision())
        return orthogonal(matrices)

    monkeypatch.setattr(muon, "orthogonal", watched)
    net = torch.nn.Linear(16, 16)
    net(torch.eye(16)).square().sum().backward()
    torch.set_float32_matmul_precision("medium")
    try:
        Muon([net.weight], [net.bias]).step()
        assert (seen, torch.get_float32_matmul_precision()) == (["highest"], "medium")
    finally:
        torch.set_float32_matmul_precision("highest")
