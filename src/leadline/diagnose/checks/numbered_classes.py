"""Whether whole numbers that are fitted as amounts are the numbers of classes, which have no order."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from leadline.diagnose.check_readings import ClassNumbers
from leadline.diagnose.checks.flat_features import choose, flat_rows
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Rows, Subject, first_tensor

_FEWEST, _MOST = 4, 50  # kinds: three have too few orders for chance to tell
_LEAST, _ROWS, _NUMBERINGS, _NEIGHBOURS = 5, 1024, 1000, 5  # rows of a kind; rows; random orders; rows that vote


def read_class_numbers(subject: Subject) -> ClassNumbers:
    """Looks at a fit of one whole number a row.

    Amounts that differ by one are alike: of the row with another number that is nearest to a row the number is near, too. With
    numbers of classes it is as near as with the classes numbered at random. `order` is the share of random numberings under
    which it is at least as near: small for amounts, anything for classes.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_class_numbers(a_subject(steps=1)).kinds
        0
    """
    if subject.task != "number":
        return ClassNumbers()
    train = subject.train.take(choose(len(subject.train), _ROWS))
    labels = _numbered(train)
    if labels is None:
        return ClassNumbers()
    kinds = int(labels.max()) + 1
    lowest = float(first_tensor(train.targets).min())
    rows = subject.valid if subject.valid is not None and len(subject.valid) > 1 else train
    rows = rows.take(choose(len(rows), _ROWS))
    x, x_judged = flat_rows(train.inputs, rows.inputs)
    answers = answer_tensor(subject.outputs(subject.trained().eval(), rows))
    if not x.shape[1] or x_judged is None or answers is None or answers.numel() != len(rows):
        return ClassNumbers()
    wanted = first_tensor(rows.targets).detach().double().flatten().cpu()
    apart = torch.cdist(x_judged, x)
    if rows is train or subject.valid is None:
        apart.fill_diagonal_(math.inf)
    near = labels[apart.topk(_NEIGHBOURS, largest=False).indices].mode(1).values.double() + lowest
    by_neighbours = (near == wanted).double()
    by_network = (answers.detach().double().flatten().cpu().round() == wanted).double()
    return ClassNumbers(
        kinds,
        _order(x, labels, kinds),
        float(by_neighbours.mean()),
        float(by_network.mean()),
        max(float((by_neighbours - by_network).std()), 0.5) / len(rows) ** 0.5,
    )


def _numbered(rows: Rows) -> Tensor | None:
    """The targets counted from 0, where they are 0 … K − 1 or 1 … K with some rows of each."""
    values = first_tensor(rows.targets).detach().double().cpu()
    if values.numel() != len(rows) or not bool((values == values.round()).all()):
        return None
    values = values.flatten().long()
    low = int(values.min())
    if low not in (0, 1) or int(values.max()) >= _MOST + low:
        return None
    counts = torch.bincount(values - low)
    return values - low if len(counts) >= _FEWEST and int(counts.min()) >= _LEAST else None


def _order(x: Tensor, labels: Tensor, kinds: int) -> float:
    """The share of random numberings under which the nearest row with another number has as near a number."""
    apart = torch.cdist(x, x)
    apart[labels[:, None] == labels] = math.inf
    nearest = labels[apart.argmin(1)]
    meets = torch.zeros(kinds, kinds, dtype=torch.double)
    meets.index_put_((labels, nearest), torch.ones(len(labels), dtype=torch.double), accumulate=True)
    place = torch.arange(kinds, dtype=torch.double)
    random = torch.Generator().manual_seed(0)
    orders = torch.stack([place, *(torch.randperm(kinds, generator=random).double() for _ in range(_NUMBERINGS))])
    far = ((orders[:, :, None] - orders[:, None]).abs() * meets).sum((1, 2))
    return float((far[1:] <= far[0] + 1e-9).double().mean())
