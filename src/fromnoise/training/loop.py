"""The training loop: Algorithm 1 of both papers, one optimiser step after the other."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from fromnoise.data import Dataset
from fromnoise.errors import UserError
from fromnoise.model import Config, Model, checkpoints, load
from fromnoise.model.allocator import keep_memory
from fromnoise.model.assembly import count_parameters, make_network, make_schedule
from fromnoise.model.config import Train
from fromnoise.model.replay import replayable
from fromnoise.networks import Adapted, ours
from fromnoise.training import checkpoint, log
from fromnoise.training.adapt import check_adapter
from fromnoise.training.batches import Batch, given_to_samples
from fromnoise.training.draws import mix
from fromnoise.training.ema import Averaged
from fromnoise.training.events import Compiling, Event, Finished, Sampled, Saved, Skipped, Started, Stepped
from fromnoise.training.graphs import Graphs, Pace
from fromnoise.training.interrupt import Deferred
from fromnoise.training.optimizers import make_optimizer
from fromnoise.training.processes import first_alone, make_accelerator
from fromnoise.training.tasks import make_task

logger = logging.getLogger(__name__)


class Loop:
    """The state of a run: everything that one optimiser step reads and changes."""

    def __init__(
        self, config: Config, data: Dataset | None, run: Path | None, network: str | type[nn.Module] | None = None
    ):
        train, facts = config.train, config.facts
        assert facts is not None
        self.config, self.run, self.total = config, run, _length(train, data)
        self.skipped = () if data is None else tuple(data.skipped)
        self.shown, self.shown_labels = (None, None) if data is None else given_to_samples(config, data)
        if config.process.conditional and not facts.classes:
            raise UserError("process.conditional needs labels, and these data have none")
        if train.flip and facts.kind != "images":
            raise UserError(f"train.flip mirrors images, and these data are {facts.kind}")
        if train.flip and facts.given and not (config.process.small or config.process.condition):
            raise UserError("train.flip mirrors the samples and not what they are given: leave it out")
        self.accelerator = make_accelerator(train.precision, train.tracker, run)
        parts = self.accelerator.num_processes * train.accumulate
        if train.batch % parts:
            raise UserError(f"train.batch ({train.batch}) must be a multiple of processes x accumulate ({parts})")
        self.part = train.batch // parts
        with torch.random.fork_rng():
            torch.manual_seed(mix(train.seed, "weights", 0))
            self.bare = make_network(config, facts, network)
        if train.init and not (run and checkpoints(run)):
            if isinstance(self.bare, Adapted):
                check_adapter(config, load(train.init, device="cpu", network=network))
            begin_from(self.bare, train.init, network)
        if self.accelerator.device.type == "cuda" and ours(self.bare):
            self.bare.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # unknown to torch's stubs
        self.averaged = Averaged(self.bare, train.ema)
        self.schedule = make_schedule(config)
        optimizer = make_optimizer(self.bare, train)
        if self.accelerator.device.type == "cpu":
            keep_memory()
        self.network, self.optimizer = self.accelerator.prepare(self.bare, optimizer)
        self.weights = list(self.bare.parameters())
        first, mine = self.accelerator.process_index, self.part * train.accumulate
        rows = slice(first * mine, (first + 1) * mine)
        self.task = make_task(config, data, self.schedule, self.accelerator.device, rows, network)
        self.averaged.network.to(self.accelerator.device)
        self.progress = checkpoint.Progress()
        self.whole = True  # False while a step is half done: nothing is saved then
        self.graphs: Graphs | None = None
        self.refused = False  # whether recording was tried and could not be
        self.pace = Pace()

    def resume(self) -> None:
        """Take up the newest whole checkpoint, if there is one."""
        found = checkpoints(self.run) if self.run is not None else []
        if found:
            averaged = self.averaged.network if self.config.train.ema else None
            self.progress = checkpoint.restore(found[-1], self.bare, averaged, self.optimizer.optimizer, self.task)
            if self.progress.scaler and self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(self.progress.scaler)
        steps = self.accelerator.gather(torch.tensor([self.progress.step], device=self.accelerator.device))
        if not bool((steps == steps[0]).all()):
            raise UserError("the processes see different checkpoints: --out must be on a disk that all machines share")
        if self.run is not None:
            run = self.run
            first_alone(self.accelerator, lambda: log.rewind(run, self.progress.step))
        if self.config.train.tracker:
            self.accelerator.init_trackers("fromnoise")

    def events(self, stop: Deferred) -> Iterator[Event]:
        """Train from where the run is to its end."""
        progress = self.progress
        parameters = count_parameters(self.bare)
        yield Started(self.config, progress.step, self.total, parameters, self.skipped)
        seconds, counted, saved = 0.0, 0, progress.step
        try:
            while progress.step < self.total and not self._asked(stop):
                if self.graphs is not None and self.pace.pays(self.total - progress.step):
                    yield Compiling(progress.step)
                    self.compile()
                began = time.perf_counter()
                norm = self.step()
                seconds, counted = seconds + time.perf_counter() - began, counted + 1
                events = self._after(norm, counted / seconds)
                if any(isinstance(event, Stepped) for event in events):
                    seconds, counted = 0.0, 0
                if any(isinstance(event, Saved) for event in events):
                    saved = progress.step
                yield from events
            if progress.step != saved or not progress.step:
                yield from self._save()
        except BaseException:
            # The caller has left its loop, or something failed: nothing that was learned is lost.
            if self.whole and progress.step != saved:
                self._write()
            raise
        finally:
            for tracker in self.accelerator.trackers:
                tracker.finish()
        interrupted = progress.step < self.total
        yield Finished(progress.step, self.model(), interrupted)
        if interrupted:
            raise KeyboardInterrupt  # now that all is saved, it is the caller's to handle

    def _after(self, norm: float, rate: float) -> list[Event]:
        """What follows a step; all of it is done before the caller hears of any."""
        train, step = self.config.train, self.progress.step
        events: list[Event] = []
        last = step == self.total
        if not math.isfinite(norm):
            events.append(Skipped(step, self.progress.skipped))
        if step % train.log_every == 0 or last:
            events.append(self._log(norm, rate))
        self.whole = True
        self._check_patience()
        if train.sample_every and (step % train.sample_every == 0 or last):
            events.append(self._sample())
        if step % train.checkpoint_every == 0 or step in train.keep_steps:
            events += self._save()
        return events

    def step(self) -> float:
        """One optimiser step of Algorithm 1; gives the norm of the gradient, the same in every process."""
        began, step = time.perf_counter(), self.progress.step
        batch = self.task.batch(step)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.rate(step))
            else:
                group["lr"] = self.rate(step)
        self.bare.train()
        if self.graphs is None and self.pace.warm and self._recordable():
            self._record(batch)
        if self.graphs is None:
            total, found = self._gradients(batch)
        else:
            with self._seeded(0):
                total, found = self.graphs.gradients(batch)
            if step + 1 < self.total:
                self.task.batch(step + 1)  # while the GPU is busy; it is kept until it is asked for
        norm = float(found)
        if self.accelerator.num_processes > 1:
            total = self.accelerator.reduce(total, "mean")
        self.whole = False  # settling changes what the next step begins from
        self.task.settle(self._total)
        self._move(norm, float(total))
        self.pace.step(time.perf_counter() - began)
        return norm

    def _gradients(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch and the norm of its gradient, which the weights have by then, clipped."""
        train = self.config.train
        total = torch.zeros((), device=self.accelerator.device)
        for i in range(train.accumulate):
            part = batch.part(slice(i * self.part, (i + 1) * self.part))
            last = i == train.accumulate - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.network):
                with self._seeded(i):
                    loss = self._part_loss(part)
                scaler = self.accelerator.scaler
                (loss if scaler is None else scaler.scale(loss)).backward()
            total += loss.detach()
        self.accelerator.unscale_gradients()
        return total, nn.utils.clip_grad_norm_(self.weights, train.clip or math.inf)

    def _recordable(self) -> bool:
        """Whether a step is work for one GPU that looks the same each time, whatever the numbers are."""
        single = self.accelerator.num_processes == self.config.train.accumulate == 1 and self.accelerator.scaler is None
        single = single and not self.refused
        steady = self.accelerator.device.type == "cuda" and self.task.steady and replayable(self.bare)
        # The optimiser has made its state: a recording would make it anew at each step.
        state = self.optimizer.optimizer.state
        return single and steady and all(state.get(weight) for weight in self.weights if weight.requires_grad)

    def _record(self, batch: Batch) -> None:
        """Record what steps are from now on; where that cannot be, they go on as they came."""
        try:
            self.graphs = Graphs(self._gradients, self.optimizer.optimizer, batch)
        except RuntimeError as error:
            logger.info("training goes on without recorded steps: %s", error)
            self.refused = True
            self.optimizer.zero_grad()

    def compile(self) -> None:
        """Compile the network, where that can be done, and begin anew to record."""
        network, self.graphs, self.pace = self.network, None, Pace(compiled=True)
        self.network = torch.compile(self.network, dynamic=False)
        try:
            self._gradients(self.task.batch(self.progress.step))
        except Exception as error:  # whatever a compiler trips over, the network itself goes on
            logger.info("training goes on without a compiled network: %s", error)
            self.network = network
        self.optimizer.zero_grad()

    def _move(self, norm: float, loss: float) -> None:
        """Follow the gradient, or leave the step out where it is not finite; no process waits in here."""
        progress = self.progress
        if math.isfinite(norm):
            # accelerate's wrapper looks for optional packages at every step; all it is needed for is the scaler.
            if self.graphs is not None:
                self.graphs.move()
            else:
                (self.optimizer.optimizer if self.accelerator.scaler is None else self.optimizer).step()
            if self.config.train.ema:
                self.averaged.update(self.bare, progress.step)
            progress.loss_sum, progress.loss_count = progress.loss_sum + loss, progress.loss_count + 1
            progress.skipped_in_a_row = 0
        else:
            if self.accelerator.scaler is not None:
                self.optimizer.step()  # lets the scaler see the overflow and halve its scale
            progress.skipped, progress.skipped_in_a_row = progress.skipped + 1, progress.skipped_in_a_row + 1
        if self.graphs is None:  # which write their gradients where the last were
            self.optimizer.zero_grad()
        progress.step += 1

    def _part_loss(self, part: Batch) -> Tensor:
        """The loss of a part, scaled so that the mean over processes of all sums is the batch's."""
        train = self.config.train
        each = self.task.loss(self.network, part)
        scale = 1.0 if train.reduction == "sum" else 1 / (train.batch * part.x_0[0].numel())
        return each.sum() * scale * self.accelerator.num_processes

    @contextlib.contextmanager
    def _seeded(self, place: int) -> Iterator[None]:
        """Dropout of a part draws from torch's own generator: seed it by the step, and leave it as it was."""
        device, train = self.accelerator.device, self.config.train
        if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            yield  # a recording draws from the generator as it is when it is replayed
            return
        first = (self.accelerator.process_index * train.accumulate + place) * self.part
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            _seed(device, mix(train.seed, "dropout", self.progress.step) + first)
            yield

    def _total(self, value: Tensor) -> Tensor:
        """The sum over the processes, of what may lie on another device than theirs."""
        if self.accelerator.num_processes == 1:
            return value
        return self.accelerator.reduce(value.to(self.accelerator.device), "sum").to(value)

    def rate(self, step: int) -> float:
        """The learning rate of a step: warm-up, then constant or falling to 0 at the end of training."""
        train = self.config.train
        left = 1 - step / self.total
        fall = {"none": 1.0, "linear": left, "cosine": 0.5 * (1 - math.cos(math.pi * left))}[train.decay]
        return train.lr * min(1.0, (step + 1) / max(1, train.warmup)) * fall

    def model(self) -> Model:
        """A model with a copy of the weights as they would be sampled now."""
        if not self.config.train.ema:
            self.averaged.update(self.bare, 0)
        return Model(self.config, Averaged(self.averaged.network, 0.0).network)

    def _asked(self, stop: Deferred) -> bool:
        """Whether any process was asked to stop: all stop at the same step."""
        if self.accelerator.num_processes == 1:
            return stop.asked
        asked = torch.tensor(float(stop.asked), device=self.accelerator.device)
        return bool(self.accelerator.reduce(asked, "sum") > 0)

    def _check_patience(self) -> None:
        if self.progress.skipped_in_a_row >= self.config.train.patience:
            raise UserError(
                f"the gradient was not finite for {self.progress.skipped_in_a_row} steps in a row, up to step "
                f"{self.progress.step}: begin anew with another --out and a lower --train.lr, --train.clip 1, "
                "or --train.precision fp32"
            )

    def _log(self, norm: float, rate: float) -> Stepped:
        progress = self.progress
        loss = progress.loss_sum / progress.loss_count if progress.loss_count else math.nan
        progress.loss_sum, progress.loss_count = 0.0, 0
        event = Stepped(progress.step, loss, self.rate(progress.step - 1), norm, rate)
        if self.run is not None and self.accelerator.is_main_process:
            log.append(self.run, **dataclasses.asdict(event), skipped=progress.skipped)
        if self.config.train.tracker:
            self.accelerator.log({"loss": loss, "lr": event.lr, "grad_norm": norm}, step=progress.step)
        return event

    def _sample(self) -> Sampled:
        """Each process draws its share: none waits for another."""
        world, train = self.accelerator.num_processes, self.config.train
        model, share = self.model(), math.ceil(train.samples / world)
        labels, told = model.labels(share * world), self.shown_labels
        if told is not None:  # those of the data that they are given, in turn as what they are given
            labels = told[torch.arange(share * world) % len(told)].to(model.device)
        first = self.accelerator.process_index * share
        mine = None if labels is None else labels[first : first + share]
        precision = train.precision if self.config.sample.precision == "auto" else None  # the same in all processes
        given = None if self.shown is None else model.given_units.to_own(self.shown.double())
        drawn = model.sample(share, seed=train.seed, first=first, label=mine, given=given, precision=precision)
        gathered = self.accelerator.gather(drawn)[: train.samples]
        return Sampled(self.progress.step, gathered, None if labels is None else labels[: train.samples])

    def _save(self) -> list[Event]:
        if self.run is None:
            return []
        first_alone(self.accelerator, self._write)
        return [Saved(self.progress.step, checkpoint.folder(self.run, self.progress.step))]

    def _write(self) -> None:
        """Write a checkpoint; of several processes the first does."""
        if self.run is None or not self.accelerator.is_main_process:
            return
        scaler, train = self.accelerator.scaler, self.config.train
        self.progress.scaler = scaler.state_dict() if scaler is not None else None
        averaged = self.averaged.network if train.ema else None
        checkpoint.save(self.run, self.progress, self.bare, averaged, self.optimizer.optimizer, self.task.state())
        checkpoint.prune(self.run, train.keep, train.keep_steps)


