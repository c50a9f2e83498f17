"""What is asked of a network, guessed from its targets, and which of its answers are wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_MANY = 50  # whole numbers of more kinds than this are counts or amounts, not classes
_NUMBERS = ("mse", "l1", "huber", "poisson", "gaussian", "mape", "log_cosh")


def task_of(targets: Any, outputs: Any, loss_function: Callable[..., Any] | None, *, inputs: Any = None) -> tuple[str, int]:
    """The task and its number of classes: "classes", "labels" (several 0/1 answers a row), "number" or "other".

    Other is what has no one answer a row: sequences, pictures, tuples, and inputs that are to be rebuilt. Outputs may be of
    fewer rows than targets.

    Example:
        >>> task_of(torch.tensor([0, 2, 1]), torch.zeros(3, 4), None)
        ('classes', 4)
        >>> task_of(torch.tensor([0.3, 1.7]), torch.zeros(2, 1), None)
        ('number', 0)
    """
    outputs = answer_tensor(outputs)
    if not isinstance(targets, Tensor) or outputs is None or not (targets.numel() and outputs.numel() and outputs.ndim):
        return "other", 0
    flat = targets.reshape(len(targets), -1)
    wide = outputs.numel() // len(outputs)
    whole = not targets.is_floating_point() and not targets.is_complex()
    if whole and flat.shape[1] == 1 and outputs.ndim == 2:
        return _whole_numbers(flat, wide, loss_function)
    if targets.ndim > 2 or outputs.ndim > 2 or flat.shape[1] != wide:
        return "other", 0
    values = flat.detach().float()
    if _rebuilds(values, inputs):
        return "other", 0
    binary = bool(((values == 0) | (values == 1)).all())
    if wide == 1:
        signs = bool((values.abs() == 1).all()) and bool((values < 0).any())
        if whole and not binary and not signs:
            return _whole_numbers(flat, wide, loss_function)
        return ("classes", 2) if binary or signs else ("number", 0)
    shares = bool((values >= 0).all()) and bool(((values.sum(1) - 1).abs() < 1e-3).all())
    if binary or (shares and not _of_numbers(loss_function)):
        return ("classes", wide) if shares else ("labels", wide)
    return "number", 0


def answers_of(
    outputs: Any, classes: int, *, head: Sequence[str] = (), loss: Sequence[str] = (), signs: bool = False
) -> Tensor:
    """The class that each row of outputs answers, [N].

    Of one output the class is that on its side of a threshold: 0 for logits and margins, one half for probabilities and for
    numbers that are fitted to 0 and 1; of more than two classes as one number, the nearest.

    Args:
        outputs: of the network, [N], [N, 1] or [N, K].
        classes: K.
        head: the operations with which the network ends.
        loss: those of which the loss is made.
        signs: targets are −1 and 1.
    """
    values = answer_tensor(outputs)
    assert values is not None
    values = values.detach().reshape(len(values), -1)
    if values.shape[1] > 1:
        return values.argmax(1)
    values = values[:, 0]
    if classes > 2:
        return values.round().clamp(0, classes - 1).long()
    probable = any(name in ("sigmoid", "softmax") for name in head)
    margin = any("logits" in name or "margin" in name or name in ("softplus", "log_sigmoid") for name in loss)
    threshold = 0.0 if signs or (margin and not probable) else 0.5
    return (values > threshold).long()


def classes_in(targets: Tensor) -> Tensor:
    """Targets as whole numbers of classes, [N]: as they are, from one-hot rows or shares, from −1 and 1."""
    flat = targets.detach().reshape(len(targets), -1)
    if flat.shape[1] > 1:
        return flat.argmax(1)
    flat = flat[:, 0]
    signs = float(flat.min()) == -1 and not bool((flat == 0).any())
    return (flat > 0).long() if signs else flat.long().clamp(min=0)  # below 0 are rows that a loss leaves out


def errors_of(
    outputs: Any, targets: Any, task: str, *, classes: int = 0, head: Sequence[str] = (), loss: Sequence[str] = ()
) -> Tensor:
    """How wrong each row's answer is, [N]: 0 or 1 for classes, the share of wrong labels, for numbers (y − ŷ)² / var y.

    Example:
        >>> errors_of(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([1, 1]), "classes", classes=2).tolist()
        [1.0, 0.0]
    """
    values = answer_tensor(outputs)
    assert values is not None
    rows = len(targets)
    if task == "classes":
        signs = targets.numel() == rows and float(targets.min()) == -1
        answers = answers_of(values, classes, head=head, loss=loss, signs=signs)
        return torch.ne(answers, classes_in(targets)).float()
    values, wanted = values.detach().reshape(rows, -1).float(), targets.detach().reshape(rows, -1).float()
    if task == "labels":
        threshold = 0.0 if any("logits" in name for name in loss) and "sigmoid" not in head else 0.5
        return torch.logical_xor(values > threshold, wanted > 0.5).float().mean(1)
    spread = wanted.var(0, correction=0)
    told = spread > 0
    squares: Tensor = (values - wanted)[:, told].square() / spread[told]
    return squares.mean(1)


def share_wrong(errors: Tensor, task: str) -> tuple[float, float]:
    """The error of some rows and its standard error: the share of wrong answers, or 1 − R², the mean over several numbers."""
    rows = len(errors)
    errors = errors.double()
    spread = float(errors.std()) / rows**0.5 if rows > 1 else 0.0
    if task == "number":
        return float(errors.mean()), spread
    p = (float(errors.sum()) + 1) / (rows + 2)  # an error of 0 in few rows is not certain
    return float(errors.mean()), max(spread, (p * (1 - p) / rows) ** 0.5)


def answer_tensor(outputs: Any) -> Tensor | None:
    """The outputs proper, where a network gives more besides: the first tensor of floats in a tuple, a list or a dict."""
    if isinstance(outputs, Tensor):
        return outputs
    if isinstance(outputs, dict):
        return outputs["logits"] if isinstance(outputs.get("logits"), Tensor) else answer_tensor(tuple(outputs.values()))
    if isinstance(outputs, (tuple, list)):
        return next((each for each in map(answer_tensor, outputs) if each is not None and each.is_floating_point()), None)
    logits = getattr(outputs, "logits", None)
    return logits if isinstance(logits, Tensor) else None


def _whole_numbers(flat: Tensor, wide: int, loss_function: Callable[..., Any] | None) -> tuple[str, int]:
    low, high = int(flat.min()), int(flat.max())
    if wide > 1:
        return ("classes", max(wide, high + 1)) if high < max(wide, 2) * 4 else ("other", 0)
    if low == -1 and high == 1 and len(torch.unique(flat)) == 2:
        return "classes", 2
    kinds = len(torch.unique(flat))
    few = low >= 0 and high < _MANY and kinds >= 0.8 * (high + 1) and len(flat) >= 3 * kinds
    return ("classes", max(high + 1, 2)) if few and (high <= 1 or not _named(loss_function, ("poisson",))) else ("number", 0)


def _of_numbers(loss_function: Callable[..., Any] | None) -> bool:
    return _named(loss_function, _NUMBERS)


def _named(loss_function: Callable[..., Any] | None, words: Sequence[str]) -> bool:
    name = getattr(loss_function, "__name__", type(loss_function).__name__).lower()
    return any(word.replace("_", "") in name.replace("_", "") for word in words)


def _rebuilds(values: Tensor, inputs: Any) -> bool:
    """Whether the targets are the inputs, perhaps without noise."""
    if not isinstance(inputs, Tensor) or inputs.numel() != values.numel() or values.shape[1] < 4 or len(inputs) != len(values):
        return False
    pair = torch.stack([inputs.detach().float().reshape(-1), values.reshape(-1)])
    return bool(torch.corrcoef(pair)[0, 1] > 0.5) if bool(torch.isfinite(pair).all()) else False
