"""What the targets of many batches tell together: whether they are answers to the inputs, or something that each step makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadline.diagnose.checks.answer_columns import row_keys
from leadline.diagnose.kept_rows import as_rows, leaves_of

_ROWS, _MOST, _WIDE = 64, 12_000, 32  # of a batch, of all, numbers of a target
_PLACES, _BATCHES = 4, 2  # rows of a batch, and batches, that show that targets are places in it
_KINDS = 50  # whole numbers of more kinds are amounts
_FEW, _SURE = 100, 6.0  # pairs, standard errors
_APART = 0.02  # of what any two rows differ by, that the targets of one input must differ by to matter


class TargetCourse:
    """Remembers some rows of the steps that are heard.

    Targets that are no answers to be learned are seen by two things: in each batch they count its rows, as where every row has
    to find its own partner among all; or the same inputs come with other targets later than before, as where an agent draws
    them, or a network values what it will get by what it says itself.

    Example:
        >>> course = TargetCourse()
        >>> for _ in range(3):
        ...     course.note(torch.randn(8, 2), torch.arange(8))
        >>> course.places, course.moved()
        (True, None)
    """

    def __init__(self) -> None:
        self._counting: list[bool] = []
        self._times: list[int] = []
        self._keys: list[list[bytes]] = []
        self._targets: list[np.ndarray[Any, Any]] = []
        self._whole = True

    def note(self, inputs: Any, targets: Any) -> None:
        """Remember rows of the batch of one step."""
        rows = as_rows(inputs, targets)
        first = leaves_of(rows.targets)
        if len(rows) >= _PLACES or not self._counting:
            self._counting.append(len(first) == 1 and counts_rows(first[0]))
        if sum(map(len, self._keys)) >= _MOST:
            return
        few = rows.take(slice(0, _ROWS))
        wanted = torch.cat([each.detach().reshape(len(few), -1).double().cpu() for each in leaves_of(few.targets)], dim=1)
        self._whole &= not any(each.is_floating_point() for each in leaves_of(few.targets))
        self._times += [len(self._counting)] * len(few)
        self._keys.append([bytes(each) for each in row_keys(leaves_of(few.inputs))])
        self._targets.append(wanted[:, :_WIDE].numpy())

    @property
    def places(self) -> bool:
        """Whether the targets of every batch are 0, 1, 2 … in this order."""
        return len(self._counting) >= _BATCHES and all(self._counting)

    def moved(self) -> float | None:
        """By how many standard errors the targets of one input differ with the time between, or the time at which they came.

        Of two rows with the same inputs the difference of their targets is held against how far apart in time they are, and
        against how late they are: neither matters where rows are drawn from one set again and again, whatever noise there is
        in their targets. None where too few inputs come again with other targets.
        """
        if not self._keys or len({each.shape[1] for each in self._targets}) > 1:
            return None
        wanted, times = np.concatenate(self._targets), np.array(self._times, dtype=np.float64)
        _, group = np.unique([key for part in self._keys for key in part], return_inverse=True)
        if self._whole and wanted.shape[1] == 1 and len(kinds := np.unique(wanted)) <= _KINDS:
            wanted = (wanted == kinds).astype(np.float64)
        spread = wanted.std(0)
        if not (spread > 0).any() or not np.isfinite(wanted).all():
            return None
        wanted = wanted[:, spread > 0] / spread[spread > 0]
        one, other = _pairs(group)
        differ = np.square(wanted[one] - wanted[other]).mean(1)  # 2 of any two rows
        if len(one) < _FEW or differ.mean() < 2 * _APART or differ.std() == 0:
            return None
        between, middle = np.abs(times[one] - times[other]), times[one] + times[other]
        found = [np.corrcoef(differ, each)[0, 1] * len(one) ** 0.5 for each in (between, middle) if each.std() > 0]
        return max(map(abs, map(float, found)), default=None)

    @property
    def moving(self) -> bool:
        """Whether that is beyond doubt."""
        return (self.moved() or 0.0) > _SURE


def counts_rows(targets: Tensor) -> bool:
    """Whether these are 0, 1, 2 … in this order, of at least four rows.

    Example:
        >>> counts_rows(torch.arange(5)), counts_rows(torch.tensor([1, 0, 2, 3, 4])), counts_rows(torch.arange(2))
        (True, False, False)
    """
    whole = not targets.is_floating_point() and targets.dtype != torch.bool
    return whole and targets.ndim == 1 and len(targets) >= _PLACES and bool((targets.cpu() == torch.arange(len(targets))).all())


def _pairs(group: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows of one group, two by two, each row at most once: drawn, so that neighbours in time are not preferred."""
    order = np.random.default_rng(0).permutation(len(group))
    order = order[np.argsort(group[order], kind="stable")]
    start = np.flatnonzero(np.diff(group[order], prepend=-1))
    within = np.arange(len(order)) - np.repeat(start, np.diff(np.append(start, len(order))))
    first = np.flatnonzero((within[:-1] % 2 == 0) & (group[order[:-1]] == group[order[1:]]))
    return order[first], order[first + 1]
