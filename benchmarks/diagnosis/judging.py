"""Losses by name, the right and the wrong ones; what a program answers; how good its answers are."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from recipe import Arrays, Recipe
from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def one_hot(targets: Tensor, outputs: Tensor) -> Tensor:
    return F.one_hot(targets, outputs.shape[1]).float()


def squared_against_indices(outputs: Tensor, targets: Tensor) -> Tensor:
    """One output, taught the class's number as if it were an amount."""
    return F.mse_loss(outputs.squeeze(1), targets.float())


def by_hand(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of probabilities as the formula stands in the book: log(0) is minus infinity."""
    return -(one_hot(targets, outputs) * torch.log(F.softmax(outputs, 1))).sum(1).mean()


def binary_by_hand(outputs: Tensor, targets: Tensor) -> Tensor:
    """The binary one, for outputs that should be probabilities."""
    return -(targets * torch.log(outputs) + (1 - targets) * torch.log(1 - outputs)).mean()


LOSSES: dict[str, Loss] = {
    "cross_entropy": F.cross_entropy,
    "bce_logits": F.binary_cross_entropy_with_logits,
    "bce": F.binary_cross_entropy,
    "nll": F.nll_loss,
    "mse": F.mse_loss,
    "huber": F.smooth_l1_loss,
    "l1": F.l1_loss,
    "mse one hot": lambda outputs, targets: F.mse_loss(outputs, one_hot(targets, outputs)),
    "bce one hot": lambda outputs, targets: F.binary_cross_entropy(outputs, one_hot(targets, outputs)),
    "mse on indices": squared_against_indices,
    "by hand": by_hand,
    "binary by hand": binary_by_hand,
    "smoothed": lambda outputs, targets: F.cross_entropy(outputs, targets, label_smoothing=0.1),
    "sum": lambda outputs, targets: F.cross_entropy(outputs, targets, reduction="sum"),
    "mse sum": lambda outputs, targets: F.mse_loss(outputs, targets, reduction="sum"),
}


def loss_of(recipe: Recipe) -> Loss:
    """The loss as the program calls it. Losses that torch has as classes are what people use; so is this."""
    if recipe.balanced:
        targets = recipe.arrays.train[1]
        counts = torch.bincount(targets, minlength=recipe.arrays.classes).float()
        return nn.CrossEntropyLoss(weight=len(targets) / (len(counts) * counts.clamp_min(1)))
    modules: dict[str, Loss] = {"cross_entropy": nn.CrossEntropyLoss(), "bce_logits": nn.BCEWithLogitsLoss(),
                                "mse": nn.MSELoss(), "nll": nn.NLLLoss(), "bce": nn.BCELoss()}  # fmt: skip
    return modules.get(recipe.loss, LOSSES[recipe.loss])


def answers(outputs: Tensor, recipe: Recipe, arrays: Arrays) -> Tensor:
    """What the program would say: a class, some labels, or numbers."""
    if arrays.task == "classes":
        if outputs.ndim > 1 and outputs.shape[1] > 1:
            return outputs.argmax(1)
        flat = outputs.flatten()
        if recipe.loss in ("bce_logits", "bce", "binary by hand"):
            return (flat > (0.0 if recipe.loss == "bce_logits" else 0.5)).long()
        return flat.nan_to_num(0).clamp(0, arrays.classes - 1).round().long()
    if arrays.task in ("binary", "labels"):
        return (outputs > (0.0 if recipe.loss == "bce_logits" else 0.5)).float()
    return outputs


def score(outputs: Tensor, targets: Tensor, recipe: Recipe) -> float:
    """Accuracy, balanced accuracy, or the share of the variance that is explained; what is not finite explains nothing."""
    said = answers(outputs, recipe, recipe.arrays)
    if recipe.metric == "r2":
        said = said.reshape(len(said), -1)
        if said.shape[1] != targets[0].numel() or not bool(torch.isfinite(said).all()):
            return -1.0
        residual = ((said - targets.reshape(said.shape)) ** 2).mean()
        return max(-1.0, float(1 - residual / targets.reshape(said.shape).var(0, unbiased=False).mean()))
    right = (said.reshape(targets.shape) == targets).float()
    if recipe.metric == "balanced":
        return float(torch.stack([right[targets == each].mean() for each in targets.unique()]).mean())
    return float(right.mean())


def chance(arrays: Arrays, metric: str) -> float:
    """The score of the best constant answer on the test rows."""
    targets = arrays.test[1]
    if metric == "r2":
        return 0.0
    if metric == "balanced":
        return 1 / arrays.classes
    if arrays.task == "classes":
        return float(torch.bincount(targets).max() / len(targets))
    share = targets.mean(0)
    return float(torch.maximum(share, 1 - share).mean())


def shown(value: float) -> float:
    """A number as the records keep it: five digits, and what is not finite as 1e30, which JSON can hold."""
    if not math.isfinite(value):
        return 1e30
    return float(f"{value:.5g}")
