"""How single training rows are answered while a network learns, which tells labels that are learned by heart alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.held_out import class_recalls
from leadline.diagnose.kept_rows import row_keys
from leadline.diagnose.subject import Rows, Subject

_ROWS, _SHOWN = 256, 50
_KNOWS = 0.5  # of the way from the largest class's share to 1: looks at which the network knows less say nothing of a row
_USUALLY = 0.6  # of these looks


class RowCourse:
    """Some training rows, and how often each is answered otherwise than it is labelled.

    A network learns what rows have in common before it learns rows by heart (Arpit et al., "A Closer Look at Memorization in
    Deep Networks", 2017): a row that it answers otherwise for most of the training, though it knows most others, has a label
    that looks wrong, also where the network repeats that label at last (Pleiss et al., "Identifying Mislabeled Data using the
    Area Under the Margin Ranking", 2020, average margins over the training for the same end).

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject, course = a_subject(), RowCourse()
        >>> course.judge(subject, subject.trained().eval(), subject.train)
        >>> course.suspicious(subject.train)
        []
    """

    def __init__(self) -> None:
        self.looks = 0
        self.rows: Rows | None = None  # those that are looked at
        self.over = False  # they have no classes, so that there is nothing to be told of single ones
        self._otherwise = torch.zeros(0)  # [rows, classes]: at how many looks which other class was answered

    def judge(self, subject: Subject, model: nn.Module, rows: Rows) -> None:
        """Look at the rows, the first time at the first so many of them.

        Args:
            subject: of whose training rows they are some.
            model: a copy of the network, in evaluation mode.
            rows: training rows, or those that were looked at before.
        """
        self.rows = self.rows or rows.take(slice(0, _ROWS))
        outputs = subject.outputs(model, self.rows, size=len(self.rows))
        answers = answer_tensor(outputs)
        if answers is None or class_recalls(outputs, self.rows.targets) is None:
            self.over = True
            return
        self._count(answers.argmax(1).cpu(), self.rows.targets.reshape(-1).long().cpu(), answers.shape[1])

    def _count(self, answered: Tensor, labels: Tensor, classes: int) -> None:
        other = answered != labels
        right, usual = 1 - float(other.float().mean()), float(torch.bincount(labels).max()) / len(labels)
        if right < usual + _KNOWS * (1 - usual):
            return
        if not len(self._otherwise):
            self._otherwise = torch.zeros(len(labels), classes)
        self._otherwise[other.nonzero().flatten(), answered[other]] += 1
        self.looks += 1

    def suspicious(self, train: Rows) -> list[dict[str, Any]]:
        """Rows that were usually answered otherwise, the surest first, by their numbers among `train`.

        Each has "row", "label", "likelier" and "confidence": the share of looks at which the likelier class was answered.
        """
        if self.rows is None or self.looks < 3:
            return []
        share, likelier = (self._otherwise / self.looks).max(1)
        order = share.argsort(descending=True, stable=True)
        keys = row_keys(self.rows)
        places = {key: at for at, key in enumerate(row_keys(train))}
        labels = self.rows.targets.reshape(-1).long()
        return [
            {
                "row": places[keys[at]],
                "label": int(labels[at]),
                "likelier": int(likelier[at]),
                "confidence": round(float(share[at]), 4),
            }
            for at in order.tolist()
            if float(share[at]) > _USUALLY and keys[at] in places
        ][:_SHOWN]
