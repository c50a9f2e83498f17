"""Where a training stands: what callbacks read, what a checkpoint keeps, what a log point fetches."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from leadline.errors import RunError, TrainingError
from leadline.training.best import Keeper
from leadline.training.blame import strange_sample
from leadline.training.history import History, Record
from leadline.training.steps import Step


class Training:
    """Where a training stands: what callbacks read, what a checkpoint keeps.

    `step` counts batches from the beginning, `epoch` whole epochs done, `batch` the batches done of this one, and `fraction` is
    the share of the training done. `runner` is the step itself, with the networks in `runner.modules()`.

    Example:
        >>> from leadline import fit
        >>> from leadline.training import Callback
        >>> class Shares(Callback):
        ...     def batch_end(self, now: Training) -> None:
        ...         print(now.epoch, now.batch, now.fraction)
        >>> batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))] * 2
        >>> _ = fit(torch.nn.Linear(2, 3), batches, epochs=2, device="cpu", callbacks=[Shares()])
        0 1 0.25
        0 2 0.5
        1 1 0.75
        1 2 1.0
    """

    def __init__(self, step: Step, batches: Iterable[Any], epochs: int, history: History, best: Keeper) -> None:
        self.runner, self.batches, self.epochs, self.history, self.best = step, batches, epochs, history, best
        try:
            self.steps_per_epoch: int | None = len(batches)  # type: ignore[arg-type]
        except TypeError:
            self.steps_per_epoch = None
        self.step = self.epoch = self.batch = 0
        self.stopped = ""
        self.started = time.perf_counter()
        self._sums: dict[str, Tensor] = {}
        self._rows = 0
        self._logged: dict[str, float] = {}

    @property
    def fraction(self) -> float:
        """The share of the training that is done, in [0, 1]; by whole epochs where the length of one is unknown."""
        if self.steps_per_epoch is None:
            return self.epoch / self.epochs
        return min(self.step / (self.steps_per_epoch * self.epochs), 1.0)

    @property
    def resumes_within_epochs(self) -> bool:
        """Whether an epoch can be entered at any batch: our own Batches can, a foreign iterable cannot."""
        return hasattr(self.batches, "epoch")

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def rest_of_epoch(self) -> Iterator[Any]:
        if self.resumes_within_epochs:
            return self.batches.epoch(self.epoch, self.batch)  # type: ignore[attr-defined,no-any-return]
        return iter(self.batches)

    def count(self, batch: Any, logs: dict[str, Tensor]) -> None:
        """Add the batch's scalars, weighted by its rows, to the sums on the device."""
        rows = rows_of(batch)
        sums = self._sums
        for name, value in logs.items():
            if name in sums:
                sums[name].add_(value, alpha=rows)
            else:
                sums[name] = value * rows
        self._rows += rows
        self.step += 1
        self.batch += 1

    def record(self) -> Record:
        """A log point: means since the last one (at the end of an epoch: over all of it), fetched in one transfer."""
        whole = self.batch == 0
        fetched = torch.stack(list(self._sums.values())).tolist() if self._sums else []
        sums = {**dict(zip(self._sums, fetched, strict=True)), "rows": float(self._rows)}
        since = sums if whole else {name: value - self._logged.get(name, 0.0) for name, value in sums.items()}
        self._logged = {} if whole else sums
        if whole:
            self._sums, self._rows = {}, 0
        partial = self.batch / self.steps_per_epoch if self.steps_per_epoch else 0.0
        record: Record = {"step": self.step, "epoch": round(self.epoch + partial, 4), "seconds": round(self.seconds, 3)}
        record |= {name: value / max(since["rows"], 1) for name, value in since.items() if name != "rows"}
        if (rate := getattr(self.runner, "rate", None)) is not None:
            record["rate"] = rate
        if not math.isfinite(record.get("loss", 0.0)):
            raise self._no_number(strange_sample(self.batches, self.epoch - whole))
        return record

    def _no_number(self, strange: str) -> TrainingError:
        if strange:
            return TrainingError(
                f"The loss is no longer a number after step {self.step:,}",
                got=f"{strange}, which holds values that are no finite numbers",
                do="Mend it, or leave it out.",
            )
        return TrainingError(
            f"The loss is no longer a number after step {self.step:,}, though all inputs and targets are",
            do="Take a tenth of the learning rate (training.learning_rate), clip the gradients (training.clip = 1), "
            "and look for extreme values in the data.",
        )

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs to go on as if nothing had happened."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "seconds": self.seconds,
            "records": len(self.history) if self.history.path else self.history.records,
            "sums": self._sums,
            "rows": self._rows,
            "logged": self._logged,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
            "runner": self.runner.state(),
            "best": self.best.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.step, self.epoch, self.batch = state["step"], state["epoch"], state["batch"]
        self.started = time.perf_counter() - state["seconds"]
        if isinstance(state["records"], int):
            self.history.cut(state["records"])
        else:
            self.history.records = state["records"]
        try:
            self.runner.load(state["runner"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise RunError(
                "The checkpoint is of another network or optimizer", got=str(error).splitlines()[-1].strip()
            ) from error
        self.best.load(state["best"])
        self.stopped = self.best.exhausted()  # whoever asked for a pause wants it to go on now
        device = next((p.device for module in self.runner.modules().values() for p in module.parameters()), torch.device("cpu"))
        self._sums = {name: tensor.to(device) for name, tensor in state["sums"].items()}
        self._rows, self._logged = state["rows"], state["logged"]
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([tensor.cpu() for tensor in state["random_cuda"]])


def rows_of(batch: Any) -> int:
    """How many rows a batch holds: a tensor, a dict of tensors, or a pair whose first part is one of these."""
    first = batch[0] if isinstance(batch, (tuple, list)) else batch
    return len(next(iter(first.values()))) if isinstance(first, dict) else len(first)
