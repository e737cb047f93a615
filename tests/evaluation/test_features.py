"""Features: of what size, blind to what, and what is said where weights cannot be had."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from fromnoise.data import Dataset
from fromnoise.errors import UserError
from fromnoise.evaluation.features import FEATURES, Features


def pictures(n: int, *shape: int) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("name", "shape", "d"),
    [
        ("digits", (1, 28, 28), 128),
        ("pixels", (3, 8, 12), 288),
        ("pixels", (3, 64, 32), 3 * 16 * 8),
        ("convolutions", (1, 28, 28), 1 + 6 * 64),
        ("convolutions", (3, 5, 4), 3 + 6 * 64),
        ("coordinates", (2,), 2),
    ],
)
def test_each_picture_has_its_own_whatever_stands_beside_it(name: str, shape: tuple[int, ...], d: int) -> None:
    features, x = FEATURES[name](), pictures(7, *shape)
    found = features.of(x)
    assert found.shape == (7, d)
    assert features.name == name
    assert torch.allclose(features.of(x[2:3]), found[2:3], atol=1e-5)
    data = Dataset("images" if len(shape) == 3 else "points", shape, x.numpy())
    assert torch.allclose(features.all(data), found, atol=1e-5)


def test_a_data_set_is_read_in_batches(monkeypatch) -> None:
    monkeypatch.setattr("fromnoise.evaluation.features.BATCH", 4)
    asked, told = [], []
    features = Features("sizes", "", lambda x: (asked.append(len(x)), x.flatten(1))[1])
    data = Dataset("points", (1,), np.arange(10, dtype=np.float32)[:, None])
    assert features.all(data, lambda done, total: told.append((done, total))).flatten().tolist() == list(range(10))
    assert asked == [4, 4, 2]
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_pixels_are_averages() -> None:
    x = torch.zeros(1, 1, 32, 32)
    x[..., :2, :2] = 1
    assert FEATURES["pixels"]().of(x)[0, :2].tolist() == [1, 0]


def test_random_filters_see_texture_and_not_only_the_mean() -> None:
    """Two kinds of pictures of equal mean and spread."""
    fine = torch.ones(1, 1, 16, 16)
    fine[..., ::2] = -1
    coarse = torch.ones(1, 1, 16, 16)
    coarse[..., :8] = -1
    a, b = (FEATURES["convolutions"]().of(x) for x in (fine, coarse))
    assert a[0, 0] == b[0, 0] == 0
    assert (a - b).abs().max() > 0.3


@pytest.mark.parametrize("name", ["inception", "dinov2", "clip"])
def test_what_is_not_installed_is_said_in_one_line(name: str, monkeypatch) -> None:
    from fromnoise.evaluation import features

    features._inception.cache_clear(), features._transformer.cache_clear()
    for package in ("torch_fidelity", "transformers"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install (torch-fidelity|transformers)") as caught:
        FEATURES[name]()
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_fetched_are_one_line(monkeypatch, tmp_path) -> None:
    import types
    import urllib.error

    from fromnoise.evaluation import features

    features._inception.cache_clear(), features._transformer.cache_clear()
    source = types.SimpleNamespace(URL_INCEPTION_V3="https://example.invalid/weights.pth")
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.SimpleNamespace(feature_extractor_inceptionv3=source))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(UserError, match="could not be fetched") as caught:
        FEATURES["inception"]()
    assert "\n" not in str(caught.value)

    class Network:
        @staticmethod
        def from_pretrained(*_: object, **options: object) -> None:
            assert options["use_safetensors"]
            raise OSError("offline\nfor now")

    peer = types.SimpleNamespace(AutoModel=Network, CLIPVisionModelWithProjection=Network)
    monkeypatch.setitem(sys.modules, "transformers", peer)
    for name in ("dinov2", "clip"):
        with pytest.raises(UserError, match=r"could not be fetched \(offline for now\)"):
            FEATURES[name]()


def test_what_the_large_networks_are_shown(monkeypatch) -> None:
    """Grey pictures in three channels, resized and in the networks' own units."""
    from types import SimpleNamespace

    from fromnoise.evaluation import features

    seen = []

    def network(x: torch.Tensor) -> SimpleNamespace:
        seen.append(x)
        return SimpleNamespace(last_hidden_state=x.flatten(1)[:, None, :5], image_embeds=x.flatten(1)[:, :5])

    monkeypatch.setattr(features, "_transformer", lambda *_: network)
    monkeypatch.setattr(features, "_inception", lambda: lambda x: (seen.append(x), (x.flatten(1)[:, :5].float(),))[1])
    x = torch.full((2, 1, 28, 28), 1.0)
    for name in ("dinov2", "clip", "inception"):
        assert FEATURES[name]().of(x).shape == (2, 5)
    assert [tuple(one.shape) for one in seen] == [(2, 3, 224, 224), (2, 3, 224, 224), (2, 3, 28, 28)]
    assert float(seen[0][0, 0, 0, 0]) == pytest.approx((1 - 0.485) / 0.229, rel=1e-5)
    assert float(seen[1][0, 2, 9, 9]) == pytest.approx((1 - 0.40821073) / 0.27577711, rel=1e-5)
    assert seen[2].dtype == torch.uint8
    assert (seen[2] == 255).all()
