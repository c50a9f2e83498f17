"""Steps: what happens to one batch. Everything particular about a training is here; the loop knows nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.errors import ArgumentError
from leadline.optim import Clip, set_rates
from leadline.training.blame import refused


class Progress(Protocol):
    """What a step may know of the training: `step` is its number, `fraction` the share of the training done, in [0, 1]."""

    step: int

    @property
    def fraction(self) -> float: ...


BEGINNING: Any = SimpleNamespace(step=0, epoch=0, batch=0, fraction=0.0, steps_per_epoch=None)
"""The progress of a training that has just begun, for steps that are only tried."""


class Step(Protocol):
    """What the loop asks of a step: train on a batch, tell its state, take it back, and name its modules."""

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        """Train on one batch; return detached scalars on the device, means over the batch's rows."""

    def state(self) -> dict[str, Any]:
        """All that a resumed training needs, as nested dicts and lists of tensors and plain values."""

    def load(self, state: dict[str, Any]) -> None: ...

    def modules(self) -> dict[str, nn.Module]:
        """The networks by name, for best weights, devices and modes."""

    def evaluating(self) -> AbstractContextManager[None]:
        """Within the block the modules are as they would be used: evaluation mode, averaged weights."""


class Supervised:
    """Learn targets from inputs: zero the gradients, forward, loss, backward, penalties, clip, update.

    Gradients are zeroed at the start, so they are alive when the step has returned.

    Args:
        model: takes the inputs of a batch.
        loss: (outputs, targets) → scalar mean over the rows. Where it is a mean over something else, such as the steps of
            rows, its attribute `how_many` is a function of the targets that counts these.
        optimizer: updates the model's parameters; its learning rates are what the schedule multiplies.
        schedule: progress in [0, 1] → multiplier; None leaves the rates alone.
        measures: more scalars to log, name → function (outputs, targets) → mean over rows.
        penalties: of the model → terms by name, whose gradients join that of the loss; each is logged as `penalty_NAME`, beside
            the `loss` of the data.
        clip: one of `optim.CLIPS`, which changes the gradients of these parameters in place and says whether it did: 0 or 1.
            The share of clipped steps is logged as `clipped`.
        accumulate: micro-batches a batch is cut into: the same gradient (apart from rounding, and from batch statistics,
            which are those of a micro-batch) in less memory.
        precision: torch.float32, or torch.bfloat16 for autocast.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> step = Supervised(model, nn.functional.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1))
        >>> step((torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0]])), None)
        {'loss': tensor(1.)}
        >>> model.weight.data  # w − 0.1 · 2 (w·x − y) x
        tensor([[0.2000, 0.4000]])

    Errors: `ArgumentError` when a layer or the loss cannot take what comes, with the layer's name and the shape.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor],
        optimizer: Optimizer,
        *,
        schedule: Callable[[float], float] | None = None,
        measures: dict[str, Callable[[Any, Any], Tensor]] | None = None,
        penalties: Callable[[nn.Module], dict[str, Tensor]] | None = None,
        clip: Clip | None = None,
        accumulate: int = 1,
        precision: torch.dtype = torch.float32,
    ) -> None:
        if accumulate < 1:
            raise ArgumentError("The step cannot be built", expected="accumulate of at least 1", got=accumulate)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.schedule, self.measures, self.penalties = schedule, measures or {}, penalties
        self.clip, self.accumulate = clip, accumulate
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._autocast = precision if precision != torch.float32 else None

    def __call__(self, batch: Any, progress: Progress) -> dict[str, Tensor]:
        if self.schedule is not None:
            self.set_rates(self.schedule(progress.fraction))
        self.optimizer.zero_grad()
        logs = self.add_gradients(*batch)
        if self.penalties is not None:
            logs |= self._penalized(self.penalties(self.model))
        if self.clip is not None:
            logs["clipped"] = self.clip(self.parameters)
        self.optimizer.step()
        return logs

    def add_gradients(self, inputs: Any, targets: Any) -> dict[str, Tensor]:
        """Add the gradients of a batch's loss to those that are there; return the loss and the measures, detached."""
        return self._forward_backward(inputs, targets) if self.accumulate == 1 else self._accumulated(inputs, targets)

    def set_rates(self, multiplier: float) -> None:
        """Give each parameter group its learning rate times `multiplier`."""
        set_rates(self.optimizer, self._rates, multiplier)

    def _forward_backward(self, inputs: Any, targets: Any, share: Tensor | float | None = None) -> dict[str, Tensor]:
        try:
            if self._autocast is None:
                outputs = self.model(inputs)
                loss = self.loss(outputs, targets)
            else:
                with torch.autocast(targets.device.type, dtype=self._autocast):
                    outputs = self.model(inputs)
                    loss = self.loss(outputs, targets)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            if (told := refused(error, self.model, inputs, targets)) is error:
                raise
            raise told from error
        (loss if share is None else loss * share).backward()  # type: ignore[no-untyped-call]
        logs = {"loss": loss.detach()}
        for name, measure in self.measures.items():
            logs[name] = measure(outputs.detach(), targets)
        return logs

    def _accumulated(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        total: dict[str, Tensor] = {}
        parts = min(self.accumulate, max(1, len(inputs) // 2))  # a single row has no variance for batch normalization
        how_many = getattr(self.loss, "how_many", None)
        for part, answers in zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True):
            # Where nothing counts the loss is 0, whatever its share.
            share = len(part) / len(inputs) if how_many is None else how_many(answers) / how_many(targets).clamp(min=1)
            for name, value in self._forward_backward(part, answers, share).items():
                total[name] = total[name] + value * share if name in total else value * share
        return total

    def _penalized(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        return {f"penalty_{name}": term.detach() for name, term in terms.items()}

    @property
    def rate(self) -> float:
        """The learning rate of the last step, of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        remembering = {name: part.state() for name, part in self._remembering()}
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), **remembering}

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in self._remembering():
            part.load(state[name])

    def _remembering(self) -> list[tuple[str, Any]]:
        """What depends on the steps before: a running percentile of gradients, a schedule that watches for a plateau."""
        return [(name, part) for name in ("schedule", "clip") if hasattr(part := getattr(self, name), "state")]

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        was_training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(was_training)
