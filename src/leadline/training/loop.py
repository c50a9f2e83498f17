"""The loop. It knows epochs, batches, log points and events; what a batch does to the network is the step's.

fit_start
for each epoch:
    epoch_start
    for each batch:
        step(batch, progress)
        batch_end               a callback that asks to stop here pauses the training at once, to be resumed
    epoch_end                   a log point: the one transfer from the device
    evaluate, keep the best
    evaluated                   a callback that asks to stop here ends the training
fit_end                         then the best weights are put back
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from leadline.errors import ArgumentError, TrainingError
from leadline.training.best import Best, Keeper
from leadline.training.callbacks import Callback
from leadline.training.history import History
from leadline.training.state import Training
from leadline.training.steps import Step


def run_loop(
    step: Step,
    batches: Iterable[Any],
    *,
    epochs: int,
    evaluate: Callable[[], dict[str, float]] | None = None,
    best: Keeper | None = None,
    callbacks: Sequence[Callback] = (),
    history: History | None = None,
    log_every: int = 0,
    state: dict[str, Any] | None = None,
) -> History:
    """Train for some epochs, keep the best weights and put them back.

    Args:
        step: what happens to one batch.
        batches: an iterable of batches, iterated once an epoch; with a method `epoch(number, first)` it can be entered
            anywhere.
        epochs: at most this many.
        evaluate: called after each epoch, gives columns for the record.
        best: watches one of those columns; None watches "valid_loss" where there is one, and keeps nothing where there is none.
        callbacks: read the `Training` at six events; any may return a reason to stop.
        history: where records go.
        log_every: steps between log points within an epoch; 0 logs at its end alone.
        state: of a checkpoint, to go on from.

    Errors: `TrainingError` when the loss is no longer finite at a log point; `ArgumentError` for less than one epoch.

    Example:
        >>> import torch
        >>> from leadline.training import Supervised
        >>> model = torch.nn.Linear(2, 3)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))] * 5
        >>> run_loop(Supervised(model, torch.nn.functional.cross_entropy, sgd), batches, epochs=3)["step"]
        [5, 10, 15]
    """
    if epochs < 1:
        raise ArgumentError("There is nothing to train", expected="at least 1 epoch", got=epochs)
    now = Training(step, batches, epochs, History() if history is None else history, best or Best())
    watched = best is not None
    if state is not None:
        now.load(state)
    events = {name: [getattr(callback, name) for callback in callbacks if _overrides(callback, name)] for name in _EVENTS}

    def tell(event: str) -> None:
        for listen in events[event]:
            now.stopped = listen(now) or now.stopped

    batch_end = events["batch_end"]
    tell("fit_start")
    while now.epoch < epochs and not now.stopped:
        tell("epoch_start")
        if now.stopped:
            break
        for batch in now.rest_of_epoch():
            now.count(batch, step(batch, now))
            if log_every and now.step % log_every == 0 and now.batch != now.steps_per_epoch:
                now.history.append(now.record())
            for listen in batch_end:
                now.stopped = listen(now) or now.stopped
            if now.stopped:
                break
        if now.stopped:
            break
        if now.batch == 0:
            raise ArgumentError("An epoch held no batch", expected="batches that can be iterated anew each epoch")
        now.epoch, now.batch = now.epoch + 1, 0
        record = now.record()
        tell("epoch_end")
        if evaluate is not None or watched:
            with step.evaluating():
                record |= evaluate() if evaluate is not None else {}
                if watched := best is not None or now.best.monitor in record:
                    record["best"] = now.best.update(record, step.modules())
            now.stopped = now.stopped or now.best.exhausted()
        now.history.append(record)
        tell("evaluated")
    tell("fit_end")
    if not watched:
        with (
            step.evaluating()
        ):  # nothing was compared, so the last weights are the ones to keep, averaged if they were averaged
            now.best.keep(step.modules())
    elif now.best.value is None and now.epoch:
        raise TrainingError(
            f"{now.best.monitor} was never a number, so no weights are the best",
            do="Look for extreme values in the validation data, and take a tenth of the learning rate.",
        )
    now.best.restore(step.modules())
    now.history.stopped = now.stopped
    return now.history


_EVENTS = ("fit_start", "epoch_start", "batch_end", "epoch_end", "evaluated", "fit_end")


def _overrides(callback: Callback, event: str) -> bool:
    """Whether the callback listens to this event: one that does not costs nothing."""
    return getattr(type(callback), event) is not getattr(Callback, event)
