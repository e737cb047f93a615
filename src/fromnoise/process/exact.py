"""Laws whose denoiser is known in closed form: the ground truth for everything else."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fromnoise.process.denoiser import Denoised
from fromnoise.process.levels import CLEAN, Level


def gaussian_log_prob(x: Tensor, mean: Tensor, std: Tensor | float) -> Tensor:
    """log N(x; mean, std² I) summed over all but the first dimension, in nats (K 1–2, H 3.1).

    >>> x = torch.zeros(1, 2)
    >>> round(gaussian_log_prob(x, x, 1.0).item(), 4)
    -1.8379
    """
    std = torch.as_tensor(std, dtype=x.dtype)
    terms = -0.5 * ((x - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)
    return terms.expand_as(x).flatten(1).sum(1)


class GaussianMixture:
    """A mixture of Gaussians in d dimensions: an exact denoiser, density and sampler at every noise level.

    `weights` (K,), positive, scaled to sum to one; `means` (K, d); `covariances` (K, d, d), symmetric
    positive definite. Call it as a denoiser: mixture(x_t, level) -> Denoised.

    Raises ValueError for shapes that do not fit, weights that are not positive or a covariance that is not
    positive definite.

    >>> law = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 1.0]]])
    >>> law.sample(5).shape
    torch.Size([5, 2])
    >>> law(torch.ones(1, 2).double(), CLEAN).mean
    tensor([[1., 1.]], dtype=torch.float64)
    """

    def __init__(self, weights, means, covariances):
        weights, means, covariances = (torch.as_tensor(v, dtype=torch.float64) for v in (weights, means, covariances))
        if means.ndim != 2 or weights.shape != means.shape[:1]:
            raise ValueError("a mixture takes weights (K,), means (K, d) and covariances (K, d, d)")
        if covariances.shape != (*means.shape, means.shape[1]):
            raise ValueError(f"covariances must have shape {(*means.shape, means.shape[1])}")
        if not bool((weights > 0).all()):
            raise ValueError("weights must be positive")
        self.weights, self.means, self.covariances = weights / weights.sum(), means, covariances
        self.values, self.vectors = torch.linalg.eigh(covariances)
        if not bool((self.values > 0).all()) or not torch.allclose(covariances, covariances.mT):
            raise ValueError("covariances must be symmetric and positive definite")

    def component(self, k: int) -> GaussianMixture:
        """The law of component k alone."""
        return GaussianMixture(self.weights[[k]], self.means[[k]], self.covariances[[k]])

    def _components(self, x: Tensor, n: Level) -> tuple[Tensor, Tensor, Tensor]:
        """Per component: log(weight · density of x_t) (K, B), mean and variance of x_0|x_t (K, d, B).

        The samples come last: sums over the few components and dimensions then run along whole vectors.
        """
        weights, means, values = (
            v.to(x) for v in (self.weights[:, None], self.means[..., None], self.values[..., None])
        )
        vectors = self.vectors.to(x)
        alpha, sigma = (c.to(x).reshape(-1) for c in (n.alpha, n.sigma))
        offset = vectors.mT @ (x.mT - alpha * means)  # in the axes of each
        spread = alpha**2 * values + sigma**2
        log_prob = weights.log() - 0.5 * (offset**2 / spread + (2 * math.pi * spread).log()).sum(1)
        mean = means + vectors @ (alpha * values / spread * offset)
        var = vectors**2 @ (values * sigma**2 / spread)  # (K, d, 1) where all samples have one level
        return log_prob, mean, var

    def __call__(self, x: Tensor, n: Level) -> Denoised:
        log_prob, mean, var = self._components(x, n)
        share = log_prob.softmax(0)[:, None]
        total = (share * mean).sum(0)
        return Denoised(total.mT.contiguous(), (share * (var + (mean - total) ** 2)).sum(0).mT.contiguous())

    def log_prob(self, x: Tensor, n: Level = CLEAN) -> Tensor:
        """log q(x_t) at level n, in nats, (B,); without a level, of the data themselves."""
        return self._components(x, n)[0].logsumexp(0)

    def given(self, y: Tensor, operator: Tensor, std: float) -> GaussianMixture:
        """The law of x_0 given one observation y = operator x_0 + std z: again a mixture, in closed form.

        y is (m,), operator A (m, d), std > 0 that of the noise in y. Component k with mean m_k and covariance C_k
        becomes the Gaussian conditional of gain C_k A' S^-1, S = A C_k A' + std² I, its weight times N(y; A m_k, S).

        >>> law = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 1.0]]])
        >>> law.given(torch.tensor([2.0]), torch.tensor([[1.0, 0.0]]), 1.0).means
        tensor([[1., 0.]], dtype=torch.float64)
        """
        y, operator = y.to(self.means), operator.to(self.means)
        spread = operator @ self.covariances @ operator.mT + std**2 * torch.eye(len(y)).to(operator)
        gain = torch.linalg.solve(spread, operator @ self.covariances).mT
        offset = y - self.means @ operator.mT
        means = self.means + torch.einsum("kdm,km->kd", gain, offset)
        covariances = self.covariances - gain @ operator @ self.covariances
        log_weights = self.weights.log() + _normal_log_prob(offset, spread)
        weights = log_weights.softmax(0).clamp_min(torch.finfo(means.dtype).tiny)  # a mixture takes no 0
        return GaussianMixture(weights, means, (covariances + covariances.mT) / 2)

    def observation_log_prob(self, x: Tensor, n: Level, y: Tensor, operator: Tensor, std: float) -> Tensor:
        """log p(y | x_t) in nats, (B,), of y (m,) or (B, m) as in `given`: what exact guidance climbs.

        Given x_t, x_0 is a mixture of Gaussians with full covariances; so is operator x_0 plus the noise.
        """
        y, operator = y.to(x), operator.to(x)
        weighted, mean, _ = self._components(x, n)
        values, vectors = self.values.to(x), self.vectors.to(x)
        alpha, sigma = (c.to(x).reshape(-1, 1, 1) for c in (n.alpha, n.sigma))
        seen = operator @ vectors  # (K, m, d): the operator in the axes of each component
        spread = (seen * (values * sigma**2 / (alpha**2 * values + sigma**2))[..., None, :]) @ seen.mT
        spread = spread + std**2 * torch.eye(len(operator)).to(x)
        offset = y.reshape(-1, 1, len(operator)) - (operator @ mean).permute(2, 0, 1)
        return (weighted.log_softmax(0).mT + _normal_log_prob(offset, spread)).logsumexp(1)

    def responsibilities(self, x: Tensor, n: Level = CLEAN) -> Tensor:
        """The probability of each component given x_t, (B, K)."""
        return self._components(x, n)[0].softmax(0).mT

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws, (n, d), float64."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator)
        return self.means[k] + torch.einsum("bij,bj->bi", torch.linalg.cholesky(self.covariances)[k], noise)


def _normal_log_prob(offset: Tensor, covariance: Tensor) -> Tensor:
    """log N(offset; 0, covariance) over the last axis, (..., m) and (..., m, m)."""
    root = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(root, offset[..., None], upper=False)[..., 0]
    log_det = 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * (white.square().sum(-1) + log_det + offset.shape[-1] * math.log(2 * math.pi))


class Empirical:
    """The law of a finite data set, each sample with the same weight: the denoiser that memorises.

    It is the minimiser of the simple loss over all functions; a trained network that matched it would
    give back its training data. `data` is (N, ...); the work and memory of a call are B · N · d.

    >>> law = Empirical(torch.tensor([[-1.0], [1.0]]))
    >>> level = Level(torch.tensor(0.0), torch.tensor(1.0), torch.tensor(0.1))
    >>> law(torch.tensor([[0.9]]), level).mean
    tensor([[1.]])
    """

    def __init__(self, data: Tensor):
        if data.ndim < 2 or len(data) == 0:
            raise ValueError("data must hold at least one sample, (N, ...)")
        self.data = data

    def _log_terms(self, x: Tensor, n: Level) -> Tensor:
        data = self.data.to(x).flatten(1)
        alpha, sigma = (c.to(x).reshape(-1, 1) for c in (n.alpha, n.sigma))
        if not bool((sigma > 0).all()):
            raise ValueError("a data set has no density without noise: give a level with sigma > 0")
        # Differences first: |x|² − 2 x·y + |y|² would lose all digits where sigma is small.
        distance = (x.flatten(1)[:, None] - alpha[..., None] * data).square().sum(-1)
        return -0.5 * distance / sigma**2

    def __call__(self, x: Tensor, n: Level) -> Denoised:
        share = self._log_terms(x, n).softmax(1)
        data = self.data.to(x).flatten(1)
        mean = share @ data
        var = torch.einsum("bn,bnd->bd", share, (data - mean[:, None]) ** 2)
        return Denoised(mean.reshape(x.shape), var.reshape(x.shape))

    def log_prob(self, x: Tensor, n: Level) -> Tensor:
        """log q(x_t) at a level with sigma > 0, in nats, (B,)."""
        d = x[0].numel()
        sigma = n.sigma.to(x).reshape(-1)
        scale = math.log(len(self.data)) + d * (sigma.log() + 0.5 * math.log(2 * math.pi))
        return self._log_terms(x, n).logsumexp(1) - scale

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws with replacement, (n, ...)."""
        return self.data[torch.randint(len(self.data), (n,), generator=generator)]
