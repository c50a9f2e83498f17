"""Losses and metrics, one value for each network."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import losses
from leadline.errors import ArgumentError
from leadline.optim.penalties import Penalties, penalized

if TYPE_CHECKING:
    from leadline.training.population.step import Population

Judge = Callable[[Any, Any], Tensor]
_FEW_CLASSES = 16
_MORE_ROWS = 4  # without gradients to keep, so many times the rows of a training batch fit in the same memory


class EachNetwork:
    """A mean over rows becomes one mean for each network: (outputs [A, B, …], targets [A, B, …]) → [A].

    The function runs under `torch.vmap`; one that cannot (it looks at values, or leaves torch) runs once for each network.

    Args:
        function: (outputs [B, …], targets [B, …]) → scalar.

    Example:
        >>> outputs, targets = torch.tensor([[[1.0], [3.0]], [[0.0], [0.0]]]), torch.zeros(2, 2, 1)
        >>> EachNetwork(torch.nn.functional.mse_loss)(outputs, targets)
        tensor([5., 0.])
    """

    def __init__(self, function: Judge) -> None:
        self.function = function
        self._looped = False
        self._of_rows = _cross_entropy_of_rows(function)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self._of_rows is not None and outputs.ndim == 3 and targets.ndim == 2:
            # A softmax over a few neighbouring values is ten times slower than one over as many whole rows of the batch.
            if outputs.shape[2] < _FEW_CLASSES:
                return self._of_rows(outputs.transpose(1, 2), targets).mean(1)
            return self._of_rows(outputs.flatten(0, 1), targets.flatten()).view(targets.shape).mean(1)
        if not self._looped:
            try:
                each: Tensor = torch.vmap(self.function)(outputs, targets)
                return each
            except (RuntimeError, TypeError, NotImplementedError):
                self._looped = True
        return torch.stack([self.function(output, target) for output, target in zip(outputs, targets, strict=True)])


class PenaltiesOfEach:
    """Penalties on a model's weights become one value for each network: stacked tensors [A, …] by name → terms [A] by name.

    Args:
        model: one of the networks; a copy of it stands for all.
        penalties: of a model → scalar terms by name.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> each = PenaltiesOfEach(model, lambda model: {"l2": sum(p.square().sum() for p in model.parameters())})
        >>> each({"weight": torch.tensor([[[1.0, 1.0]], [[2.0, 0.0]]])})
        {'l2': tensor([2., 4.])}
    """

    def __init__(self, model: nn.Module, penalties: Callable[[nn.Module], dict[str, Tensor]]) -> None:
        self._penalties = penalties
        self._holder = _Penalized(copy.deepcopy(model), penalties)
        self._matrices = list(penalized(model))

    def __call__(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        if isinstance(self._penalties, Penalties):
            # Within vmap no tensor tells whether it is trained, so which weights are penalized is decided here.
            of_weights = self._penalties.of_weights
            terms: dict[str, Tensor] = torch.vmap(lambda weights: of_weights(list(weights.values())))(
                {name: views[name] for name in self._matrices}
            )
            return terms
        count = len(next(iter(views.values())))
        each = [self._of_one({name: view[network] for name, view in views.items()}) for network in range(count)]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def _of_one(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        own = {f"model.{name}": tensor for name, tensor in tensors.items()}
        terms: dict[str, Tensor] = torch.func.functional_call(self._holder, own, (), tie_weights=True)
        return terms


class _Penalized(nn.Module):
    """A module whose forward pass is the penalties, since only a forward pass can be run with other weights."""

    def __init__(self, model: nn.Module, penalties: Callable[[nn.Module], dict[str, Tensor]]) -> None:
        super().__init__()
        self.model, self.penalties = model, penalties

    def forward(self) -> dict[str, Tensor]:
        return self.penalties(self.model)


def _cross_entropy_of_rows(function: Any) -> Judge | None:
    """The commonest loss as one value a row, without vmap's cost; class weights make its mean one of another kind."""
    bare = getattr(function, "__wrapped__", function)
    options = bare.keywords if isinstance(bare, functools.partial) else {}
    bare = bare.func if isinstance(bare, functools.partial) else bare
    if bare not in (losses.cross_entropy, F.cross_entropy) or options.keys() - {"label_smoothing"}:
        return None
    return functools.partial(F.cross_entropy, reduction="none", **options)


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
        >>> from leadline.training.population import Candidate, Population
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
