"""A data set: rows on disk or in memory, handed out as float32 as a model sees them, and the user's own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Units:
    """The straight line between the numbers that a model sees and those that the user knows.

    own = centre + scale * x, and x, which a model sees, is of the size of 1. Both arrays broadcast against
    one sample: shape () or (d,) or (C, 1, 1). All zeros and ones is the identity, for images and the toy points.
    Raises ValueError where an array is not finite or a scale is not positive.

    >>> kelvin = Units(np.array(300.0), np.array(20.0))
    >>> float(kelvin.to_own(0.5)), float(kelvin.from_own(310.0))
    (310.0, 0.5)
    """

    centre: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        for name in ("centre", "scale"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        if not (np.isfinite(self.centre).all() and np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise ValueError("Units need a finite centre and a finite, positive scale")

    @classmethod
    def identity(cls) -> Units:
        """The units of data that have no others: own = x.

        >>> float(Units.identity().to_own(-1.0))
        -1.0
        """
        return cls(np.zeros(()), np.ones(()))

    def to_own(self, x: Any) -> Any:
        """From what a model sees to own units; a NumPy array or number gives NumPy float64, a tensor its own dtype.

        >>> Units(np.array([0.0, 1.0]), np.array([2.0, 4.0])).to_own(np.array([[-1.0, 1.0]]))
        array([[-2.,  5.]])
        """
        centre, scale = self._like(x)
        return centre + scale * x

    def from_own(self, x: Any) -> Any:
        """From own units to what a model sees; the inverse of `to_own`.

        >>> Units(np.array([0.0, 1.0]), np.array([2.0, 4.0])).from_own(np.array([[-2.0, 5.0]]))
        array([[-1.,  1.]])
        """
        centre, scale = self._like(x)
        return (x - centre) / scale

    def _like(self, x: Any) -> tuple[Any, Any]:
        if not hasattr(x, "new_tensor"):
            return self.centre, self.scale
        return x.new_tensor(self.centre), x.new_tensor(self.scale)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """N samples of one shape. `rows` is uint8 (images) or float32 as a model sees it; maybe a memory map.

    Images, bytes, are seen in [-1, 1]; points and fields of a file with mean 0 and deviation ½.

    kind      "points" (d,), "images" (C, H, W) or "fields" (C, H, W) or (C, L)
    shape     of one sample; rows is (N, *shape)
    units     from what a model sees to the user's own units
    labels    int64 (N,), indices into `classes`, or None
    classes   names of the classes, () without labels
    names     of the files of a folder, as paths below it, () where a sample is no file
    skipped   names of the broken files that were left out
    columns   names of the columns of a table
    given     (N, e) or (N, E, *axes of a sample after its first), as `rows`: what every sample is drawn given, or None
    given_units  from that to the user's own
    Raises ValueError where these do not fit each other.

    >>> data = Dataset("points", (2,), np.zeros((5, 2), np.float32))
    >>> len(data), data.batch(np.array([0, 3])).shape
    (5, torch.Size([2, 2]))
    """

    kind: str
    shape: tuple[int, ...]
    rows: np.ndarray
    units: Units = field(default_factory=Units.identity)
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    given: np.ndarray | None = None
    given_units: Units = field(default_factory=Units.identity)

    def __post_init__(self) -> None:
        if self.kind not in ("points", "images", "fields"):
            raise ValueError(f"kind is points, images or fields, not {self.kind!r}")
        if self.rows.shape[1:] != self.shape or self.rows.dtype not in (np.uint8, np.float32):
            raise ValueError(f"rows must be (N, {self.shape}) uint8 or float32, not {self.rows.shape}")
        if self.labels is not None and (self.labels.shape != (len(self.rows),) or not self.classes):
            raise ValueError("labels must be (N,) and their classes named")
        if self.names and len(self.names) != len(self.rows):
            raise ValueError(f"{len(self.names)} names for {len(self.rows)} rows")
        if self.given is not None and (
            self.given.dtype not in (np.uint8, np.float32)
            or len(self.given) != len(self.rows)
            or self.given.ndim != self.rows.ndim
            or self.given.shape[2:] != self.shape[1:]
        ):
            raise ValueError(f"given must be (N, E, *{self.shape[1:]}) uint8 or float32, not {self.given.shape}")

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        facts = [f"{len(self):,} {self.kind} of shape {self.shape}"]
        facts += [f"{len(self.classes)} classes"] if self.classes else []
        facts += [f"each given {self.given.shape[1:]}"] if self.given is not None else []
        facts += [f"{len(self.skipped)} broken files skipped"] if self.skipped else []
        return f"Dataset({', '.join(facts)})"

    def batch(self, index: np.ndarray | Sequence[int]) -> torch.Tensor:
        """The samples at `index` (B,) as float32 (B, *shape); a byte 0 is -1, a byte 255 is 1.

        Raises IndexError for an index outside the data.

        >>> data = Dataset("images", (1, 1, 2), np.array([[[[0, 255]]]], np.uint8))
        >>> data.batch([0])
        tensor([[[[-1.,  1.]]]])
        """
        return _numbers(self.rows, index)

    def batch_given(self, index: np.ndarray | Sequence[int]) -> torch.Tensor | None:
        """What the samples at `index` are given, float32 (B, *its shape), or None where there is nothing.

        >>> Dataset("points", (1,), np.zeros((2, 1), np.float32), given=np.ones((2, 3), np.float32)).batch_given([1])
        tensor([[1., 1., 1.]])
        """
        return None if self.given is None else _numbers(self.given, index)

    def batch_labels(self, index: np.ndarray | Sequence[int]) -> torch.Tensor | None:
        """The labels at `index` as int64 (B,), or None where the data have none.

        >>> data = Dataset("points", (1,), np.zeros((2, 1), np.float32), labels=np.array([0, 1]),
        ...                classes=("cat", "dog"))
        >>> data.batch_labels([1])
        tensor([1])
        """
        import torch

        if self.labels is None:
            return None
        return torch.from_numpy(self.labels[np.asarray(index, dtype=np.int64)].astype(np.int64))

    def name(self, row: int) -> str:
        """What a person knows the row by: its file, or its number where it is none.

        >>> Dataset("points", (2,), np.zeros((5, 2), np.float32)).name(3)
        '3'
        """
        return self.names[row] if self.names else str(row)

    def take(self, index: np.ndarray | slice) -> Dataset:
        """The data set of the rows at `index` only; a slice copies no numbers.

        >>> data = Dataset("points", (2,), np.zeros((5, 2), np.float32))
        >>> len(data.take(slice(0, 3)))
        3
        """
        labels = None if self.labels is None else self.labels[index]
        given = None if self.given is None else self.given[index]
        names = tuple(self.names[row] for row in np.arange(len(self))[index]) if self.names else ()
        return replace(self, rows=self.rows[index], labels=labels, given=given, names=names)


def _numbers(rows: np.ndarray, index: np.ndarray | Sequence[int]) -> torch.Tensor:
    import torch

    batch = torch.from_numpy(np.array(rows[np.asarray(index, dtype=np.int64)]))  # a copy: never a view of the map
    return batch.to(torch.float32).div_(127.5).sub_(1.0) if batch.dtype == torch.uint8 else batch
