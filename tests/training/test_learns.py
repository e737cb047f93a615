"""Training learns what there is to know: its loss comes down to the floor that the exact denoiser gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fromnoise.data import SOURCES, load
from fromnoise.errors import UserError
from fromnoise.model import Config, Facts, Model, checkpoints
from fromnoise.model.assembly import check, make_network
from fromnoise.process import Denoised, Denoiser, Empirical, GaussianMixture, at
from fromnoise.process.objectives import velocity
from fromnoise.training import Stepped, fit, recipe, recipes
from runs import drain, points

pytestmark = pytest.mark.slow  # each trains until something is learned, or builds every recipe


def expected_loss(denoise: Denoiser, x_0: torch.Tensor, schedule) -> float:
    """The velocity loss of a denoiser over every level, the same draws for all denoisers, a mean over elements."""
    draws = torch.Generator().manual_seed(1)
    total = 0.0
    for t in range(1, int(schedule.T) + 1):
        n = at(schedule, torch.full((len(x_0),), float(t)), x_0)
        x_t = n.alpha * x_0 + n.sigma * torch.randn(x_0.shape, generator=draws)
        total += float((velocity(n) * (denoise(x_t, n).mean - x_0) ** 2).mean())
    return total / schedule.T


def trained(data: np.ndarray, folder, steps: int) -> tuple[Model, list[float]]:
    """A network that learned these points, and its losses."""
    np.save(folder / "data.npy", data)
    tree = {
        "data": {"name": str(folder / "data.npy")},
        "schedule": {"name": "linear", "T": 100},
        "network": {"name": "mlp", "width": 48, "depth": 2, "fourier": 16},
        "process": {"prediction": "v", "loss": "velocity"},
        "train": {"steps": steps, "batch": 256, "lr": 5e-3, "decay": "cosine", "ema": 0.98, "log_every": steps // 4},
    }
    events = drain(Config.from_dict(tree))
    return events[-1].model, [event.loss for event in events if isinstance(event, Stepped)]


def check_floor(model: Model, exact: Denoiser, x_0: torch.Tensor, losses: list[float], share: float) -> None:
    """The excess over the exact denoiser's loss is a small share of what there was to learn, and not negative."""
    floor = expected_loss(exact, x_0, model.schedule)
    begin = expected_loss(lambda x, n: Denoised((n.alpha * x) / (n.alpha**2 + n.sigma**2)), x_0, model.schedule)
    found = expected_loss(lambda x, n: model.denoise(x, n.t.flatten()), x_0, model.schedule)
    print(f"began {begin:.4f}, learned {found:.4f}, floor {floor:.4f}, logged {losses}")
    assert -0.02 * begin < found - floor < share * (begin - floor)
    assert abs(losses[-1] - floor) < 1.5 * share * (begin - floor) + 0.05 * floor


def test_a_handful_of_points_is_learned_to_the_floor_of_the_memorising_denoiser(tmp_path):
    rng = np.random.default_rng(0)
    model, losses = trained(rng.uniform(-1, 1, (6, 2)).astype(np.float32), tmp_path, 320)
    rows = load(str(tmp_path / "data.npy")).batch(range(6))
    check_floor(model, Empirical(rows), rows[torch.arange(3000) % 6], losses, share=0.1)


