"""`leadline.fit`: the loop for any torch module and any iterable of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.diagnose.probing import Probe
from leadline.diagnose.watched_steps import WatchedStep
from leadline.errors import ArgumentError, SourceNotFoundError
from leadline.optim import Clip, ClipNorm, Penalties, Plateau, make_optimizer
from leadline.runs.array_batches import ArrayBatches, is_pair_of_arrays
from leadline.training import Best, Callback, Checkpoint, Evaluation, History, Supervised, choose_device, run_loop
from leadline.training import checkpoints as saved


def fit(
    model: nn.Module,
    train: Iterable[Any] | tuple[Any, Any],
    *,
    valid: Iterable[Any] | tuple[Any, Any] | None = None,
    loss: Callable[[Any, Any], Tensor] = nn.functional.cross_entropy,
    optimizer: Optimizer | None = None,
    schedule: Callable[[float], float] | None = None,
    batch_size: int = 32,
    epochs: int = 10,
    measures: Mapping[str, Callable[[Any, Any], Tensor]] | None = None,
    patience: int | None = None,
    clip: float | Clip | None = None,
    penalties: Penalties | None = None,
    accumulate: int = 1,
    device: str = "auto",
    checkpoint: Path | str | None = None,
    callbacks: Sequence[Callback] = (),
    diagnose: bool = True,
) -> History:
    """Train any module on arrays, or on any iterable of batches (inputs, targets), and tell why it went as it did.

    `history.findings` is the verdict, a `diagnose.Verdict`: made when it is first asked for, of the network as it is then.

    Args:
        model: is trained in place; with `valid`, its best weights are put back at the end.
        train: a tuple (inputs, targets) of arrays, tensors or lists of rows, shuffled each epoch; or batches, iterated once an
            epoch, for instance a `DataLoader` or a list.
        valid: held-out arrays or batches, judged after each epoch by the same loss and measures.
        loss: (outputs, targets) → scalar mean over rows.
        optimizer: of torch; AdamW at 0.001 when left out.
        schedule: progress in [0, 1] → multiplier of the learning rate; see `leadline.optim`.
        batch_size: rows a step, of arrays.
        epochs: at most this many.
        measures: more columns for the history: name → function (outputs, targets) → mean over rows.
        patience: stop after this many epochs without a better valid_loss.
        clip: the largest norm of all gradients together, or another of `optim.CLIPS`.
        penalties: on the weights, for instance `optim.Penalties(l1=1e-4)`; reported beside the loss.
        accumulate: micro-batches to cut a batch into.
        device: "auto", "cpu", "cuda" …; model and batches are moved there.
        checkpoint: a file to save to, at least once a minute where an epoch can be entered anywhere, else after epochs;
            where it exists already, the training goes on from it.
        callbacks: listen to the training.
        diagnose: whether a probe listens; it takes about 2 % of the time and changes no weight by a bit.

    Errors: `ArgumentError` for values out of range; `TrainingError` when the loss is no longer a number.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> batches = [(torch.randn(32, 4), torch.randint(0, 3, (32,))) for _ in range(5)]
        >>> history = fit(nn.Linear(4, 3), batches, epochs=2, device="cpu")
        >>> history["epoch"]
        [1.0, 2.0]
        >>> inputs, targets = torch.randn(300, 4), torch.randint(0, 3, (300,))  # which have nothing to do with each other
        >>> history = fit(nn.Linear(4, 3), (inputs, targets), valid=(inputs[:100], targets[:100]), epochs=2, device="cpu")
        >>> history.findings.healthy
        False
    """
    if is_pair_of_arrays(train):
        train = ArrayBatches(*train, batch_size=batch_size)
    if is_pair_of_arrays(valid):
        valid = ArrayBatches(*valid, batch_size=max(256, 2 * batch_size), shuffle=False)  # type: ignore[misc]
    if isinstance(train, Iterator):
        raise ArgumentError(
            "The training batches can be read only once",
            expected="something to iterate every epoch: a list, a DataLoader",
            got=type(train).__name__,
        )
    where = choose_device(device)
    model.to(where).train()
    optimizer = optimizer or make_optimizer("adamw", model, learning_rate=1e-3, weight_decay=0.01)
    chosen = dict(measures or {})
    step = Supervised(
        model,
        loss,
        optimizer,
        schedule=schedule,
        measures=chosen,
        penalties=penalties,
        clip=ClipNorm(clip) if isinstance(clip, (int, float)) else clip,
        accumulate=accumulate,
    )
    batches = train if where.type == "cpu" else _OnDevice(train, where)
    best, evaluate = None, None
    if valid is not None:
        best = Best("valid_loss", patience=patience)
        evaluate = Evaluation(model, valid if where.type == "cpu" else _OnDevice(valid, where), loss, chosen)
        if isinstance(schedule, Plateau):
            evaluate.then = lambda columns: schedule.update(columns["valid_loss"])
    elif isinstance(schedule, Plateau):
        raise ArgumentError("A plateau schedule waits for a validation loss", expected="valid batches beside it")
    elif patience is not None:
        raise ArgumentError("There is nothing to be patient about", expected="valid batches beside patience")
    history, state, listeners = History(), None, list(callbacks)
    if checkpoint is not None:
        path = Path(checkpoint)
        if not path.absolute().parent.is_dir():
            raise SourceNotFoundError(f"There is no folder {path.absolute().parent} for the checkpoint", do="Make it first.")
        listeners.append(Checkpoint(path))
        if path.exists():
            state = saved.load(path)
            history.notes.append(
                f"resumed at epoch {state['epoch']} from {path}; batches are replayed from the start of an epoch"
            )
    watched: Any = step
    probe: Probe | None = None
    if diagnose and any(True for _ in model.parameters()):
        # What can be read only once is left to the training.
        probe = Probe(model, (optimizer,), loss=loss, valid=None if isinstance(valid, Iterator) else valid)
        watched, history.diagnosis = WatchedStep(step, probe), probe.findings
    try:
        return run_loop(
            watched, batches, epochs=epochs, evaluate=evaluate, best=best, callbacks=listeners, history=history, state=state
        )
    finally:
        if probe is not None:
            probe.end()


class _OnDevice:
    """The same batches, moved to a device."""

    def __init__(self, batches: Iterable[Any], device: torch.device) -> None:
        self.batches, self.device = batches, device

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # a TypeError, as from what has no length

    def __iter__(self) -> Iterator[Any]:
        return (_moved(batch, self.device) for batch in self.batches)

    def __getattr__(self, name: str) -> Any:
        """`epoch` too is passed on, where the batches have it."""
        if name != "epoch":
            raise AttributeError(name)
        enter = self.batches.epoch  # type: ignore[attr-defined]
        return lambda number, first=0: (_moved(batch, self.device) for batch in enter(number, first))


def _moved(part: Any, device: torch.device) -> Any:
    """Tensors moved, wherever they are in pairs, lists and dicts."""
    if isinstance(part, Tensor):
        return part.to(device, non_blocking=True)
    if isinstance(part, dict):
        return {name: _moved(value, device) for name, value in part.items()}
    return [_moved(value, device) for value in part] if isinstance(part, (list, tuple)) else part
