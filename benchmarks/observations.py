"""What methods draw of a law whose conditional is known, ours and the peers': one pixel of two is seen.

python benchmarks/observations.py [--n 4000] [--json FILE]

The law is a mixture of two correlated Gaussians in the plane, its denoiser exact, and the seen pixel leaves both in
question. Of the other pixel: the error of the mean, in standard deviations of the exact conditional; the standard
deviation, over the exact one; the Wasserstein-1 distance to exact draws, in standard deviations (n exact draws beside n
others have the floor). Methods that take noise are told the observation's, 0.02; the others that there is none.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import contenders as peers
import torch
from machine import measured
from torch import Tensor, nn

from fromnoise.model.store import write_file
from fromnoise.process import GaussianMixture, at, linear
from fromnoise.sampling import (
    DDIM,
    Cloud,
    Multistep,
    Nudged,
    Observation,
    Pulled,
    ball,
    climbed,
    observed,
    particles,
    replaced,
    resampled,
    sample,
    strided,
    trajectory,
    uniform_in_lambda,
)

ROOT = Path(__file__).parents[1]
SCHEDULE, STEPS = linear(1000), 250
LAW = GaussianMixture(
    [0.4, 0.6], [[-0.32, 0.16], [0.28, 0.04]],
    [[[0.024, 0.0128], [0.0128, 0.016]], [[0.0128, -0.008], [-0.008, 0.032]]],
)  # fmt: skip
Y, A, STD = torch.tensor([-0.04]).double(), torch.tensor([[1.0, 0.0]]).double(), 0.02
SEEN = Observation(Y[None], lambda x: x @ A.mT, STD)
MASK, KNOWN = torch.tensor([True, False]), torch.tensor([[-0.04, 0.0]]).double()


def noise(n: int) -> Tensor:
    return torch.randn(n, 2).double()


def exact(n: int) -> Tensor:
    """The ODE with the exact likelihood of y given x_t."""
    guided = climbed(LAW, lambda x, level: LAW.observation_log_prob(x, level, Y, A, STD))
    return sample(guided, Multistep(2), uniform_in_lambda(SCHEDULE, STEPS), noise(n))


def by_spread(spread: Any, n: int) -> Tensor:
    return sample(observed(LAW, SEEN, spread), DDIM(1.0), strided(SCHEDULE, STEPS), noise(n))


def by_pulls(n: int) -> Tensor:
    return sample(LAW, Pulled(DDIM(1.0), SEEN), strided(SCHEDULE, STEPS), noise(n))


def by_nudges(rate: float, n: int) -> Tensor:
    return sample(LAW, Nudged(DDIM(1.0), SEEN, rate), strided(SCHEDULE, STEPS), noise(n))


def by_repainting(length: int, times: int, n: int) -> Tensor:
    levels = resampled(strided(SCHEDULE, STEPS), length, times)
    *_, x = trajectory(LAW, DDIM(1.0), levels, noise(n), project=replaced(KNOWN, MASK, torch.randn_like))
    return x


def by_particles(count: int, n: int) -> Tensor:
    cloud = Cloud(torch.empty(0), torch.empty(0))
    for cloud in particles(LAW, SEEN, strided(SCHEDULE, STEPS), noise(n * count), n):  # noqa: B007
        pass
    return cloud.chosen(torch.rand(n).double())


def of_azula(n: int) -> dict[str, Callable[[], Tensor]]:
    """azula's own classes around the same denoiser and schedule."""
    from azula import guidance
    from azula.denoise import Denoiser, DiracPosterior
    from azula.linalg.covariance import IsotropicCovariance
    from azula.noise import Schedule
    from azula.sample import DDPMSampler

    class Ours(Schedule):
        def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
            return SCHEDULE(t.double() * SCHEDULE.T)

    class Exact(Denoiser):
        def __init__(self) -> None:
            super().__init__()
            self.schedule = Ours()

        def forward(self, x_t: Tensor, t: Tensor, **_: Any) -> DiracPosterior:
            return DiracPosterior(mean=LAW(x_t, at(SCHEDULE, t.double() * SCHEDULE.T)).mean)

    law, how = Exact(), {"steps": STEPS, "silent": True, "dtype": torch.float64}
    operator, y = SEEN.operator, SEEN.y

    def alone(make: Callable[[], Any], count: int = 1) -> Tensor:
        return make()(noise(n * count))

    def twisted() -> Tensor:
        sampler = guidance.TDSSampler(law, lambda x, s: -((operator(x) - y) ** 2) / (2 * (STD**2 + s**2)), **how)
        return torch.cat([sampler(noise(64))[:1] for _ in range(min(n, 500))])  # one of a cloud: its own are related

    back = lambda v: v @ A  # noqa: E731
    found: dict[str, Callable[[], Any]] = {
        "azula MMPS": lambda: DDPMSampler(guidance.MMPSDenoiser(law, y, operator, IsotropicCovariance(STD**2)), **how),
        "azula ΠGDM": lambda: guidance.PGDMSampler(law, y, operator, back, eta=1.0, **how),
        "azula DPS, each alone": lambda: guidance.DPSSampler(law, y, operator, zeta=1.0, **how),
        "azula RePaint, 3 iterations": lambda: guidance.RePaintSampler(law, KNOWN, MASK, eta=1.0, **how),
        "azula RePaint, 10 iterations": lambda: guidance.RePaintSampler(
            law, KNOWN, MASK, iterations=10, eta=1.0, **how
        ),
    }
    made: dict[str, Callable[[], Tensor]] = {name: partial(alone, make) for name, make in found.items()}
    # Its norm is one for the whole batch: as its users find it, and with every sample in a batch of its own.
    made["azula DPS"] = partial(alone, found["azula DPS, each alone"])
    made["azula DPS, each alone"] = lambda: torch.cat(
        [found["azula DPS, each alone"]()(noise(1)) for _ in range(min(n, 300))]
    )
    return made | {"azula TDS, 64 particles": twisted}


