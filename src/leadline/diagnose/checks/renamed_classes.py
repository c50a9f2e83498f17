"""Whether the classes of held-out rows are numbered otherwise than those of the training rows."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from leadline.diagnose.check_readings import Renamed
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.last_look import ending_of
from leadline.diagnose.checks.task_guess import answer_tensor, answers_of, classes_in
from leadline.diagnose.subject import Rows, Subject

_ROWS, _FEW, _LEAST = 2048, 40, 2  # rows; at least; rows of a class in each half for its new number to count


def read_renamed(subject: Subject) -> Renamed:
    """Looks for the exchange of class numbers under which most answers for held-out rows are right.

    It is found on one half of them and judged on the other, and the other way round, so that chance gains nothing.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject()
        >>> before = read_renamed(subject).moved
        >>> subject.valid = Rows(subject.valid.inputs, (subject.valid.targets + 1) % 3)
        >>> before, read_renamed(subject).moved
        (0, 3)
    """
    if subject.task != "classes" or subject.valid is None or len(subject.valid) < _FEW:
        return Renamed()
    rows = subject.valid.take(choose(len(subject.valid), _ROWS))
    answers, wanted = _answered(subject, rows)
    many = int(max(answers.max(), wanted.max())) + 1
    half = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)) % 2 == 0
    numbers, right = [], torch.zeros(len(rows))
    for part in (half, ~half):
        met = np.zeros((many, many), dtype=np.int64)
        np.add.at(met, (answers[part].numpy(), wanted[part].numpy()), 1)
        _, found = linear_sum_assignment(-met * (many + 1) - np.eye(many, dtype=np.int64))  # of equals each its own
        found = np.where(met[np.arange(many), found] >= _LEAST, found, np.arange(many))
        numbers.append(found)
        right[~part] = (torch.from_numpy(found)[answers[~part]] == wanted[~part]).float()
    plain = (answers == wanted).float()
    moved = int(((numbers[0] == numbers[1]) & (numbers[0] != np.arange(many))).sum())
    spread = float((right - plain).std()) / len(rows) ** 0.5
    return Renamed(moved, float(1 - plain.mean()), float(1 - right.mean()), max(spread, 0.5 / len(rows)))


def _answered(subject: Subject, rows: Rows) -> tuple[Tensor, Tensor]:
    model = subject.trained().eval()
    head, loss = ending_of(subject, model, rows)
    values = answer_tensor(subject.outputs(model.eval(), rows))
    signs = rows.targets.numel() == len(rows) and float(rows.targets.min()) == -1
    return (
        answers_of(values, subject.classes, head=head, loss=loss, signs=signs).cpu(),
        classes_in(rows.targets).cpu(),
    )
