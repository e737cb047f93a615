"""The judgement of samples: known faults move the right numbers, and what is compared with what."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fromnoise.data import Dataset, load
from fromnoise.errors import UserError
from fromnoise.evaluation import (
    FEATURES,
    Features,
    Manifolds,
    as_numbers,
    by_class,
    digit_probabilities,
    frechet_limit,
    judge,
    kid,
    manifolds,
    told_apart,
)

N = 1000
NAMES = tuple("0123456789")
SEVERITIES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def digits(rows: np.ndarray, labels: np.ndarray) -> Dataset:
    return Dataset("images", (1, 28, 28), rows, labels=labels, classes=NAMES)


@pytest.fixture(scope="module")
def sets() -> tuple[Dataset, Dataset, Dataset]:
    """Good samples, which are real digits that are used for nothing else, training and held-out digits."""
    train, test = load("mnist", size=28), load("mnist", split="test", size=28)
    return test.take(slice(0, N)), train.take(slice(0, 3000)), test.take(slice(N, N + 1500))


def blurred(x: torch.Tensor, severity: float) -> torch.Tensor:
    """Moved towards a mean over five pixels."""
    soft = F.avg_pool2d(F.pad(x, (2, 2, 2, 2), value=-1.0), 5, 1)
    return (1 - severity) * x + severity * soft


def noisy(x: torch.Tensor, severity: float) -> torch.Tensor:
    return x + severity * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def changed(data: Dataset, how, severity: float) -> Dataset:
    x = how(data.batch(range(len(data))), severity).clamp(-1, 1)
    assert data.labels is not None
    return digits(((x + 1) * 127.5).round().to(torch.uint8).numpy(), data.labels)


def dropped(data: Dataset, severity: float) -> Dataset:
    """Samples of so many classes are replaced by others of the classes that stay."""
    gone = round(5 * severity)
    keep = np.flatnonzero(data.labels >= gone)
    return data.take(np.resize(keep, N))


def collapsed(data: Dataset, severity: float) -> Dataset:
    """So many samples are copies of one another."""
    kept = max(20, round((1 - 0.95 * severity) * N))
    return data.take(np.resize(np.arange(kept), N))


def imbalanced(data: Dataset, severity: float) -> Dataset:
    """So many of the samples of every other class are replaced by zeros."""
    rest = np.flatnonzero((data.labels > 0) & (np.random.default_rng(0).random(N) > 0.4 * severity))
    zeros = np.flatnonzero(data.labels == 0)
    return data.take(np.concatenate([rest, np.resize(zeros, N - len(rest))]))


NUMBERS = {
    "frechet": lambda ours, theirs: frechet_limit(ours, theirs),
    "kid": lambda ours, theirs: kid(ours, theirs),
    "told_apart": lambda ours, theirs: told_apart(ours, theirs),
    **{name: lambda ours, theirs, name=name: getattr(manifolds(ours, theirs[:N]), name) for name in Manifolds._fields},
}
FAULTS = {
    "blur": (lambda data, s: changed(data, blurred, s), {"frechet": 1, "kid": 1, "told_apart": 1}),
    "noise": (lambda data, s: changed(data, noisy, s), {"frechet": 1, "kid": 1, "told_apart": 1}),
    "mode dropping": (dropped, {"frechet": 1, "recall": -1, "coverage": -1}),
    "duplicates": (collapsed, {"coverage": -1}),
    "imbalance": (imbalanced, {"frechet": 1, "kid": 1}),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_known_faults_move_the_right_numbers(fault: str, sets) -> None:
    """Monotonically over five strengths, up to what the interval leaves open; from nothing to all beyond it."""
    good, _, held_out = sets
    make, moves = FAULTS[fault]
    features = FEATURES["convolutions" if fault == "blur" else "digits"]()
    theirs = features.all(held_out)
    ours = [features.all(make(good, s)) for s in SEVERITIES]
    for name, sign in moves.items():
        found = [NUMBERS[name](rows, theirs) for rows in ours]
        values, reach = [one.value for one in found], [one.high - one.value for one in found]
        steps = [sign * (after - before) for before, after in pairwise(values)]
        assert all(step >= -0.5 * max(two) - 1e-3 for step, two in zip(steps, pairwise(reach), strict=True)), name
        assert sign * (values[-1] - values[0]) > max(reach[0], reach[-1]), (name, values)


@pytest.mark.slow
def test_classes_out_of_balance_are_noticed_the_more_the_more_they_are(sets) -> None:
    good, _, held_out = sets
    features = FEATURES["digits"]()
    theirs, labels = features.all(held_out), held_out.batch_labels(range(len(held_out)))
    for make in (dropped, imbalanced):
        ours = [features.all(make(good, s)) for s in SEVERITIES]
        p = [by_class(rows, theirs, labels, NAMES, digit_probabilities).p for rows in ours]
        assert p[0] > 0.01
        assert all(after <= before for before, after in pairwise(p))
        assert p[-1] < 1e-10


def test_good_samples_are_at_the_floor(sets) -> None:
    good, training, held_out = sets
    found = judge(good, training, held_out, FEATURES["digits"](), told=torch.from_numpy(good.labels))
    for name in ("frechet", "kid", "precision", "recall"):
        number = found[name]
        assert number.value.low <= number.floor.high, name
        assert number.floor.low <= number.value.high, name
    assert found["frechet"].ceiling.low > 20 * found["frechet"].value.high
    assert found.copies.count <= 4
    assert found.classes.p > 0.001
    assert found.classes.as_told.value > 0.98
    assert found.classes.sure.low <= found.classes.sure_data.high
    assert found.n == {"samples": N, "data": 1500, "training": 3000}


def test_samples_that_are_training_data_are_copies_and_are_left_out(sets) -> None:
    good, training, held_out = sets
    parts = (good, training.take(slice(0, 500)))
    mixed = digits(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "labels")))
    found = judge(mixed, training, held_out, FEATURES["digits"]())
    assert 500 <= found.copies.count <= 503
    assert (found.places[found.copies.copied.numpy()] >= 1000).sum() == 500
    assert found.without is not None
    numbers = as_numbers(found)["memorisation"]
    assert numbers["copies"] == found.copies.count
    assert numbers["interval"][0] <= numbers["expected"] <= numbers["interval"][1]
    assert "memorised" in numbers["verdict"]


@pytest.mark.parametrize("kind", ["points", "fields"])
def test_points_and_fields(kind: str) -> None:
    shape = (3,) if kind == "points" else (1, 3)

    def cloud(n: int, seed: int, gap: float = 0.0) -> Dataset:
        rows = np.random.default_rng(seed).normal(size=(n, *shape)) + gap
        return Dataset(kind, shape, rows.astype(np.float32))

    near = judge(cloud(400, 0), cloud(900, 1), cloud(500, 2), FEATURES["coordinates"]())
    far = judge(cloud(400, 0, 1.5), cloud(900, 1), cloud(500, 2), FEATURES["coordinates"]())
    for name in ("sliced_wasserstein", "wasserstein", "energy", "mmd", "told_apart"):
        assert far[name].value.low > near[name].value.high, name
        assert near[name].value.low <= near[name].floor.high, name
    assert near.copies.count <= 5
    assert near.classes is None
    assert as_numbers(near)["numbers"]["energy"]["better"] == "low"


def test_halves_stand_in_where_nothing_was_held_back() -> None:
    def cloud(n: int, seed: int) -> Dataset:
        return Dataset("points", (2,), np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32))

    training = cloud(1000, 0)
    found = judge(cloud(500, 1), training, None, FEATURES["coordinates"]())
    assert found.n == {"samples": 500, "data": 500, "training": 1000}
    assert not found.held_out
    assert found.copies.count <= 6
    stolen = judge(training.take(slice(0, 500)), training, None, FEATURES["coordinates"]())
    assert stolen.copies.count == 500


def test_the_same_seed_gives_the_same_judgement(sets) -> None:
    good, training, held_out = (data.take(slice(0, 400)) for data in sets)
    first, second = (as_numbers(judge(good, training, held_out, FEATURES["pixels"]())) for _ in range(2))
    assert first == second


def test_classes_of_other_pictures_are_told_by_their_features(sets) -> None:
    """Not by the digits' own classifier, where features are others."""
    good, training, held_out = (data.take(slice(0, 1000)) for data in sets)
    found = judge(good, training, held_out, FEATURES["pixels"]())
    assert 0.8 < found.classes.accuracy.value < 0.97
    one = Dataset("images", (1, 28, 28), training.rows, labels=np.zeros(1000, np.int64), classes=("all",))
    assert judge(good, one, held_out, FEATURES["pixels"]()).classes is None


