"""Targets of several numbers or labels a row, each by itself: their size, and how well the network knows each."""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.diagnose.check_readings import TargetColumns
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.last_look import ending_of
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Subject

_ROWS, _MOST = 2048, 100  # rows and columns that are looked at


def read_target_columns(subject: Subject) -> TargetColumns:
    """Of training rows how large the targets are, of held-out rows, where there are some, how well each is answered.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_target_columns(a_subject()).spreads  # one class a row
        []
    """
    targets = subject.train.targets
    if subject.task not in ("number", "labels") or not isinstance(targets, Tensor):
        return TargetColumns()
    wanted = targets.detach().float().reshape(len(targets), -1)
    if not 1 < wanted.shape[1] <= _MOST:
        return TargetColumns()
    rows = subject.valid if subject.valid is not None else subject.train
    rows = rows.take(choose(len(rows), _ROWS))
    model = subject.trained().eval()
    answers = answer_tensor(subject.outputs(model, rows))
    held = rows.targets.detach().float().reshape(len(rows), -1)
    if answers is None or answers.numel() != held.numel():  # a mean and a deviation of each, for instance
        return TargetColumns()
    answers = answers.detach().float().reshape(len(rows), -1)
    if subject.task == "number":
        spreads = wanted.std(0, correction=0)
        errors = (answers - held).square().mean(0) / held.var(0, correction=0).clamp(min=1e-30)
        return TargetColumns(spreads=spreads.tolist(), errors=errors.tolist())
    head, loss = ending_of(subject, model, rows)
    threshold = 0.0 if any("logits" in name for name in loss) and "sigmoid" not in head else 0.5
    there = held > 0.5
    return TargetColumns(
        shares=(wanted > 0.5).float().mean(0).tolist(),
        there=there.sum(0).tolist(),
        found=((answers > threshold) & there).sum(0).tolist(),
        apart=[told_apart(answers[:, at], there[:, at]) for at in range(held.shape[1])],
    )


def told_apart(values: Tensor, marked: Tensor) -> float:
    """How often, of a marked and another one, the marked has the larger value: the area under the curve; ½ without one of them.

    Example:
        >>> told_apart(torch.tensor([0.1, 0.4, 0.2, 0.9]), torch.tensor([False, True, False, True]))
        1.0
    """
    one, other = values[marked], values[~marked].sort().values
    if not len(one) or not len(other):
        return 0.5
    below = torch.searchsorted(other, one.contiguous())
    not_above = torch.searchsorted(other, one.contiguous(), right=True)
    return float((below + not_above).double().mean() / (2 * len(other)))
