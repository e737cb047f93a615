"""Every solver's order, from noise and from the middle, on a table, on VP and on the straight path."""

from __future__ import annotations

import pytest
from orders import FIRST_ORDER_START, SCHEDULES, SOLVERS, STARTS, slope


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", SOLVERS)
def test_order(name, schedule, start):
    make, least, most = SOLVERS[name]
    assert least < slope(make, schedule, start) < most


@pytest.mark.parametrize("name", FIRST_ORDER_START)
def test_without_a_start_of_their_order_they_lose_it(name):
    """From lam = −1 the first steps rule the error: the textbook start leaves order 2."""
    assert 1.7 < slope(FIRST_ORDER_START[name], "vp", -1.0) < 2.3