def test_classes_go_by_their_names_wherever_they_come_from(sets) -> None:
    """Held-out data that name them in another order, and lack one."""
    good, training, held_out = (data.take(slice(0, 1000)) for data in sets)
    some = held_out.take(np.flatnonzero(held_out.labels > 0))
    turned = Dataset("images", some.shape, some.rows, labels=9 - some.labels, classes=NAMES[:0:-1])
    told = torch.from_numpy(good.labels)
    found = judge(good, training, turned, FEATURES["pixels"](), told=told)
    assert found.classes.names == NAMES
    assert found.classes.accuracy.value > 0.8
    assert found.classes.as_told.value > 0.8
    other = Dataset("images", some.shape, some.rows, labels=some.labels, classes=tuple("abcdefghij"))
    assert judge(good, training, other, FEATURES["pixels"]()).classes is None


def test_held_out_data_that_were_trained_on_are_refused(sets) -> None:
    good, training, _ = sets
    with pytest.raises(UserError, match="held-out data are training data"):
        judge(good, training, training.take(slice(0, 500)), FEATURES["pixels"]())


def test_numbers_that_are_not_finite_are_refused() -> None:
    clouds = [np.random.default_rng(seed).normal(size=(300, 2)).astype(np.float32) for seed in range(3)]
    clouds[0][5] = np.nan
    with pytest.raises(UserError, match="diverged"):
        judge(*(Dataset("points", (2,), cloud) for cloud in clouds), FEATURES["coordinates"]())


