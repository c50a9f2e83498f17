"""Losses, measures and penalties, one value for each network."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import losses
from leadline.optim.penalties import Penalties, penalized

Judge = Callable[[Any, Any], Tensor]
_FEW_CLASSES = 16


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
