"""Toy densities in the plane, the two Swiss-roll judges among them; everything lies in about [-1, 1].

Every density takes `n` points, a `seed` and `noise`, the standard deviation of a Gaussian blur that is
added in the units in which the shape is drawn, before it is scaled. The scaling depends on the shape
alone, never on the sample, so a blurred point may lie slightly outside [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from fromnoise.data.checks import number, whole
from fromnoise.data.dataset import Dataset
from fromnoise.errors import UserError

MOST_POINTS = 100_000_000
MOST_NOISE = 100.0
T_START, T_END = 1.5 * np.pi, 4.5 * np.pi  # the Swiss roll's parameter


def swissroll(*, n: int = 100_000, seed: int = 0, noise: float = 0.0) -> Dataset:
    """The Swiss roll of K section IV: (t cos t, t sin t), t = 1.5 pi (1 + 2u), u uniform on [0, 1].

    `noise` is in the roll's own units, about 14 from the middle to the rim, as in scikit-learn. Each axis
    is scaled so that the noise-free curve fills [-1, 1] exactly. Raises UserError for n < 1, a negative
    seed or negative noise.

    >>> roll = swissroll(n=1000)
    >>> roll.shape, bool(abs(roll.rows).max() <= 1)
    ((2,), True)
    """
    n, noise, rng = _begin(n, seed, noise)
    points = _roll(T_START + (T_END - T_START) * rng.random(n))
    return _points(_roll_scaled(points + noise * rng.standard_normal((n, 2))))


def swissroll_curve(n: int) -> np.ndarray:
    """`n` points (n, 2), float64, along the noise-free Swiss roll from the inside out, scaled as `swissroll`.

    They are equally spaced in t, ends included. Raises ValueError for n < 2.

    >>> swissroll_curve(3).shape
    (3, 2)
    """
    if n < 2:
        raise ValueError("a curve needs at least two points")
    return _roll_scaled(_roll(np.linspace(T_START, T_END, n)))


def distance_to_swissroll(points: np.ndarray) -> np.ndarray:
    """Euclidean distance (N,) of points (N, 2) from the noise-free curve, both in the scaled plane.

    The curve is cut into 20,000 chords, which stay within 1e-6 of it; the distance to the two chords at the
    nearest corner is exact. Raises ValueError for another shape or values that are not finite.

    >>> bool(distance_to_swissroll(swissroll_curve(7)).max() < 1e-6)
    True
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"expected finite points (N, 2), not {points.shape}")
    if not len(points):
        return np.zeros(0)
    curve, tree = _roll_tree()
    corner = tree.query(points, return_distance=False)[:, 0]
    last = len(curve) - 1
    before = _to_segment(points, curve[np.maximum(corner - 1, 0)], curve[corner])
    after = _to_segment(points, curve[corner], curve[np.minimum(corner + 1, last)])
    return np.minimum(before, after)


def moons(*, n: int = 100_000, seed: int = 0, noise: float = 0.0) -> Dataset:
    """Two interleaved half circles of radius 1, labelled; noise in units of that radius.

    >>> moons(n=10).classes
    ('upper', 'lower')
    """
    n, noise, rng = _begin(n, seed, noise)
    labels, angle = rng.integers(2, size=n), np.pi * rng.random(n)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.where(labels[:, None] == 0, upper, np.array([1.0, 0.5]) - upper)
    points += noise * rng.standard_normal((n, 2))
    return _points((points - [0.5, 0.25]) / [1.5, 0.75], labels, ("upper", "lower"))


def circles(*, n: int = 100_000, seed: int = 0, noise: float = 0.0, factor: float = 0.5) -> Dataset:
    """Two circles about the origin, of radius 1 and `factor` in (0, 1), labelled.

    >>> circles(n=10).classes
    ('outer', 'inner')
    """
    n, noise, rng = _begin(n, seed, noise)
    factor = number("factor", factor, 0.01, 0.99)
    labels, angle = rng.integers(2, size=n), 2 * np.pi * rng.random(n)
    points = np.where(labels == 0, 1.0, factor)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _points(points + noise * rng.standard_normal((n, 2)), labels, ("outer", "inner"))


def checkerboard(*, n: int = 100_000, seed: int = 0, noise: float = 0.0, cells: int = 4) -> Dataset:
    """The uniform density on the dark squares of a board of `cells` x `cells` (2 to 64) on [-1, 1]^2.

    >>> checkerboard(n=10).shape
    (2,)
    """
    n, noise, rng = _begin(n, seed, noise)
    cells = whole("cells", cells, 2, 64)
    dark = np.array([at for at in product(range(cells), repeat=2) if sum(at) % 2 == 0])
    points = (dark[rng.integers(len(dark), size=n)] + rng.random((n, 2))) * (2 / cells) - 1
    return _points(points + noise * rng.standard_normal((n, 2)))


def mixture(
    *,
    n: int = 100_000,
    seed: int = 0,
    noise: float = 0.08,
    components: int = 8,
    radius: float = 0.8,
    weights: Sequence[float] = (),
) -> Dataset:
    """Gaussians of standard deviation `noise` on a ring about the origin, labelled by component.

    Component k (of 1 to 100) has its mean at the angle 2 pi k / components; `weights` are positive, one
    a component, need not sum to 1, and are equal where left out.

    >>> mixture(n=10, components=3).classes
    ('0', '1', '2')
    """
    n, noise, rng = _begin(n, seed, noise)
    components = whole("components", components, 1, 100)
    radius = number("radius", radius, 0.0, 1.0)
    chances = np.array(_weights(weights, components))
    labels = rng.choice(components, size=n, p=chances / chances.sum())
    angle = 2 * np.pi * labels / components
    means = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    names = tuple(str(k) for k in range(components))
    return _points(means + noise * rng.standard_normal((n, 2)), labels, names)


