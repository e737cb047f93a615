"""Networks of the user's own, named as package.module:Class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fromnoise.errors import UserError
from fromnoise.networks import MLP, NETWORKS, custom


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's, on the path."""
    (tmp_path / "mine_for_test.py").write_text(
        "import torch\n"
        "number = 3\n"
        "class Zero(torch.nn.Module):\n"
        "    def __init__(self, shape, *, classes=0, outputs=1, extra_channels=0):\n"
        "        super().__init__()\n"
        "    def forward(self, x, time, label=None, extra=None):\n"
        "        return 0 * x\n"
    )
    (tmp_path / "needy_for_test.py").write_text("import surely_not_installed\n")
    (tmp_path / "broken_for_test.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "mine_for_test"


def test_a_class_is_found_and_works(module: str) -> None:
    net = custom(f"{module}:Zero")((2,))
    assert not net(torch.ones(3, 2), torch.rand(3)).any()
    assert custom("fromnoise.networks.mlp:MLP") is MLP


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mine_for_test.Zero", "package.module:Class"),
        (":Zero", "package.module:Class"),
        ("mine_for_test:", "package.module:Class"),
        ("", "package.module:Class"),
        ("surely_not_there:Net", "no module named 'surely_not_there'"),
        ("mine_for_test.deeper:Net", "no module named"),
        ("..up:Net", "package.module:Class"),
        ("needy_for_test:Net", "needs the module 'surely_not_installed'"),
        ("broken_for_test:Net", "SyntaxError"),
        ("mine_for_test:Zeroo", "no class 'Zeroo'"),
        ("mine_for_test:number", "not a network"),
        ("mine_for_test:torch", "not a network"),
        ("pathlib:Path", "not a network"),
    ],
)
def test_mistakes_get_one_line(module: str, path: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        custom(path)
    assert "\n" not in str(caught.value)


def test_the_built_in_names() -> None:
    assert set(NETWORKS) == {"adapted", "fnn", "mlp", "unet"}
