"""All networks of a population on the validation rows: their values, and how the best, the median and the worst fare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.training.population.judging import EachNetwork, Judge
from leadline.training.population.step import Population

_MORE_ROWS = 4  # without gradients to keep, so many times the rows of a training batch fit in the same memory


class PopulationEvaluation:
    """Calling it judges every active network by the validation batches, and gives columns for the history.

    `values` then holds each column for each active network, in the order of `population.active`. The record gets the columns of
    the network that is best now, the `…_median` and `…_worst` of the watched one over the active networks, and how many are
    `active`. Values that are no numbers count as the worst.

    Args:
        population: whose networks are judged.
        batches: of the validation split, (inputs [B, …], targets [B, …]), the same for all networks.
        loss: (outputs, targets) → scalar mean.
        measures: name → function (outputs, targets) → scalar, over all rows at once.
        monitor: the column that decides which network is the best.
        higher_is_better: which way is up.
        prefix: what the columns start with.

    Errors: `ArgumentError` for a column that is not among those computed here.

    Example:
        >>> from torch import nn
        >>> from torch.nn import functional as F
        >>> from leadline.training.population.one_network import Candidate
        >>> models = [nn.Linear(1, 1, bias=False) for _ in range(3)]
        >>> for weight, model in enumerate(models):
        ...     _ = nn.init.constant_(model.weight, weight)
        >>> population = Population([Candidate(model) for model in models], F.mse_loss)
        >>> evaluate = PopulationEvaluation(population, [(torch.ones(4, 1), torch.ones(4, 1))], F.mse_loss)
        >>> with population.evaluating():
        ...     evaluate()
        {'valid_loss': 0.0, 'valid_loss_median': 1.0, 'valid_loss_worst': 1.0, 'active': 3.0}
        >>> evaluate.values
        {'valid_loss': [1.0, 0.0, 1.0]}
    """

    def __init__(
        self,
        population: Population,
        batches: Iterable[Any],
        loss: Judge,
        measures: dict[str, Judge] | None = None,
        *,
        monitor: str = "valid_loss",
        higher_is_better: bool = False,
        prefix: str = "valid_",
    ) -> None:
        self.population, self.batches, self.prefix = population, batches, prefix
        self.monitor, self.higher_is_better = monitor, higher_is_better
        self._judges = {prefix + name: EachNetwork(judge) for name, judge in {"loss": loss, **(measures or {})}.items()}
        if monitor not in self._judges:
            raise ArgumentError(
                f"There is no {monitor!r} to compare networks by", expected="one of " + ", ".join(self._judges), got=monitor
            )
        self.values: dict[str, list[float]] = {}

    def __call__(self) -> dict[str, float]:
        outputs, targets = self.outputs()
        with torch.no_grad():
            columns = torch.stack([judge(outputs, targets).double() for judge in self._judges.values()]).tolist()
        self.values = dict(zip(self._judges, columns, strict=True))
        watched = torch.tensor(self.values[self.monitor], dtype=torch.float64)
        sign = -1.0 if self.higher_is_better else 1.0
        order = torch.nan_to_num(sign * watched, nan=torch.inf).argsort(stable=True)
        best, median, worst = int(order[0]), int(order[(len(order) - 1) // 2]), int(order[-1])
        record = {name: values[best] for name, values in self.values.items()}
        record |= {f"{self.monitor}_{word}": float(watched[at]) for word, at in (("median", median), ("worst", worst))}
        return record | {"active": float(len(watched))}

    def outputs(self) -> tuple[Tensor, Tensor]:
        """What all active networks say, [A, N, …], and the targets [A, N, …], without gradients, on the device."""
        outputs, targets = [], []
        with torch.no_grad():
            for inputs, answers in self.batches:
                rows = max(self.population.batch_rows * _MORE_ROWS, 1) if self.population.batch_rows else len(inputs)
                outputs += [self.population.outputs(part).float() for part in inputs.split(rows)]
                targets.append(answers)
        together = torch.cat(targets)
        return torch.cat(outputs, dim=1), together.expand(len(outputs[0]), *together.shape)
