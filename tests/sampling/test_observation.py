"""Observations of a law whose conditional is known: what each method draws against what it should.

The pair of pixels is correlated and of two kinds; one sum of both is seen, with noise.
"""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.process import CLEAN, Flow, GaussianMixture, at, diffuse, linear
from fromnoise.sampling import (
    DDIM,
    Multistep,
    Nudged,
    Observation,
    Pulled,
    ball,
    blurred,
    climbed,
    jacobian,
    kept,
    observed,
    particles,
    replaced,
    resampled,
    sample,
    shrunk,
    strided,
    trajectory,
    uniform_in_lambda,
    universal,
)
from fromnoise.sampling.observation import conjugate_gradients
from laws import derivative, grid, moment_z, seeded

SCHEDULE = linear(1000)
KINDS = GaussianMixture(
    [0.4, 0.6], [[-0.8, 0.4], [0.7, 0.1]], [[[0.15, 0.08], [0.08, 0.10]], [[0.08, -0.05], [-0.05, 0.20]]]
)
ONE = GaussianMixture([1.0], [[0.3, -0.2]], [[[0.5, 0.3], [0.3, 0.4]]])
A, Y, STD = torch.tensor([[1.0, 0.5]]).double(), torch.tensor([0.3]).double(), 0.2
SEEN = Observation(Y[None], lambda x: x @ A.mT, STD)
POSTERIOR = KINDS.given(Y, A, STD)


def moments(law):
    """Mean and covariance of a mixture."""
    mean = law.weights @ law.means
    centred = law.means - mean
    return mean, torch.einsum("k,kij->ij", law.weights, law.covariances + centred[:, :, None] * centred[:, None, :])


def noise(n, seed=0):
    return torch.randn(n, 2, dtype=torch.float64, generator=seeded(seed))


def test_the_conditional_law_is_bayes_by_quadrature():
    """p(x_0|y) = p(x_0) N(y; A x_0, std²) / p(y), on a grid that the trapezoid rule integrates to rounding."""
    axis, step = grid(-4, 4, 400)
    x = torch.cartesian_prod(axis, axis)
    joint = KINDS.log_prob(x) + SEEN.log_prob(x)
    evidence = (joint.exp().sum() * step**2).log()
    inside = x.abs().amax(1) < 2
    torch.testing.assert_close((joint - evidence)[inside], POSTERIOR.log_prob(x)[inside], rtol=0, atol=1e-7)


@pytest.mark.parametrize("t", [1, 50, 300, 999])
def test_the_exact_likelihood_of_a_noisy_sample_is_bayes(t):
    """log p(y|x_t) = log p(x_t|y) − log p(x_t) + log p(y): the last is the same for all x_t."""
    n, x = at(SCHEDULE, t), noise(20)
    found = KINDS.observation_log_prob(x, n, Y, A, STD)
    gap = found - (POSTERIOR.log_prob(x, n) - KINDS.log_prob(x, n))
    torch.testing.assert_close(gap, gap[:1].expand_as(gap), rtol=0, atol=1e-8)
    torch.testing.assert_close(
        KINDS.observation_log_prob(x, n, Y.expand(20, 1), A, STD), found
    )  # one observation each, the same


@pytest.mark.parametrize("t", [1, 50, 300, 999])
def test_climbing_the_exact_likelihood_is_the_conditional_denoiser(t):
    n, x = at(SCHEDULE, t), noise(20)
    exact = climbed(KINDS, lambda x, n: KINDS.observation_log_prob(x, n, Y, A, STD))
    torch.testing.assert_close(exact(x, n).mean, POSTERIOR(x, n).mean, rtol=0, atol=1e-9)


def test_exact_guidance_draws_the_closed_form_conditional():
    """Mean and covariance of 20,000 samples of the ODE within 3 standard errors."""
    exact = climbed(KINDS, lambda x, n: KINDS.observation_log_prob(x, n, Y, A, STD))
    x = sample(exact, Multistep(2), uniform_in_lambda(SCHEDULE, 100), noise(20_000))
    assert moment_z(x, *moments(POSTERIOR)).abs().max() < 3


SEEDS = iter(range(100, 10**6))


