"""The step for optimizers that look at the loss more than once before they move: L-BFGS on full batches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from leadline.training.steps import Progress, Supervised


def needs_closure(optimizer: Optimizer) -> bool:
    """Whether an optimizer must be able to compute the loss anew, and so needs a `ClosureStep`.

    Example:
        >>> weights = [torch.zeros(1, requires_grad=True)]
        >>> needs_closure(torch.optim.LBFGS(weights)), needs_closure(torch.optim.SGD(weights, lr=0.1))
        (True, False)
    """
    return isinstance(optimizer, LBFGS)


class ClosureStep:
    """Learn targets from inputs with an optimizer that evaluates the loss as often as it likes.

    One step is one call of the optimizer: for L-BFGS up to `max_iter` iterations of a quasi-Newton method with line search. Its
    memory of earlier gradients is worth something only if they are of the same loss, so a batch should be all rows. What it
    minimizes is the loss plus the penalties plus, for L-BFGS, λ/2 ‖w‖² over matrices and filters, with λ the `weight_decay` of
    its group. Random numbers (dropout) are drawn alike in all evaluations of a step, or a line search would not find its way;
    running statistics of batch norm move with each evaluation.

    What is logged are the loss, measures and penalties at the weights before the step, and as `evaluations` how many it took.

    Args:
        model: takes the inputs of a batch.
        loss: (outputs, targets) → scalar mean over the rows.
        optimizer: whose `step` takes a closure.
        schedule: progress in [0, 1] → multiplier of the learning rate; None leaves it alone.
        measures: more scalars to log, name → function (outputs, targets) → mean over rows.
        penalties: of the model → terms by name, logged as `penalty_NAME`.
        accumulate: micro-batches a batch is cut into: the same gradient in less memory.

    Errors: `ArgumentError` for less than one micro-batch, and when a layer or the loss cannot take what comes.

    Example:
        >>> model = nn.Linear(1, 1, dtype=torch.float64)
        >>> optimizer = LBFGS(model.parameters(), line_search_fn="strong_wolfe")
        >>> step = ClosureStep(model, nn.functional.mse_loss, optimizer)
        >>> x = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
        >>> _ = step((x, 3 * x - 1), None)
        >>> round(model.weight.item(), 4), round(model.bias.item(), 4)
        (3.0, -1.0)

    Source: Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization.
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
        accumulate: int = 1,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.schedule, self.measures, self.penalties, self.accumulate = schedule, measures or {}, penalties, accumulate
        # How gradients come about, and what is kept and shown, is the same.
        self._plain = Supervised(model, loss, optimizer, schedule=schedule, measures=measures, accumulate=accumulate)

    def __call__(self, batch: Any, progress: Progress) -> dict[str, Tensor]:
        if self.schedule is not None:
            self._plain.set_rates(self.schedule(progress.fraction))
        draws = _Draws(next(self.model.parameters()).device)
        logs: list[dict[str, Tensor]] = []

        def closure() -> Tensor:
            draws.rewind()
            self.optimizer.zero_grad()
            value, logged = self._gradients(*batch)
            logs.append(logged)
            return value

        self.optimizer.step(closure)  # type: ignore[arg-type]
        return {**logs[0], "evaluations": torch.tensor(float(len(logs)), device=draws.device)}

    def _gradients(self, inputs: Any, targets: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimized, with its gradients in place, and what is logged of it."""
        logs = self._plain.add_gradients(inputs, targets)
        total = logs["loss"]
        terms = {f"penalty_{name}": term for name, term in self.penalties(self.model).items()} if self.penalties else {}
        added = [*terms.values(), *self._decay()]
        if added:
            extra = torch.stack(added).sum()
            extra.backward()  # type: ignore[no-untyped-call]
            total = total + extra.detach()
        return total, logs | {name: term.detach() for name, term in terms.items()}

    def _decay(self) -> list[Tensor]:
        """Weight decay as a term of the loss: L-BFGS has none of its own, and its line search has to see it."""
        if not needs_closure(self.optimizer):
            return []
        return [
            0.5 * group["weight_decay"] * weight.square().sum()
            for group in self.optimizer.param_groups
            if group.get("weight_decay", 0.0)
            for weight in group["params"]
            if weight.ndim > 1
        ]

    @property
    def rate(self) -> float:
        """The learning rate of the last step: of L-BFGS the step length its line search begins with."""
        return self._plain.rate

    def state(self) -> dict[str, Any]:
        return self._plain.state()

    def load(self, state: dict[str, Any]) -> None:
        self._plain.load(state)

    def modules(self) -> dict[str, nn.Module]:
        return self._plain.modules()

    def evaluating(self) -> AbstractContextManager[None]:
        return self._plain.evaluating()


class _Draws:
    """The random numbers from here on, which can be drawn again."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def rewind(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self.device)
