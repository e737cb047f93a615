"""Distribution matching: samples follow the difference of two denoisers (Yin et al. 2024, DMD)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fromnoise.errors import UserError
from fromnoise.model import Config, Model
from fromnoise.model.assembly import make_denoiser
from fromnoise.model.precision import casting
from fromnoise.process import Denoiser, Level, Schedule, at, clipped, denoising_loss
from fromnoise.process.objectives import velocity
from fromnoise.sampling import DDIM, sample
from fromnoise.training.batches import Batch
from fromnoise.training.draws import mix
from fromnoise.training.optimizers import load_tensors, make_optimizer, tensors_of


@dataclass(frozen=True)
class Draws:
    """What a step draws: noise z that becomes samples, their labels, numbers for times, noise for both networks."""

    z: Tensor
    labels: Tensor | None
    u: Tensor
    noise: Tensor
    own: Tensor

    def part(self, rows: slice) -> Draws:
        """Some of its rows."""
        labels = None if self.labels is None else self.labels[rows]
        return Draws(self.z[rows], labels, self.u[rows], self.noise[rows], self.own[rows])


class Matching:
    """A student's samples are to have the law of a model's, whichever noise each of them comes from.

    The gradient of KL(student ‖ model) at x_t, noised from a student's sample, is the difference of the two scores,
    alpha / sigma² times that of the two means E[x_0|x_t]. The model knows its own; that of the student's samples is
    learned by the critic, a second network that begins as the model and is trained, a step for each of the student's
    and always at the rate train.lr, to denoise what the student draws. The student's gradient goes through the last of
    its steps. `levels` are the student's.

    Raises UserError for half precision that needs its loss scaled.
    """

    def __init__(self, config: Config, schedule: Schedule, levels: list[Level], model: Model, mine: slice):
        if config.train.precision == "fp16":
            raise UserError("distil.match trains two networks at once: use --train.precision bf16 or fp32")
        self.config, self.schedule, self.levels, self.model, self.mine = config, schedule, levels, model, mine
        self.critic = copy.deepcopy(self.model.network).train().requires_grad_(True)
        self.optimizer = make_optimizer(self.critic, config.train)

    def draws(self, step: int, labels: Tensor | None) -> Draws:
        """The draws of this process's rows, for the classes that they are told."""
        train, device = self.config.train, self.model.device
        there = torch.Generator(device).manual_seed(mix(train.seed, "matching", step))
        host = torch.Generator().manual_seed(mix(train.seed, "times", step))
        z = torch.randn(3, train.batch, *self.model.facts.shape, generator=there, device=device)[:, self.mine]
        u = torch.rand(train.batch, dtype=torch.float64, generator=host)[self.mine]
        return Draws(z[0], labels, u, z[1], z[2])

    def batch(self, step: int) -> Batch:
        """Noise at the student's first level, classes in turn; the draws lie beside it."""
        n = self.config.train.batch
        start, rows = step * n + (self.mine.start or 0), len(range(n)[self.mine])
        labels = self.model.labels(rows, None, start) if self.config.process.conditional else None
        draws = self.draws(step, labels)
        level = at(self.schedule, self.levels[0].t.expand(rows), draws.z)
        return Batch(torch.zeros_like(draws.z), labels, level, draws.z, beside=draws)

    def loss(self, denoise: Denoiser, draws: Draws) -> Tensor:
        """½ ‖x − (x + (the model's mean − the critic's) / sigma)‖² with the bracket held fixed, (B,).

        Its gradient is that of KL by x_t times sigma / alpha (for alpha² + sigma² = 1), so that the noisiest levels do
        not drown in the cleanest.
        """
        x = self._drawn(denoise, draws)
        n = at(self.schedule, self.schedule.times(0.02 + 0.96 * draws.u), x)
        with torch.no_grad():
            x_t = n.alpha * x + n.sigma * draws.noise
            real = self.model.guided(draws.labels, self.config.distil.weight, self.config.train.precision)(x_t, n).mean
            own = self._own(draws.labels)
            own_mean = (clipped(own) if self.model.config.sample.clip else own)(x_t, n).mean
            aim = x + (real - own_mean) * (n.alpha**2 + n.sigma**2).sqrt() / n.sigma
        self._learn(x, draws)
        return 0.5 * ((x - aim) ** 2).flatten(1).sum(1)

    def watch(self, denoise: Denoiser, draws: Draws) -> None:
        """Let the critic learn what the student draws, and the student nothing."""
        with torch.no_grad():
            x = self._drawn(denoise, draws)
        self._learn(x, draws)

    def settle(self, total: Callable[[Tensor], Tensor]) -> None:
        """A step of the critic."""
        weights = [weight for weight in self.critic.parameters() if weight.grad is not None]
        for weight in weights:
            weight.grad = total(weight.grad)  # type: ignore[arg-type]
        norm = nn.utils.clip_grad_norm_(weights, 1.0)
        if bool(norm.isfinite()):
            self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self) -> Mapping[str, Tensor]:
        critic = {f"critic.{key}": value for key, value in self.critic.state_dict().items()}
        return critic | {f"optimizer.{key}": value for key, value in tensors_of(self.optimizer).items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        def part(name: str) -> dict[str, Tensor]:
            return {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}

        self.critic.load_state_dict(part("critic."))
        load_tensors(self.optimizer, part("optimizer."))

    def _own(self, labels: Tensor | None) -> Denoiser:
        """The denoiser of the student's own samples, as far as the critic has learned it."""

        def network(x: Tensor, time: Tensor, label: Tensor | None) -> Tensor:
            with casting(self.config.train.precision, self.model.device):
                return self.critic(x, time, label)

        return make_denoiser(network, self.config.process, self.schedule, labels)

    def _drawn(self, denoise: Denoiser, draws: Draws) -> Tensor:
        """The student's samples, with the gradient of the last step."""
        first = self.levels[0]
        x = (first.alpha**2 + first.sigma**2).sqrt().to(draws.z) * draws.z
        if len(self.levels) > 2:
            with torch.no_grad():
                x = sample(denoise, DDIM(0.0), self.levels[:-1], x)
        return denoise(x, self.levels[-2]).mean

    def _learn(self, x: Tensor, draws: Draws) -> None:
        """The critic's gradient of the loss of denoising the student's samples x, scaled to the whole batch's mean."""
        n = at(self.schedule, self.schedule.times((draws.u + 0.5) % 1), x)
        x = x.detach().clamp(-1, 1) if self.config.sample.clip else x.detach()
        each = denoising_loss(self._own(draws.labels), x, n, draws.own, velocity)
        (each.sum() / (self.config.train.batch * x[0].numel())).backward()