def test_other_units_are_refused() -> None:
    from fromnoise.data import Units

    rows = np.random.default_rng(0).normal(size=(300, 1)).astype(np.float32)
    mine, theirs = Dataset("points", (1,), rows, Units(np.zeros(()), np.full((), 9.0))), Dataset("points", (1,), rows)
    with pytest.raises(UserError, match="other units"):
        judge(mine, theirs, theirs, FEATURES["coordinates"]())


def test_any_function_of_pictures_will_do(sets) -> None:
    good, training, held_out = (data.take(slice(0, 300)) for data in sets)
    found = judge(good, training, held_out, Features("mine", "row means", lambda x: x.mean(3).flatten(1)))
    assert found["frechet"].floor.value < found["frechet"].ceiling.value


def test_what_cannot_be_compared_is_refused(sets) -> None:
    good, training, held_out = sets
    with pytest.raises(UserError, match="at least 100 samples, got 99"):
        judge(good.take(slice(0, 99)), training, held_out, FEATURES["digits"]())
    with pytest.raises(UserError, match="at least 200 training data, got 150"):
        judge(good, training.take(slice(0, 150)), None, FEATURES["digits"]())
    small = Dataset("images", (1, 20, 28), np.zeros((300, 1, 20, 28), np.uint8))
    with pytest.raises(UserError, match="held-out data are images of shape"):
        judge(good, training, small, FEATURES["pixels"]())