@pytest.mark.parametrize("t", [1, 50, 300, 999])
def test_of_gaussian_data_the_jacobian_is_exact(t):
    n, x = at(SCHEDULE, t), noise(20)
    found = observed(ONE, SEEN, jacobian)(x, n).mean
    torch.testing.assert_close(found, ONE.given(Y, A, STD)(x, n).mean, rtol=0, atol=1e-9)


def test_of_white_data_the_ball_is_exact():
    white, n, x = GaussianMixture([1.0], [[0.0, 0.0]], [torch.eye(2).tolist()]), at(SCHEDULE, 400), noise(20)
    found = observed(white, SEEN, ball)(x, n).mean
    torch.testing.assert_close(found, white.given(Y, A, STD)(x, n).mean, rtol=0, atol=1e-9)


def test_what_is_seen_without_noise_is_met_at_every_level():
    """A D' = y after as many steps of conjugate gradients as there are numbers in y."""
    both = Observation(
        torch.tensor([[0.3, -0.4]]).double(), lambda x: x @ torch.tensor([[1.0, 0.5], [0.2, -1.0]]).double()
    )
    for t in (50, 400, 900):
        guided = observed(KINDS, both, jacobian, iterations=2)(noise(20), at(SCHEDULE, t))
        torch.testing.assert_close(both.operator(guided.mean), both.y.expand(20, 2), rtol=0, atol=1e-6)


def test_particles_come_to_the_conditional_law_as_they_grow():
    """The weighted mean's error falls like 1 / √K, and at K = 1,000 it is within four standard errors of 16 runs."""
    levels = strided(SCHEDULE, 250)
    mean, _ = moments(POSTERIOR)

    def errors(count, groups=16):
        x = noise(count * groups, count)
        *_, cloud = particles(KINDS, SEEN, levels, x, groups, randn=lambda x: noise(len(x), next(SEEDS)))
        share = cloud.log_weights.softmax(1)
        return torch.einsum("gk,gkd->gd", share, cloud.x.reshape(groups, count, 2)) - mean

    few, many = errors(8), errors(1000)
    assert many.square().mean().sqrt() < few.square().mean().sqrt() / 4
    assert (many.mean(0) / (many.std(0) / 4)).abs().max() < 4


def test_a_particle_is_chosen_by_its_weight_in_its_own_group():
    from fromnoise.sampling import Cloud

    cloud = Cloud(torch.arange(6.0)[:, None], torch.tensor([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]]).log())
    assert cloud.chosen(torch.tensor([0.1, 0.999])).flatten().tolist() == [0.0, 4.0]
    assert cloud.chosen(torch.tensor([0.6, 0.5])).flatten().tolist() == [2.0, 4.0]


def test_noise_is_not_negative():
    with pytest.raises(ValueError, match="at least 0"):
        Observation(Y[None], SEEN.operator, -0.1)


def test_particles_need_noise_and_equal_groups():
    levels = strided(SCHEDULE, 5)
    with pytest.raises(ValueError, match="noise"):
        next(particles(KINDS, Observation(Y[None], SEEN.operator), levels, noise(4)))
    with pytest.raises(ValueError, match="groups"):
        next(particles(KINDS, SEEN, levels, noise(5), 2))


def test_posterior_sampling_draws_towards_what_was_seen():
    """One step nudged is the step itself less the gradient of the norm, as the paper writes it."""
    t, s, x = at(SCHEDULE, 400), at(SCHEDULE, 380), noise(6)
    plain, _ = DDIM(0.0).step(KINDS, x, t, s, None, torch.randn_like)
    found, _ = Nudged(DDIM(0.0), SEEN, 0.7).step(KINDS, x, t, s, None, torch.randn_like)
    slope = derivative(lambda x: (Y - SEEN.operator(KINDS(x, t).mean)).norm(dim=1), x)
    torch.testing.assert_close(found, plain - 0.7 * slope)


@pytest.mark.parametrize("kind", [Nudged, Pulled])
def test_each_sample_is_led_for_itself(kind):
    """No sample changes with who else is drawn: the norm is its own."""
    t, s, x = at(SCHEDULE, 400), at(SCHEDULE, 380), noise(6)
    led = kind(DDIM(0.0), SEEN)
    together, _ = led.step(KINDS, x, t, s, None, torch.randn_like)
    alone, _ = led.step(KINDS, x[2:3], t, s, None, torch.randn_like)
    torch.testing.assert_close(together[2:3], alone)


