"""Raters' shares and agreement are those of scikit-learn and SciPy, and their intervals hold the true numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, binom
from sklearn.metrics import cohen_kappa_score

from fromnoise.evaluation.raters import _kappa, by_guessing, hit_rate, kappa


def answers(right: int, n: int) -> tuple[list[bool], list[bool]]:
    """Answers of which so many are right, and the truth."""
    truth = [k % 2 == 0 for k in range(n)]
    return [true == (k < right) for k, true in enumerate(truth)], truth


def pairs(table: np.ndarray) -> tuple[list[bool], list[bool]]:
    """Two raters whose pairs of answers have these counts (2, 2)."""
    cells = [(a, b) for a in (0, 1) for b in (0, 1) for _ in range(int(table[a, b]))]
    return [bool(a) for a, _ in cells], [bool(b) for _, b in cells]


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (10, 10), (1, 1), (31, 50)])
def test_the_interval_of_a_hit_rate_is_that_of_clopper_and_pearson(right: int, n: int) -> None:
    found = hit_rate(*answers(right, n))
    low = beta.ppf(0.025, right, n - right + 1) if right else 0.0
    high = beta.ppf(0.975, right + 1, n - right) if right < n else 1.0
    assert found == pytest.approx((right / n, low, high, 0.95), abs=1e-9)


@pytest.mark.parametrize("true", [0.03, 0.5, 0.77])
def test_the_interval_of_a_hit_rate_holds_whatever_the_true_one_is(true: float) -> None:
    held = [binom.pmf(k, 20, true) for k in range(21) if hit_rate(*answers(k, 20)).low <= true]
    held_too = [binom.pmf(k, 20, true) for k in range(21) if true <= hit_rate(*answers(k, 20)).high]
    assert min(sum(held), sum(held_too)) >= 0.975


@pytest.mark.parametrize("right", range(13))
def test_guessing_is_so_far_from_half_with_the_probability_that_is_told(right: int) -> None:
    as_far = [k for k in range(13) if abs(k - 6) >= abs(right - 6)]
    assert by_guessing(*answers(right, 12)) == pytest.approx(sum(math.comb(12, k) for k in as_far) / 2**12)


def test_what_is_not_answered_does_not_count() -> None:
    said, truth = answers(7, 10)
    assert hit_rate([*said, None, None], [*truth, True, False]) == hit_rate(said, truth)
    assert by_guessing([None, *said], [True, *truth]) == by_guessing(said, truth)
    assert kappa([*said, None, True, None], [*truth, True, None, None]) == kappa(said, truth)


def test_kappa_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        a, b = pairs(random.integers(1, 20, (2, 2)))
        assert kappa(a, b).value == pytest.approx(cohen_kappa_score(a, b))


def test_the_error_of_kappa_is_that_of_the_paper() -> None:
    """Fleiss, Cohen & Everitt (1969), equation 13, written out."""
    table = np.array([[31, 5], [12, 19]])
    p, n = table / table.sum(), table.sum()
    down, across, p_o = p.sum(1), p.sum(0), np.trace(p)
    p_e = down @ across
    inside = sum(p[i, i] * ((1 - p_e) - (across[i] + down[i]) * (1 - p_o)) ** 2 for i in (0, 1))
    inside += (1 - p_o) ** 2 * sum(p[i, 1 - i] * (across[i] + down[1 - i]) ** 2 for i in (0, 1))
    inside -= (p_o * p_e - 2 * p_e + p_o) ** 2
    assert _kappa(table)[1] == pytest.approx(math.sqrt(inside / n) / (1 - p_e) ** 2)


@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize("share", [0.5, 0.8])
@pytest.mark.parametrize("true", [0.0, 0.4, 0.9])
def test_the_interval_of_kappa_holds(true: float, share: float, n: int) -> None:
    """Both raters say "generated" of a share of pictures, and agree by a kappa that is known."""
    apart = np.outer([1 - share, share], [1 - share, share])
    law = true * np.diag([1 - share, share]) + (1 - true) * apart
    tables = np.random.default_rng(0).multinomial(n, law.ravel(), 300).reshape(-1, 2, 2)
    found = [kappa(*pairs(table)) for table in tables]
    known = [one for one in found if not math.isnan(one.value)]
    assert len(known) >= 290
    assert np.mean([one.low <= true <= one.high for one in known]) >= 0.915  # 0.95 less 2.8 errors of 300 draws
    assert all(-1 <= one.low <= one.value <= one.high <= 1 for one in known)


def test_full_agreement_and_full_contradiction_are_the_ends_and_not_certain() -> None:
    said = [True, False] * 10
    same, other = kappa(said, said), kappa(said, [not one for one in said])
    assert (same.value, same.high) == (1.0, 1.0)
    assert 0.3 < same.low < 0.9
    assert (other.value, other.low) == (-1.0, -1.0)
    assert -0.9 < other.high < -0.3


@pytest.mark.parametrize(("a", "b"), [([True] * 9, [True] * 9), ([None, True], [False, None]), ([], [])])
def test_where_chance_alone_agrees_fully_kappa_is_unknown(a: list, b: list) -> None:
    assert all(math.isnan(end) for end in kappa(a, b)[:3])


def test_what_cannot_be_compared_is_refused() -> None:
    for measure in (hit_rate, by_guessing, kappa):
        with pytest.raises(ValueError, match=r"shorter|longer"):
            measure([True], [True, False])
    for measure in (hit_rate, by_guessing):
        with pytest.raises(ValueError, match="nothing is answered"):
            measure([None, None], [True, False])
