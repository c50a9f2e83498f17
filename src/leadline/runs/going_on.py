"""Running the loop in a folder: from the beginning, or from the checkpoint that lies there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leadline.plan import Built
from leadline.plan.populations import BuiltPopulation
from leadline.runs.observer import Observer, Telling
from leadline.training import Callback, Checkpoint, History, run_loop
from leadline.training import checkpoints as saved


def fit_in(
    built: Built | BuiltPopulation,
    epochs: int,
    *,
    history_file: Path,
    checkpoint: Path,
    every: float,
    observer: Observer,
    callbacks: Sequence[Callback],
) -> History:
    """Train what was built, or go on where a checkpoint says.

    Args:
        built: network, step, batches, evaluation.
        epochs: at most.
        history_file: where records go, one line each.
        checkpoint: where the state goes, and where it is looked for first.
        every: seconds between checkpoints, at most.
        observer: is told what happens.
        callbacks: listen as well.
    """
    history = History.read(history_file)
    state = saved.load(checkpoint) if checkpoint.exists() else None
    if state is None:
        history.cut(0)
    else:
        observer.note("resuming", f"after {state['step']:,} steps, {state['epoch']} of {epochs} epochs done")
    return run_loop(
        built.step,
        built.batches,
        epochs=epochs,
        evaluate=built.evaluate,
        best=built.best,
        callbacks=(Telling(observer), *built.callbacks, *callbacks, Checkpoint(checkpoint, every=every)),
        history=history,
        log_every=max(len(built.batches) // 4, 50),
        state=state,
    )
