"""Changes of the rows that a copy learns from. Each gives an empty text, or why it does not apply."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.subject import Rows, first_tensor, like
from leadline.diagnose.trials.copied_training import CopiedTraining


def standardize(copied: CopiedTraining, argument: Any) -> str:
    """Each feature minus its mean, over its standard deviation, both of the training rows; what is no number gets the mean."""
    numbers = tensors_of(copied.train.inputs)
    if not any(part.is_floating_point() for part in numbers):
        return "its inputs are not numbers"
    recurrent = copied.readings is not None and copied.readings.graph.recurrent
    laws = [law_of(part, features_last=recurrent or part.ndim == 2) if part.is_floating_point() else None for part in numbers]
    copied.train = Rows(_scaled(copied.train.inputs, iter(laws)), copied.train.targets)
    copied.held = Rows(_scaled(copied.held.inputs, iter(laws)), copied.held.targets)
    return ""


def law_of(values: Tensor, *, features_last: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature (or channel), shaped to be taken from and divided through.

    Example:
        >>> mean, std = law_of(torch.tensor([[0.0, 5.0], [2.0, 5.0]]), features_last=True)
        >>> mean.tolist(), std.tolist()
        ([[1.0, 5.0]], [[1.0, 1.0]])
    """
    kept = values.ndim - 1 if features_last else 1
    axes = [axis for axis in range(values.ndim) if axis != kept or values.ndim == 1]
    finite = torch.where(values.isfinite(), values, torch.nan).double()
    mean = finite.nanmean(axes, keepdim=True).nan_to_num()
    std = ((finite - mean) ** 2).nanmean(axes, keepdim=True).nan_to_num().sqrt()
    std = torch.where(std > 1e-7 * mean.abs().clamp(min=1e-7), std, torch.ones_like(std))  # constant features become 0
    return mean.to(values.dtype), std.to(values.dtype)


def _scaled(tree: Any, laws: Any) -> Any:
    """The nest with each tensor scaled, in the order of `tensors_of`."""
    if isinstance(tree, Tensor):
        law = next(laws)
        return tree if law is None else ((tree - law[0]) / law[1]).nan_to_num(0.0, 0.0, 0.0)
    if isinstance(tree, dict):
        return {name: _scaled(part, laws) for name, part in tree.items()}
    if isinstance(tree, (tuple, list)):
        return like(tree, [_scaled(part, laws) for part in tree])
    return tree


def tensors_of(tree: Any) -> list[Tensor]:
    """The tensors of a nest, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (tuple, list)) else ()
    return [each for part in parts for each in tensors_of(part)]


def standardize_targets(copied: CopiedTraining, argument: Any) -> str:
    """The loss sees targets of mean 0 and variance 1; what the network then gives is put back into their units."""
    targets = copied.train.targets
    if copied.subject.task != "number" or not isinstance(targets, Tensor):
        return "its targets are not numbers"
    mean, std = law_of(targets.float().reshape(len(targets), -1), features_last=True)
    before = copied.loss

    def scaled(outputs: Any, targets: Any) -> Tensor:
        flat = (targets.float().reshape(len(targets), -1) - mean) / std
        return before(outputs, flat.reshape(targets.shape))

    def unscaled(outputs: Any) -> Any:
        first = first_tensor(outputs)
        return (first.reshape(-1, mean.shape[1]) * std + mean).reshape(first.shape)

    copied.loss, copied.outputs_of = scaled, unscaled
    return ""


def finite_rows(copied: CopiedTraining, argument: Any) -> str:
    """Rows with a number that is not finite are left out of the training."""
    good = torch.ones(len(copied.train), dtype=torch.bool)
    for part in (*tensors_of(copied.train.inputs), *tensors_of(copied.train.targets)):
        good &= part.reshape(len(good), -1).isfinite().all(1).cpu()
    if bool(good.all()):
        return "all its numbers are finite"
    if int(good.sum()) < 2:
        return "hardly a row has only finite numbers"
    copied.train = copied.train.take(good.nonzero()[:, 0].to(first_tensor(copied.train.targets).device))
    return ""