def of_diffusers(n: int) -> Tensor:
    """RePaintScheduler in its pipeline's defaults: 250 steps, jumps of 10, 10 times, eta 0."""
    from diffusers import RePaintScheduler

    scheduler = RePaintScheduler(num_train_timesteps=1000, clip_sample=False)
    scheduler.set_timesteps(STEPS, 10, 10)
    scheduler.eta = 0.0
    x, image, mask = noise(n).reshape(n, 1, 1, 2), KNOWN.reshape(1, 1, 1, 2), MASK.double().reshape(1, 1, 1, 2)
    last = scheduler.timesteps[0] + 1
    for t in scheduler.timesteps:
        if t < last:
            level = at(SCHEDULE, float(t) + 1)
            eps = (x - level.alpha * LAW(x.reshape(n, 2), level).mean.reshape(x.shape)) / level.sigma
            x = scheduler.step(eps, t, x, image, mask).prev_sample
        else:
            x = scheduler.undo_step(x, last)
        last = t
    return x.reshape(n, 2)


def of_ddp(n: int) -> Tensor:
    """GaussianDiffusion.sample of its repaint module, in its defaults but for the schedule."""
    with peers.torchvision():
        from denoising_diffusion_pytorch.repaint import GaussianDiffusion

    class Exact(nn.Module):
        channels = out_dim = 1
        self_condition = random_or_learned_sinusoidal_cond = False

        def forward(self, x: Tensor, t: Tensor, _: Any = None) -> Tensor:
            flat, level = x.reshape(len(x), 2).double(), at(SCHEDULE, float(t[0]) + 1)
            return ((flat - level.alpha * LAW(flat, level).mean) / level.sigma).reshape(x.shape).float()

    diffusion = GaussianDiffusion(Exact(), image_size=(1, 2), objective="pred_noise", beta_schedule="linear")
    seen = ((KNOWN + 1) / 2).float().reshape(1, 1, 1, 2).expand(n, 1, 1, 2)
    drawn = diffusion.p_sample_loop((n, 1, 1, 2), gt=seen, mask=MASK.float().reshape(1, 1, 1, 2).expand(n, 1, 1, 2))
    return (drawn * 2 - 1).reshape(n, 2)


def scores(x: Tensor, wanted: Tensor) -> dict[str, float]:
    """Of the unseen pixel, in standard deviations of exact draws."""
    found, true = x[:, 1].double(), wanted[:, 1]
    spread, q = true.std(), torch.linspace(0, 1, 2001).double()
    distance = (found.quantile(q) - true.quantile(q)).abs().mean() / spread
    error = (found.mean() - true.mean()) / spread
    return {
        "n": len(x), "mean_error": error.item(), "mean_se": (found.std() / spread / len(x) ** 0.5).item(),
        "spread": (found.std() / spread).item(), "distance": distance.item(),
    }  # fmt: skip


def methods(n: int) -> dict[str, Callable[[], Tensor]]:
    """All by name; of ours in 250 steps, RePaint with its jumps."""
    from fromnoise.sampling import jacobian

    return {
        "exact draws": lambda: LAW.given(Y, A, STD).sample(n),
        "no guidance": lambda: sample(LAW, DDIM(1.0), strided(SCHEDULE, STEPS), noise(n)),
        "exact guidance": partial(exact, n),
        "particles, 16": partial(by_particles, 16, n),
        "particles, 64": partial(by_particles, 64, n),
        "MMPS": partial(by_spread, jacobian, n),
        "a ball": partial(by_spread, ball, n),
        "ΠGDM": partial(by_pulls, n),
        "DPS, rate 1": partial(by_nudges, 1.0, n),
        "DPS, rate 0.05": partial(by_nudges, 0.05, n),
        "RePaint, no jumps": partial(by_repainting, 10, 1, n),
        "RePaint, 10 x 10": partial(by_repainting, 10, 10, n),
        "RePaint, 1 x 10": partial(by_repainting, 1, 10, n),
        **of_azula(n),
        "diffusers RePaint": partial(of_diffusers, n),
        "denoising-diffusion-pytorch RePaint": partial(of_ddp, n),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "observations.json"))
    args = parser.parse_args()
    wanted = LAW.given(Y, A, STD).sample(400_000, torch.Generator().manual_seed(1))

    def rows() -> list[dict[str, Any]]:
        found = []
        for name, draw in methods(args.n).items():
            torch.manual_seed(0)
            found.append({"method": name, **scores(draw(), wanted)})
            print(found[-1], flush=True)
        return found

    told = measured(rows)
    headings = {"method": "method", "n": "n", "mean_error": "mean off by", "mean_se": "s.e.", "spread": "spread"}
    peers.table("One pixel of two is seen", told["rows"], headings | {"distance": "Wasserstein"})
    write_file(Path(args.json), (json.dumps(told, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