def test_a_gaussian_is_learned_to_its_exact_floor(tmp_path):
    """The rows of the data set are N(μ, diag(s²)) in the network's units too, whose straight line is known."""
    rng = np.random.default_rng(0)
    own = (rng.standard_normal((20_000, 2)) * [0.5, 2.0] + [1.0, -3.0]).astype(np.float32)
    model, losses = trained(own, tmp_path, 160)
    centre, scale = np.array(model.facts.centre), np.array(model.facts.scale)
    law = GaussianMixture([1.0], [((np.array([1.0, -3.0]) - centre) / scale).tolist()],
                          [np.diag((np.array([0.5, 2.0]) / scale) ** 2).tolist()])  # fmt: skip
    x_0 = load(str(tmp_path / "data.npy")).batch(range(3000))
    check_floor(model, law, x_0, losses, share=0.05)
    samples = model.sample(2000, steps=50)
    assert samples.mean(0).numpy() == pytest.approx([1.0, -3.0], abs=0.25)
    assert samples.std(0).numpy() == pytest.approx([0.5, 2.0], rel=0.15)


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_checks_and_its_network_builds(name):
    config = recipe(name)
    assert config.about
    check(config)
    assert config.train.steps or config.train.epochs
    size = config.data.get("size", 32)
    pictures = config.data["name"] not in SOURCES or config.data["name"] == "mnist"
    shape = (1 if config.data["name"] == "mnist" else 3, size, size) if pictures else (2,)
    with torch.device("meta"):  # shapes without numbers: also the largest network takes no time
        network = make_network(config, Facts("images" if pictures else "points", shape, 100, ("a", "b")))
        label = torch.zeros(2, dtype=torch.int64) if config.process.conditional else None
        found = network(torch.randn(2, *shape), torch.rand(2), label).shape
    assert found == (2, shape[0] * (2 if config.process.variance == "learned" else 1), *shape[1:])


def test_a_recipe_is_found_by_name_by_file_by_data_and_by_path(tmp_path):
    assert recipe("swissroll-kuras").schedule["T"] == 40
    (tmp_path / "mine.toml").write_text('[data]\nname = "moons"\n')
    assert recipe(str(tmp_path / "mine.toml")).data == {"name": "moons"}
    assert recipe("moons").data == {"name": "moons"}
    np.save(tmp_path / "points.npy", np.zeros((5, 2), np.float32) + np.arange(5)[:, None])
    mine = recipe(str(tmp_path / "points.npy"))
    assert mine.network["name"] == "mlp"
    np.save(tmp_path / "pictures.npy", np.zeros((5, 9, 9), np.uint8))
    assert recipe(str(tmp_path / "pictures.npy")).network["name"] == "unet"
    with pytest.raises(UserError, match="unknown recipe or data swisroll; did you mean swissroll"):
        recipe("swisroll")
    with pytest.raises(UserError, match="cannot read"):
        recipe(str(tmp_path / "none.toml"))


def test_a_tracker_writes_beside_the_run(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = drain(points(train__tracker="tensorboard"), tmp_path / "run")
    (file,) = (tmp_path / "run").rglob("events.out.tfevents.*")
    seen = EventAccumulator(str(file.parent))
    seen.Reload()
    logged = {event.step: event.loss for event in events if isinstance(event, Stepped)}
    assert {point.step: pytest.approx(point.value) for point in seen.Scalars("loss")} == logged
    drain(points(train__tracker="tensorboard", train__steps=16), tmp_path / "run")
    assert checkpoints(tmp_path / "run")[-1].name == "step-00000016"


@pytest.mark.filterwarnings("ignore:`log_with=")
@pytest.mark.parametrize(
    ("tracker", "where", "line"),
    [
        ("tensorbord", "run", "train.precision fp32 or train.tracker tensorbord cannot be used here"),
        ("tensorboard", None, "train.precision fp32 or train.tracker tensorboard cannot be used here"),
        ("comet_ml", "run", "train.tracker comet_ml is not installed here"),
    ],
)
def test_a_tracker_that_cannot_be_is_one_line(tmp_path, tracker, where, line):
    with pytest.raises(UserError, match=line) as error:
        drain(points(train__tracker=tracker), where and tmp_path / where)
    assert "\n" not in str(error.value)


def test_a_network_of_ones_own_is_named_in_the_settings_and_asked_for(tmp_path):
    from nets import Silent

    from fromnoise.model import load as load_model

    config = Config.from_dict({**points().to_dict(), "network": {}})
    finished = drain(config, tmp_path / "run", network=Silent)[-1]
    assert finished.model.config.network == {"name": "nets:Silent"}
    with pytest.raises(UserError, match="uses the network nets:Silent; to let it be imported, add --network"):
        load_model(tmp_path / "run")
    assert isinstance(load_model(tmp_path / "run", network="nets:Silent").network, Silent)
    with pytest.raises(UserError, match="to let it be imported"):
        list(fit(finished.model.config))


def test_classes_need_labels():
    with pytest.raises(UserError, match=r"process\.conditional needs labels, and these data have none"):
        drain(points(data__name="swissroll", data__n=50))
