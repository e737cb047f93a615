"""Schedules carry their own numbers into the figure; the forward figure shows the forward process."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from fromnoise.figures import forward_figure, forward_film, save, schedule_figure
from fromnoise.figures.schedule import forward_states, forward_times
from fromnoise.process import VP, Flow, cosine, linear, linear_scaled, table


def test_lines_carry_the_schedule():
    schedules = {"linear": linear(100), "cosine": cosine(100)}
    figure = schedule_figure(schedules)
    beta, signal, noise, log_snr = figure.axes
    for k, schedule in enumerate(schedules.values()):
        assert np.array_equal(beta.lines[k].get_xdata(), np.arange(1, 101))
        assert np.array_equal(beta.lines[k].get_ydata(), schedule.beta[1:])
        assert np.allclose(signal.lines[k].get_ydata(), schedule.alpha_bar[1:].sqrt(), rtol=1e-12)
        assert np.allclose(noise.lines[k].get_ydata(), (1 - schedule.alpha_bar[1:]).sqrt(), rtol=1e-9)
        assert np.allclose(log_snr.lines[k].get_ydata(), 2 * schedule.lam[1:], rtol=1e-9)
    assert "T = 100" in figure.get_suptitle()
    assert [text.get_text() for text in beta.get_legend().get_texts()] == ["linear", "cosine"]


def test_beta_is_straight_where_it_can_be_and_logarithmic_where_it_must():
    assert schedule_figure({"linear": linear()}).axes[0].get_yscale() == "linear"
    assert schedule_figure({"cosine": cosine()}).axes[0].get_yscale() == "log"


def test_schedules_of_every_length_share_an_axis(tmp_path):
    figure = schedule_figure({"long": linear(1000), "short": linear_scaled(40), "VP": VP(), "flow": Flow()})
    lines = figure.axes[0].lines
    assert all(line.get_xdata()[-1] == 1 for line in lines)
    # the linear schedule is VP's, step for step: T β_t = β(t/T) (Song et al. 2021)
    assert np.allclose(lines[0].get_ydata()[[499, 999]], lines[2].get_ydata()[[249, 499]], rtol=2e-2)
    assert all(name in figure.get_suptitle() for name in ("long $T = 1000$", "short $T = 40$"))
    save(figure, tmp_path / "a.png")


def test_one_step_and_no_schedule(tmp_path):
    save(schedule_figure({"one": table([0.5])}), tmp_path / "a.png")
    with pytest.raises(ValueError, match="no schedule"):
        schedule_figure({})


def test_forward_states_follow_the_law():
    x_0 = torch.tensor([[2.0, -1.0]]).expand(20_000, 2)
    times = [0, 30, 60, 100]
    schedule = linear_scaled(100)
    walk = list(forward_states(x_0, schedule, times, seed=3))
    assert torch.equal(walk[0], x_0)
    for x, t in zip(walk[1:], times[1:], strict=True):
        alpha_bar = schedule.alpha_bar[t].item()
        assert x.mean(0).tolist() == pytest.approx([2 * math.sqrt(alpha_bar), -math.sqrt(alpha_bar)], abs=0.04)
        assert x.var(0).tolist() == pytest.approx([1 - alpha_bar] * 2, abs=0.04)
    # a walk, not fresh noise each time: corr(x_s, x_t | x_0) = α_t σ_s / (α_s σ_t), H 3.6
    (alpha_s, sigma_s), (alpha_t, sigma_t) = (schedule(torch.tensor(float(t))) for t in (30, 60))
    expected = (alpha_t * sigma_s / (alpha_s * sigma_t)).item()
    assert np.corrcoef(walk[1][:, 0], walk[2][:, 0])[0, 1] == pytest.approx(expected, abs=0.03)


def test_a_sample_depends_on_its_seed_alone():
    x_0 = torch.zeros(5, 3)
    many, few = (list(forward_states(x_0[:n], linear(10), [5, 10], seed=1))[-1] for n in (5, 2))
    assert torch.equal(many[:2], few)
    assert not torch.equal(few, list(forward_states(x_0[:2], linear(10), [5, 10], seed=2))[-1])


@pytest.mark.parametrize("times", [[5, 5], [6, 2], [0, 11], [-1, 3]])
def test_times_that_cannot_be_are_refused(times):
    with pytest.raises(ValueError, match="times"):
        list(forward_states(torch.zeros(1, 2), linear(10), times))


def test_times_are_whole_for_a_table_and_even_else():
    assert forward_times(linear(3), 60) == [0, 1, 2, 3]
    assert forward_times(Flow(), 5) == [0, 0.25, 0.5, 0.75, 1]


def test_images_are_rows_of_samples_and_columns_of_times():
    x_0 = torch.rand(2, 1, 6, 5) * 2 - 1
    figure = forward_figure(x_0, linear(10), [0, 5, 10], seed=4)
    axes = np.array(figure.axes).reshape(2, 3)
    assert [ax.get_title() for ax in axes[0]] == ["t = 0", "t = 5", "t = 10"]
    states = list(forward_states(x_0, linear(10), [0, 5, 10], seed=4))
    for i in range(2):
        for j in range(3):
            bytes_ = ((states[j][i, 0].clamp(-1, 1) + 1) * 127.5).round()
            assert np.abs(axes[i, j].images[0].get_array() - bytes_.numpy()).max() <= 1


@pytest.mark.parametrize(("kind", "shape"), [("points", (9, 2)), ("points", (9, 1)), ("points", (9, 5)),
                                             ("fields", (2, 1, 4, 4)), ("fields", (2, 2, 9)),
                                             ("images", (2, 3, 4, 4))])  # fmt: skip
@pytest.mark.parametrize("schedule", [linear(7), Flow()])
def test_every_kind_has_a_forward_figure(kind, shape, schedule, tmp_path):
    figure = forward_figure(torch.rand(*shape), schedule, kind=kind, to_own=lambda x: 3 * x)
    save(figure, tmp_path / "a.png")
    assert figure.axes[0].get_title() == "t = 0"


def test_a_forward_film_begins_with_the_data(tmp_path):
    x_0 = torch.rand(4, 1, 8, 8) * 2 - 1
    forward_film(x_0, linear(100), tmp_path / "a.webp", frames=5)
    from fromnoise.figures import grid

    with Image.open(tmp_path / "a.webp") as image:
        assert image.n_frames == 5
        first = np.asarray(image.convert("RGB"))
    assert np.array_equal(first, np.asarray(grid(x_0, scale=first.shape[0] // 16).convert("RGB")))