@pytest.mark.parametrize("std", [0.0, 0.3])
def test_the_pull_is_along_the_pseudoinverse(std):
    """alpha_t J' A' (A A' + (std / r)² I)^-1 (y − A D), J by autograd and the inverse by its formula."""
    t, s, x = at(SCHEDULE, 400), at(SCHEDULE, 380), noise(6)
    plain, _ = DDIM(0.0).step(KINDS, x, t, s, None, torch.randn_like)
    found, _ = Pulled(DDIM(0.0), Observation(Y[None], SEEN.operator, std)).step(KINDS, x, t, s, None, torch.randn_like)
    J = torch.func.vmap(torch.func.jacrev(lambda x: KINDS(x[None], t).mean[0]))(x)
    inverse = A.mT @ torch.linalg.inv(A @ A.mT + (std / t.sigma) ** 2 * torch.eye(1))
    residual = (Y - KINDS(x, t).mean @ A.mT) @ inverse.mT
    torch.testing.assert_close(found, plain + t.alpha * torch.einsum("bij,bi->bj", J, residual))


def test_universal_guidance_is_the_chain_rule():
    n, x = at(SCHEDULE, 300), noise(6)
    found = universal(KINDS, lambda x_0: -x_0.square().sum(1), 2.0)(x, n).mean
    slope = derivative(lambda x: -KINDS(x, n).mean.square().sum(1), x)
    torch.testing.assert_close(found, KINDS(x, n).mean + 2 * n.sigma**2 / n.alpha * slope)


def test_repainting_keeps_what_is_known_to_the_last_bit():
    mask, y = torch.tensor([True, False]), torch.tensor([[0.4321, 0.0]]).double()
    project = replaced(y, mask, torch.randn_like)
    levels = resampled(strided(SCHEDULE, 40), 5, 2)
    *_, x = trajectory(KINDS, DDIM(1.0), levels, noise(50), project=project)
    assert bool((x[:, 0] == y[0, 0]).all())
    assert x[:, 1].std() > 0.05


def test_repainting_that_goes_up_often_comes_nearer_to_the_conditional():
    """Two pixels of correlation 0.95: walked once, the unknown one hears the known one too late."""
    pair, y = GaussianMixture([1.0], [[0.0, 0.0]], [[[0.5, 0.475], [0.475, 0.5]]]), torch.tensor([[1.0, 0.0]]).double()
    law = pair.given(y[0, :1], torch.tensor([[1.0, 0.0]]).double(), 1e-4)
    biases = []
    for times in (1, 10):
        project = replaced(y, torch.tensor([True, False]), lambda x: noise(len(x), next(SEEDS)))
        levels = resampled(strided(SCHEDULE, 250), 1, times)
        steps = trajectory(
            pair, DDIM(1.0), levels, noise(2000, 5), project=project, randn=lambda x: noise(len(x), next(SEEDS))
        )
        *_, x = steps
        biases.append(float((x[:, 1].mean() - law.means[0, 1]).abs() / law.covariances[0, 1, 1].sqrt()))
    assert biases[0] > 0.8
    assert biases[1] < 0.2


def test_repaints_own_path_takes_2410_calls():
    levels = resampled(strided(SCHEDULE, 250), 10, 10)
    down = sum(float(s.sigma) < float(t.sigma) for t, s in itertools.pairwise(levels))
    assert down == 2410
    assert float(levels[0].t) == 1000
    assert float(levels[-1].t) == 0


@given(steps=st.integers(1, 40), length=st.integers(1, 12), times=st.integers(1, 5))
def test_jumps_are_walked_level_by_level(steps, length, times):
    """From each level to a neighbour, ends at the end, and each jump is made `times` − 1 times."""
    levels = strided(SCHEDULE, steps)
    numbers = {float(level.t): i for i, level in enumerate(levels)}
    walked = [numbers[float(level.t)] for level in resampled(levels, length, times)]
    assert all(abs(a - b) == 1 for a, b in itertools.pairwise(walked))
    assert (walked[0], walked[-1]) == (0, steps)
    jumps = sum((steps - i - 1) % length == 0 for i in range(length, steps))  # from the last noisy level, and above
    assert walked.count(steps) == 1
    assert sum(b < a for a, b in itertools.pairwise(walked)) == jumps * length * (times - 1)