def _length(train: Train, data: Dataset | None) -> int:
    """The steps of a run; a distillation, which has no data, must be told them. Raises UserError."""
    if train.steps:
        return train.steps
    if data is None:
        raise UserError("a distillation needs no data and knows no epochs: give --train.steps N")
    if not train.epochs:
        raise UserError("how long? Give --train.steps N or --train.epochs N")
    return math.ceil(train.epochs * len(data) / train.batch)


def begin_from(network: nn.Module, name: str, own: str | type[nn.Module] | None = None) -> None:
    """Give a network the weights of a trained model, as it is sampled; `own` is the class of a network of the user's.

    Raises UserError where there is no such model or its network is another.

    >>> import fromnoise as fn
    >>> model = fn.load("swissroll")
    >>> begin_from(model.network, "swissroll")
    """
    weights = load(name, device="cpu", network=own).network.state_dict()
    whole = weights.keys() == network.state_dict().keys()
    learns = network.base if isinstance(network, Adapted) and not whole else network
    if {key: w.shape for key, w in weights.items()} != {key: w.shape for key, w in learns.state_dict().items()}:
        raise UserError(f"train.init {name}: its network is another; give the same [network], data shape and classes")
    learns.load_state_dict(weights)
    if isinstance(network, Adapted) and not whole:
        network.begin()


def _seed(device: torch.device, seed: int) -> None:
    """Seed the generator of one device: torch.manual_seed queues a call for every kind of device, at each step."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
