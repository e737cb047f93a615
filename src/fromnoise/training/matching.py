"""Distribution matching: samples follow the difference of two denoisers (Yin et al. 2024, DMD)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from fromnoise.errors import UserError
from fromnoise.model import Config, Model, load
from fromnoise.model.assembly import make_denoiser
from fromnoise.model.precision import casting
from fromnoise.process import Denoiser, Level, Schedule, at, denoising_loss
from fromnoise.process.objectives import velocity
from fromnoise.sampling import DDIM, sample
from fromnoise.training.batches import Batch
from fromnoise.training.draws import mix
from fromnoise.training.optimizers import load_tensors, make_optimizer, tensors_of


class Matching:
    """A student's samples are to have the law of a model's, whichever noise each of them comes from.

    The gradient of KL(student ‖ model) at x_t, noised from a student's sample, is the difference of the two scores,
    alpha / sigma² times that of the two means E[x_0|x_t]. The model knows its own; that of the student's samples is
    learned by the critic, a second network that begins as the model and is trained, a step for each of the student's,
    to denoise what the student draws. The student's gradient goes through the last of its steps.

    `levels` are the student's. Raises UserError for half precision that needs its loss scaled.
    """

    def __init__(
        self,
        config: Config,
        schedule: Schedule,
        levels: list[Level],
        device: torch.device,
        mine: slice,
        network: str | type[nn.Module] | None = None,
    ):
        if config.train.precision == "fp16":
            raise UserError("distil.match trains two networks at once: use --train.precision bf16 or fp32")
        self.config, self.schedule, self.levels, self.mine = config, schedule, levels, mine
        self.model: Model = load(config.distil.law or config.distil.teacher, device=device, network=network)
        self.critic = copy.deepcopy(self.model.network).train().requires_grad_(True)
        self.optimizer = make_optimizer(self.critic, config.train)

    def batch(self, step: int) -> Batch:
        """Noise at the student's first level, classes in turn, and numbers for the times of both networks."""
        train, shape, first = self.config.train, self.model.facts.shape, self.levels[0]
        device = self.model.device
        there = torch.Generator(device).manual_seed(mix(train.seed, "matching", step))
        host = torch.Generator().manual_seed(mix(train.seed, "times", step))
        eps = torch.randn(train.batch, *shape, generator=there, device=device)[self.mine]
        u = torch.rand(train.batch, dtype=torch.float64, generator=host)[self.mine]
        start = step * train.batch + (self.mine.start or 0)
        labels = self.model.labels(len(eps), None, start) if self.config.process.conditional else None
        level = at(self.schedule, first.t.expand(len(eps)), eps)
        size = (first.alpha**2 + first.sigma**2).sqrt() / first.sigma
        return Batch(torch.zeros_like(eps), labels, level, eps * size.to(eps), u)

    def loss(self, denoise: Denoiser, part: Batch) -> Tensor:
        """½ ‖x − (x + (the model's mean − the critic's) / sigma)‖² with the bracket held fixed, (B,).

        Its gradient is that of KL times sigma / alpha, so that the noisiest levels do not drown in the cleanest.
        """
        assert part.u is not None
        x = self._drawn(denoise, part)
        n = at(self.schedule, self.schedule.times(0.02 + 0.96 * part.u), x)
        precision = self.config.train.precision
        with torch.no_grad():
            x_t = n.alpha * x + n.sigma * torch.randn_like(x)
            real = self.model.guided(part.labels, self.config.distil.weight, precision)(x_t, n).mean
            own = self._critic(part.labels)(x_t, n).mean
            aim = x + (real - own) * (n.alpha**2 + n.sigma**2).sqrt() / n.sigma
        self._learn(x, part)
        return 0.5 * ((x - aim) ** 2).flatten(1).sum(1)

    def watch(self, denoise: Denoiser, part: Batch) -> None:
        """Let the critic learn what the student draws, and the student nothing."""
        with torch.no_grad():
            x = self._drawn(denoise, part)
        self._learn(x, part)

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

    def _critic(self, labels: Tensor | None) -> Denoiser:
        def network(x: Tensor, time: Tensor, label: Tensor | None) -> Tensor:
            with casting(self.config.train.precision, self.model.device):
                return self.critic(x, time, label)

        return make_denoiser(network, self.config.process, self.schedule, labels)

    def _drawn(self, denoise: Denoiser, part: Batch) -> Tensor:
        """The student's samples, with the gradient of the last step."""
        x = part.level.alpha * part.x_0 + part.level.sigma * part.eps
        if len(self.levels) > 2:
            with torch.no_grad():
                x = sample(denoise, DDIM(0.0), self.levels[:-1], x)
        return denoise(x, at(self.schedule, self.levels[-2].t.expand(len(x)), x)).mean

    def _learn(self, x: Tensor, part: Batch) -> None:
        """The critic's gradient of the loss of denoising the student's samples x, scaled to the whole batch's mean."""
        assert part.u is not None
        n = at(self.schedule, self.schedule.times((part.u + 0.5) % 1), x)
        x = x.detach().clamp(-1, 1) if self.config.sample.clip else x.detach()
        each = denoising_loss(self._critic(part.labels), x, n, torch.randn_like(x), velocity)
        (each.sum() / (self.config.train.batch * x[0].numel())).backward()
