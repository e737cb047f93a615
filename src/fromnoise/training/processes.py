"""Several processes, one run: what the first does for all, and what the others hear when one is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fromnoise.errors import UserError

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator


def make_accelerator(precision: str, tracker: str, run: Path | None) -> Accelerator:
    """The device, the processes, the precision and the tracker. Raises UserError for what is not here.

    >>> make_accelerator("bf16", "", None).mixed_precision
    'bf16'
    """
    import accelerate
    from accelerate.state import AcceleratorState

    mixed = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}[precision]
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._reset_state()  # an earlier training in this process had another precision
    try:
        accelerator = accelerate.Accelerator(mixed_precision=mixed, log_with=tracker or None, project_dir=run)
    except ValueError as error:
        settings = f"train.precision {precision}" + (f" or train.tracker {tracker}" if tracker else "")
        raise UserError(f"{settings} cannot be used here: {error}") from None
    if mixed != "no" and not accelerator.native_amp:
        raise UserError(f"train.precision {precision} needs a GPU; use fp32, or bf16")
    if tracker and not accelerator.log_with:
        raise UserError(f"train.tracker {tracker} is not installed here")
    return accelerator


def agreed(value: Callable[[torch.device], str]) -> str:
    """What the first process finds for its device, in all of them: machines may measure differently.

    >>> agreed(lambda device: "bf16")
    'bf16'
    """
    import accelerate
    from accelerate.utils import broadcast_object_list, parse_flag_from_env

    state = accelerate.PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))  # as Accelerator does
    found = [value(state.device) if state.is_main_process else ""]
    return str(broadcast_object_list(found)[0]) if state.num_processes > 1 else found[0]


def first_alone(accelerator: Accelerator, action: Callable[[], object]) -> None:
    """Run `action` in the first process only; the others wait, and raise a UserError where it does.

    >>> from accelerate import Accelerator
    >>> first_alone(Accelerator(), lambda: print("written once"))
    written once
    """
    import torch

    failed: UserError | None = None
    if accelerator.is_main_process:
        try:
            action()
        except UserError as error:
            failed = error
    flag = torch.tensor(float(failed is not None), device=accelerator.device)
    if not bool(accelerator.reduce(flag, "sum") > 0):
        return
    raise failed or UserError("the first process could not go on; its line says why")


@contextlib.contextmanager
def together(accelerator: Accelerator) -> Iterator[None]:
    """Turn the loss of another process, which ends this one too, into a UserError.

    The first process is the one that saves; the same command again goes on from what it saved last.
    """
    try:
        yield
    except RuntimeError as error:
        if accelerator.num_processes == 1 or not _is_lost(error):
            raise
        raise UserError(
            "another process of this training is gone, so this one stops; the same command again goes on"
        ) from error


def _is_lost(error: RuntimeError) -> bool:
    """Whether a collective call failed: PyTorch has no one type for it."""
    import torch.distributed

    text = str(error).lower()
    return isinstance(error, torch.distributed.DistError) or any(
        word in text for word in ("gloo", "nccl", "connection closed", "connection reset", "broken pipe")
    )
