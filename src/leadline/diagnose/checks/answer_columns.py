"""The targets as numbers, beside the outputs: their shapes and spread, and inputs that are answered in two ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadline.diagnose.checks.input_columns import named_tensors
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.readings import Answers

_MOST_CLASSES = 1000


def read_answers(targets: Any, outputs: Any, inputs: Any) -> Answers:
    """Looks at the kept targets.

    Args:
        targets: [N, …]; of a nest the first tensor counts.
        outputs: of some rows, for their shape; None where there are none.
        inputs: of the same rows as the targets.

    Example:
        >>> answers = read_answers(torch.tensor([0, 1, 1]), torch.zeros(3, 2), torch.tensor([[1.0], [1.0], [2.0]]))
        >>> answers.counts, round(answers.contradictions, 2)
        ([1, 2], 0.67)
    """
    tensors = named_tensors(targets)
    if not tensors:
        return Answers(dtype=type(targets).__name__)
    first = tensors[0][1].detach()
    values = first.double().flatten()
    finite = torch.isfinite(values)
    usable = values[finite]
    answers = answer_tensor(outputs)
    return Answers(
        dtype=str(first.dtype).removeprefix("torch."),
        shape=list(first.shape),
        output_shape=list(answers.shape) if answers is not None else [],
        counts=_counts(first),
        mean=float(usable.mean()) if len(usable) else 0.0,
        std=float(usable.std(correction=0)) if len(usable) else 0.0,
        smallest=float(usable.min()) if len(usable) else 0.0,
        largest=float(usable.max()) if len(usable) else 0.0,
        non_finite=int((~finite).sum()),
        contradictions=contradictions(inputs, first),
        rows=len(first),
    )


def contradictions(inputs: Any, targets: Tensor) -> float:
    """Share of rows whose inputs equal another row's to the bit while its target is another one.

    Targets of numbers are another where they differ by more than a tenth of their deviation.
    """
    rows = len(targets)
    parts = [part for _, part in named_tensors(inputs) if len(part) == rows]
    if not parts or rows < 2:
        return 0.0
    keys = row_keys(parts)
    wanted = targets.detach().double().reshape(rows, -1).cpu().numpy()
    room = 0.1 * wanted.std(0) if targets.is_floating_point() else np.zeros(wanted.shape[1])
    _, group = np.unique(keys, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    spread = np.maximum.reduceat(wanted[order], starts) - np.minimum.reduceat(wanted[order], starts)
    sizes = np.diff(np.append(starts, rows))
    return float(sizes[(spread > room).any(1)].sum() / rows)


def row_keys(parts: list[Tensor]) -> np.ndarray[Any, np.dtype[np.void]]:
    """The bytes of each row, equal where rows are equal; 0 and −0 are one number."""
    flat = []
    for part in parts:
        values = part.detach().reshape(len(part), -1).cpu()
        values = values + 0 if values.is_floating_point() and values.dtype != torch.bfloat16 else values.float()
        flat.append(np.ascontiguousarray(values.numpy()).view(np.uint8).reshape(len(part), -1))
    joined = np.ascontiguousarray(np.concatenate(flat, axis=1))
    return joined.view(np.dtype((np.void, joined.shape[1]))).ravel()


def _counts(targets: Tensor) -> list[int]:
    """How often each class comes, where targets are classes: whole numbers, 0 and 1, −1 and 1, or one-hot rows."""
    rows = len(targets)
    flat = targets.reshape(rows, -1)
    if flat.shape[1] > 1:
        rounded = bool(((flat == 0) | (flat == 1)).all())
        return [int(each) for each in flat.long().sum(0).tolist()] if rounded and flat.shape[1] <= _MOST_CLASSES else []
    values = flat[:, 0]
    if not bool(torch.isfinite(values.float()).all()) or not bool((values == values.long()).all()):
        return []
    whole = values.long()
    low, high = int(whole.min()), int(whole.max())
    if low == -1 and high == 1 and not bool((whole == 0).any()):
        whole, low = (whole > 0).long(), 0
    few = high < _MOST_CLASSES and low >= 0 and (not targets.is_floating_point() or high <= 1)
    return [int(each) for each in torch.bincount(whole).tolist()] if few else []
