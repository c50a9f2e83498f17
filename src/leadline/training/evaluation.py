"""Evaluation: outputs, losses and metrics of a model over some batches, kept on the device until the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from leadline.data.padding import joined_rows, no_target


def outputs_of(model: nn.Module, batches: Iterable[Any]) -> tuple[Tensor, Tensor]:
    """Outputs [N, …] and targets [N, …] over all batches, on the device, without gradients, in the mode the model is in.

    Rows of different lengths are gone through by their length, which spares padding, and come back in the order of the rows;
    where each step has an output, the outputs behind the end of a row stand beside targets of −100 or NaN.

    Example:
        >>> batches = [(torch.ones(2, 3), torch.tensor([0, 1])), (torch.ones(1, 3), torch.tensor([1]))]
        >>> outputs, targets = outputs_of(nn.Identity(), batches)
        >>> outputs.shape, targets
        (torch.Size([3, 3]), tensor([0, 1, 1]))
    """
    outputs, targets = [], []
    batches, place = batches.by_length() if hasattr(batches, "by_length") else (batches, None)
    with torch.inference_mode():
        for inputs, answers in batches:
            outputs.append(model(inputs).float())
            targets.append(answers)
    whole, wanted = joined_rows(outputs, 0.0), joined_rows(targets, no_target(targets[0].dtype))
    return (whole, wanted) if place is None else (whole[place], wanted[place])


class Evaluation:
    """Calling it gives `valid_loss` and more columns for the history, fetched from the device in one transfer.

    Args:
        model: as the step has it.
        batches: of the validation split, in any order.
        loss: (outputs, targets) → scalar mean.
        measures: name → function (outputs, targets) → scalar, over all rows at once.
        prefix: what the columns start with.
        then: is told the columns each time, for instance a schedule that waits for a plateau.

    Example:
        >>> batches = [(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [1.0]]))]
        >>> Evaluation(nn.Identity(), batches, nn.functional.mse_loss, {"worst": lambda y, t: (y - t).abs().max()})()
        {'valid_loss': 2.0, 'valid_worst': 2.0}
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[Any],
        loss: Callable[[Any, Any], Tensor],
        measures: dict[str, Callable[[Any, Any], Tensor]] | None = None,
        *,
        prefix: str = "valid_",
        then: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        self.then = then
        self.model, self.batches, self.loss, self.measures, self.prefix = model, batches, loss, measures or {}, prefix

    def __call__(self) -> dict[str, float]:
        outputs, targets = outputs_of(self.model, self.batches)
        with torch.inference_mode():
            columns = {"loss": self.loss(outputs, targets)} | {
                name: measure(outputs, targets) for name, measure in self.measures.items()
            }
            values = torch.stack([value.float() for value in columns.values()]).tolist()
        told = {self.prefix + name: value for name, value in zip(columns, values, strict=True)}
        if self.then is not None:
            self.then(told)
        return told
