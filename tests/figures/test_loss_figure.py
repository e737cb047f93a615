"""Loss curves show what was logged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fromnoise.errors import UserError
from fromnoise.figures import loss_figure, save
from fromnoise.figures.curves import smooth


def rows(n, **more):
    return [{"step": 10 * k, "loss": 1 / k, **more} for k in range(1, n + 1)]


def test_lines_carry_the_log():
    figure = loss_figure(rows(50, lr=1e-3, grad_norm=2.0), floor=0.01)
    raw, smoothed, floor = figure.axes[0].lines
    assert np.array_equal(raw.get_xdata(), np.arange(10, 510, 10))
    assert np.array_equal(raw.get_ydata(), 1 / np.arange(1, 51))
    assert np.array_equal(smoothed.get_ydata(), smooth(1 / np.arange(1, 51)))
    assert floor.get_ydata()[0] == 0.01
    assert figure.axes[0].get_yscale() == "log"
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "learning rate", "gradient norm"]
    assert np.array_equal(figure.axes[1].lines[0].get_ydata(), np.full(50, 1e-3))


def test_what_is_no_number_is_left_out(tmp_path):
    odd = [*rows(3), {"step": 40, "loss": float("nan")}, {"step": 50, "loss": "x"}, {"step": 60, "loss": None}, {}]
    figure = loss_figure(odd)
    assert len(figure.axes) == 1
    assert figure.axes[0].lines[0].get_xdata().tolist() == [10, 20, 30]
    save(figure, tmp_path / "a.png")


def test_a_negative_loss_has_a_linear_scale():
    assert loss_figure([*rows(3), {"step": 40, "loss": -1.0}]).axes[0].get_yscale() == "linear"


def test_nothing_logged_is_an_error():
    with pytest.raises(UserError, match="no logged loss"):
        loss_figure([{"step": 1, "loss": float("inf")}])


@given(arrays(float, st.integers(1, 80), elements=st.floats(-1e3, 1e3)), st.integers(1, 9))
def test_smoothing_begins_at_the_beginning_and_stays_within(values, half):
    smoothed = smooth(values, half)
    assert smoothed[0] == pytest.approx(values[0], abs=1e-9)
    assert smoothed.min() >= values.min() - 1e-9
    assert smoothed.max() <= values.max() + 1e-9


def test_smoothing_leaves_a_straight_line_alone_and_calms_noise():
    line = np.arange(100.0)
    assert np.allclose(smooth(line, 5)[:90], line[:90])
    noise = np.random.default_rng(0).normal(size=3000)
    assert smooth(noise).std() < 0.15