def test_jumps_must_be_jumps():
    with pytest.raises(ValueError, match="at least 1"):
        resampled(strided(SCHEDULE, 4), 0, 2)


@given(factor=st.sampled_from([1, 2, 4]), rows=st.integers(1, 4), columns=st.integers(1, 4), channels=st.integers(1, 3))
def test_operators_are_linear_and_keep_the_mean(factor, rows, columns, channels):
    shape = (2, channels, rows * factor, columns * factor)
    x, y = (torch.randn(shape, dtype=torch.float64, generator=seeded(i)) for i in (0, 1))
    for operator in (shrunk(factor), blurred(1.3), kept(x[0] > 0)):
        torch.testing.assert_close(operator(2 * x - y), 2 * operator(x) - operator(y))
    for operator in (shrunk(factor), blurred(0.4 * factor)):
        torch.testing.assert_close(operator(x).mean((2, 3)), x.mean((2, 3)))


def test_a_blur_spreads_a_point_by_its_variance():
    """Two pixels' standard deviation: the variance of the kernel is 4 less what is cut at three of them."""
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    x[..., 20, 20] = 1
    row = blurred(2.0)(x)[0, 0].sum(0)
    place = torch.arange(41) - 20.0
    assert 3.8 < float((row * place**2).sum()) < 4.0


def test_operators_refuse():
    with pytest.raises(ValueError, match="multiples of 3"):
        shrunk(3)(torch.zeros(1, 1, 4, 6))
    with pytest.raises(ValueError, match="positive"):
        blurred(0.0)


@pytest.mark.parametrize("spread", [ball, jacobian])
def test_guided_samples_are_nearer_than_none(spread):
    """Of two kinds neither method is exact; both are nearer to the conditional mean than the law without it."""
    mean, _ = moments(POSTERIOR)
    biases = []
    for denoise in (KINDS, observed(KINDS, SEEN, spread)):
        x = sample(denoise, DDIM(0.0), uniform_in_lambda(SCHEDULE, 60), noise(4000))
        biases.append(float((x.mean(0) - mean).norm()))
    assert biases[1] < 0.7 * biases[0]


def test_an_indefinite_matrix_stops_each_for_itself():
    """Where the derivative of a network is not positive, a sample's answer is the same alone as beside another."""
    matrices = torch.diag_embed(torch.tensor([[3.0, 1.0, -0.5, 2.0], [4.0, 3.0, 2.0, 1.0]]))
    b = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, -1.0, 2.0, 0.5]])

    def solve(rows):
        return conjugate_gradients(lambda u: torch.einsum("bij,bj->bi", matrices[rows], u), b[rows], 10)

    torch.testing.assert_close(solve([0, 1])[:1], solve([0]))
    torch.testing.assert_close(solve([0, 1])[1:], solve([1]))
    torch.testing.assert_close(torch.einsum("bij,bj->bi", matrices[1:], solve([1])), b[1:])


@pytest.mark.parametrize("schedule", [Flow(), SCHEDULE])
def test_where_no_signal_is_left_nothing_is_known_of_y(schedule):
    """At alpha = 0 all give the plain denoiser's answer, and no NaN; at T of a table they nearly do."""
    n, x = at(schedule, schedule.T), noise(5)
    plain = KINDS(x, n).mean
    for guided in (
        observed(KINDS, SEEN, ball), observed(KINDS, SEEN), universal(KINDS, lambda x_0: x_0.sum(1)),
        climbed(KINDS, lambda x, n: KINDS.observation_log_prob(x, n, Y, A, STD)),
    ):  # fmt: skip
        found = guided(x, n).mean
        assert bool(found.isfinite().all())
        if float(n.alpha) == 0:
            torch.testing.assert_close(found, plain)
    cloud = next(particles(KINDS, SEEN, strided(schedule, 10), x))
    assert bool(cloud.x.isfinite().all())
    assert bool(cloud.log_weights.isfinite().all())


def test_diffusing_then_observing_keeps_batches_apart():
    """A sample's guided mean does not depend on who else is in the batch."""
    n = at(SCHEDULE, 500)
    x = diffuse(KINDS.sample(8, seeded(1)), CLEAN, n)
    for spread in (ball, jacobian):
        guided = observed(KINDS, SEEN, spread)
        torch.testing.assert_close(guided(x, n).mean[3:4], guided(x[3:4], n).mean)