def spiral(*, n: int = 100_000, seed: int = 0, noise: float = 0.0, arms: int = 2, turns: float = 1.0) -> Dataset:
    """Archimedean arms (1 to 16) from the origin to radius 1, uniform in their angle, labelled by arm.

    >>> spiral(n=10, arms=3).classes
    ('0', '1', '2')
    """
    n, noise, rng = _begin(n, seed, noise)
    arms, turns = whole("arms", arms, 1, 16), number("turns", turns, 0.1, 10.0)
    labels, radius = rng.integers(arms, size=n), rng.random(n)
    angle = 2 * np.pi * (turns * radius + labels / arms)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _points(points + noise * rng.standard_normal((n, 2)), labels, tuple(str(k) for k in range(arms)))


def picture(*, n: int = 100_000, seed: int = 0, noise: float = 0.0, path: str = "") -> Dataset:
    """An image as a density: dark pixels are dense, white ones empty; without `path`, a small drawn heart.

    The longer side spans [-1, 1], the aspect is kept and y points up; a point is uniform within its pixel.
    Transparent pixels are white. Raises UserError where the file is no image or is all white.

    >>> picture(n=10).shape
    (2,)
    """
    n, noise, rng = _begin(n, seed, noise)
    dark = _darkness(path) if path else _heart()
    if not dark.any():
        raise UserError(f"{path} is white all over: dark pixels carry the density; give a darker picture")
    pixels = np.flatnonzero(dark)
    at = pixels[rng.choice(len(pixels), size=n, p=dark.ravel()[pixels] / dark.sum())]
    row, column = np.divmod(at, dark.shape[1])
    place = np.stack([column, row], 1) + rng.random((n, 2)) - np.array(dark.shape[::-1]) / 2
    points = place * [1, -1] * (2 / max(dark.shape))
    return _points(points + noise * rng.standard_normal((n, 2)))


def _begin(n: object, seed: object, noise: object) -> tuple[int, float, np.random.Generator]:
    rng = np.random.default_rng(whole("seed", seed, 0, 2**63 - 1))
    return whole("n", n, 1, MOST_POINTS), number("noise", noise, 0.0, MOST_NOISE), rng


def _points(points: np.ndarray, labels: np.ndarray | None = None, classes: tuple[str, ...] = ()) -> Dataset:
    return Dataset("points", (2,), points.astype(np.float32), labels=labels, classes=classes)


def _roll(t: np.ndarray) -> np.ndarray:
    return np.stack([t * np.cos(t), t * np.sin(t)], -1)


def _roll_range() -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (x, y) of the noise-free roll.

    x' = 0 at tan t = 1/t and y' = 0 at tan t = -t. Solved for t these are contractions by 1/(1 + t^2),
    so ten rounds reach the last bit. The outermost turn has all extremes but the highest y, which is the
    roll's end (y' > 0 there).
    """
    x_high, x_low, y_low = 4 * np.pi, 3 * np.pi, 3.5 * np.pi
    for _ in range(10):
        x_high, x_low = 4 * np.pi + np.arctan(1 / x_high), 3 * np.pi + np.arctan(1 / x_low)
        y_low = 4 * np.pi - np.arctan(y_low)
    low = np.array([x_low * np.cos(x_low), y_low * np.sin(y_low)])
    return low, np.array([x_high * np.cos(x_high), T_END * np.sin(T_END)])


def _roll_scaled(points: np.ndarray) -> np.ndarray:
    low, high = _roll_range()
    return (2 * points - low - high) / (high - low)


@cache
def _roll_tree() -> tuple[np.ndarray, Any]:
    from sklearn.neighbors import KDTree

    curve = swissroll_curve(20_001)
    return curve, KDTree(curve)


def _to_segment(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    along = end - start
    length = np.maximum((along**2).sum(1), np.finfo(float).tiny)  # a segment may be one point
    share = np.clip(((points - start) * along).sum(1) / length, 0.0, 1.0)
    return np.linalg.norm(points - start - share[:, None] * along, axis=1)


def _weights(weights: object, components: int) -> list[float]:
    if not isinstance(weights, list | tuple) or not all(isinstance(one, Real) for one in weights):
        raise UserError(f"weights = {weights!r} must be a list of numbers")
    if weights and len(weights) != components:
        raise UserError(f"weights has {len(weights)} numbers for {components} components; give one for each")
    return [number("weights", one, 1e-9, 1e9) for one in weights] or [1.0] * components


def _heart() -> np.ndarray:
    """(x^2 + y^2 - 1)^3 < x^2 y^3 on a grid of 128 x 128."""
    y, x = np.meshgrid(np.linspace(1.3, -1.15, 128), np.linspace(-1.225, 1.225, 128), indexing="ij")
    return ((x**2 + y**2 - 1) ** 3 < x**2 * y**3).astype(np.float64)


def _darkness(path: object) -> np.ndarray:
    from fromnoise.data.decode import open_image

    if not isinstance(path, str):
        raise UserError(f"path = {path!r} must be the path of an image in quotes")
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"no such image: {path}; check the path")
    try:
        image = open_image(file)
    except Exception as error:
        raise UserError(f"cannot read the image {path}: {error}") from None
    image.thumbnail((512, 512))
    pixels = np.asarray(image.convert("RGBA"), np.float64) / 255
    gray = pixels[..., :3] @ [0.299, 0.587, 0.114]
    return np.round((1 - gray) * pixels[..., 3], 6)
