"""Numbers by which pictures are compared: any function of them, and those that come with the package by name."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fromnoise.data import Dataset
from fromnoise.errors import UserError
from fromnoise.evaluation.digits import FEATURES as DIGITS
from fromnoise.evaluation.digits import SIDE, judge_digits

BATCH, PIXELS = 250, 1_000_000
"""Pictures at once: at most so many, and so many pixels."""
SMALL = 16
"""Pixels along the longer side of the pictures that `pixels` compares."""


@dataclass(frozen=True)
class Features:
    """What a picture is compared by.

    name    for the page and the command line
    about   what they are, with the size to which pictures are brought
    of      pictures (n, C, H, W) in [-1, 1], or rows (n, d) -> features (n, e)
    """

    name: str
    about: str
    of: Callable[[Tensor], Tensor]

    def all(self, data: Dataset, progress: Callable[[int, int], None] = lambda done, total: None) -> Tensor:
        """Those of a whole data set, (N, e), read a batch at a time; `progress(done, total)` after each.

        >>> import numpy as np
        >>> FEATURES["pixels"]().all(Dataset("images", (1, 4, 4), np.zeros((3, 1, 4, 4), np.uint8))).shape
        torch.Size([3, 16])
        """
        parts, batch = [], max(1, min(BATCH, PIXELS // math.prod(data.shape[1:])))
        for first in range(0, len(data), batch):
            with torch.no_grad():
                parts.append(self.of(data.batch(range(first, min(first + batch, len(data))))).cpu())
            progress(min(first + batch, len(data)), len(data))
        return torch.cat(parts)


def digits() -> Features:
    """What the shipped classifier of handwritten digits finds before it decides."""
    about = f"{DIGITS} features of a classifier trained on real MNIST digits, of the middle {SIDE} x {SIDE} pixels"
    return Features("digits", about, lambda x: judge_digits(x).features)


def pixels() -> Features:
    """The pixels of the picture, made small by averages."""
    return Features("pixels", f"pixels, averaged down to at most {SMALL} a side", lambda x: _small(x).flatten(1))


def convolutions() -> Features:
    """Responses to random filters of three sizes: for small or odd data of which no network knows.

    A filter's response counts by its mean and its spread over the picture. Filters are drawn with seed 0, so that
    everybody's are the same.
    """
    about = "means and deviations of 64 random filters' responses at three scales, pictures as they are"
    return Features("convolutions", about, _responses)


def coordinates() -> Features:
    """The numbers of a row themselves."""
    return Features("coordinates", "the coordinates themselves", lambda x: x.flatten(1))


def inception() -> Features:
    """Inception-v3 as in the FID's paper, with torch-fidelity's weights, which are fetched once.

    Raises UserError where the extra is not installed or the weights cannot be had.
    """
    network = _inception()

    def of(x: Tensor) -> Tensor:
        bytes_ = ((_colour(x).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return network(bytes_)[0]

    return Features("inception", "2,048 features of Inception-v3 (torch-fidelity), pictures resized to 299 x 299", of)


def dinov2() -> Features:
    """DINOv2 (ViT-B/14), whose features agree better with people's judgement than Inception's (Stein et al. 2023).

    Raises UserError where the extra is not installed or the weights cannot be had.
    """
    network = _transformer("facebook/dinov2-base", "AutoModel")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def of(x: Tensor) -> Tensor:
        return network(_normalised(x, 224, mean, std)).last_hidden_state[:, 0]

    return Features("dinov2", "768 features of DINOv2 (ViT-B/14), pictures resized to 224 x 224", of)


def clip() -> Features:
    """CLIP's picture encoder (ViT-B/32). Raises UserError where the extra is missing or the weights cannot be had."""
    network = _transformer("openai/clip-vit-base-patch32", "CLIPVisionModelWithProjection")
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

    def of(x: Tensor) -> Tensor:
        return network(_normalised(x, 224, mean, std)).image_embeds

    return Features("clip", "512 features of CLIP (ViT-B/32), pictures resized to 224 x 224", of)


FEATURES: dict[str, Callable[[], Features]] = {
    "digits": digits,
    "pixels": pixels,
    "convolutions": convolutions,
    "coordinates": coordinates,
    "inception": inception,
    "dinov2": dinov2,
    "clip": clip,
}


def _small(x: Tensor) -> Tensor:
    """Pictures averaged down to SMALL pixels along the longer side; smaller ones as they are."""
    factor = max(1.0, max(x.shape[2:]) / SMALL)
    height, width = (max(1, math.ceil(side / factor)) for side in x.shape[2:])
    return F.adaptive_avg_pool2d(x.float(), (height, width)) if factor > 1 else x.float()


@functools.cache
def _filters(channels: int) -> list[Tensor]:
    """64 filters of 3 x 3 and as many of the next layers, (64, channels, 3, 3), each of sum 0 and norm 1."""
    generator, found = torch.Generator().manual_seed(0), []
    for inlet in (channels, 64, 64):
        filters = torch.randn(64, inlet, 3, 3, generator=generator)
        filters -= filters.mean((1, 2, 3), keepdim=True)
        found.append(filters / filters.flatten(1).norm(dim=1)[:, None, None, None])
    return found


def _responses(x: Tensor) -> Tensor:
    x, found = x.float(), [x.float().mean((2, 3))]
    for filters in _filters(x.shape[1]):
        x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), filters))
        found += [x.mean((2, 3)), x.std((2, 3), correction=0)]
        x = F.avg_pool2d(x, 2) if min(x.shape[2:]) > 2 else x
    return torch.cat(found, 1)


def _colour(x: Tensor) -> Tensor:
    """Three channels: grey ones are repeated, an alpha channel is left out."""
    return x[:, :1].expand(-1, 3, -1, -1) if x.shape[1] < 3 else x[:, :3]


def _normalised(x: Tensor, side: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """[-1, 1] -> what such networks were trained on, resized."""
    x = F.interpolate(_colour(x).float(), (side, side), mode="bicubic", antialias=True).clamp(-1, 1)
    return ((x + 1) / 2 - x.new_tensor(mean)[:, None, None]) / x.new_tensor(std)[:, None, None]


@functools.cache
def _inception() -> nn.Module:
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as source
    except ImportError:
        raise _missing("inception", "torch-fidelity") from None
    import os
    import urllib.error

    path = os.path.join(torch.hub.get_dir(), "checkpoints", os.path.basename(source.URL_INCEPTION_V3))
    try:
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            torch.hub.download_url_to_file(source.URL_INCEPTION_V3, path, hash_prefix="6726825d")
    except (urllib.error.URLError, OSError) as error:
        raise _unreachable("inception", error) from None
    torch.load(path, weights_only=True)  # before anybody reads it otherwise: raises where it holds more than weights
    return source.FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=path).eval()


@functools.cache
def _transformer(name: str, kind: str) -> nn.Module:
    try:
        import transformers
    except ImportError:
        raise _missing(name, "transformers") from None
    try:
        return getattr(transformers, kind).from_pretrained(name, use_safetensors=True).eval()
    except Exception as error:  # its own kinds of errors differ between versions
        raise _unreachable(name, error) from None


def _missing(name: str, package: str) -> UserError:
    return UserError(f"{name} needs {package}: pip install {package}, or choose features that need none of it: pixels")


def _unreachable(name: str, error: Exception) -> UserError:
    line = " ".join(str(error).split())[:120]
    return UserError(f"the weights of {name} could not be fetched ({line}); features that need none: convolutions")
