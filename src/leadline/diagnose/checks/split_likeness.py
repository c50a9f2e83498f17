"""Training rows beside held-out rows: copies of one in the other, and whether the two can be told apart."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from leadline.diagnose.check_readings import Splits
from leadline.diagnose.checks.answer_columns import row_keys
from leadline.diagnose.checks.flat_features import choose, flat_rows
from leadline.diagnose.checks.input_columns import named_tensors
from leadline.diagnose.checks.linear_fits import ridge
from leadline.diagnose.checks.task_guess import classes_in
from leadline.diagnose.subject import Rows, first_tensor

_MOST, _NEAR, _SHOWN, _FOLDS, _COLUMNS = 1024, 0.02, 20, 5, 200


def read_splits(train: Rows, valid: Rows, *, classes: bool | None = None) -> Splits:
    """Copies, likeness and class shares.

    Args:
        train: kept training rows, each once.
        valid: held-out rows.
        classes: whether targets are classes; where it is not said, whole numbers of up to 100 kinds are.
    """
    splits = Splits()
    rows, held = train.take(choose(len(train), _MOST)), valid.take(choose(len(valid), _MOST))
    splits.pairs, splits.copies = _copies(train, rows, valid, held)
    splits.told_apart, splits.told_apart_se = told_apart(rows, held)
    splits.held_distinct = len({key.tobytes() for key in _keys(held)})
    splits.class_distance = _class_distance(first_tensor(train.targets), first_tensor(valid.targets), classes)
    return splits


def _copies(train: Rows, rows: Rows, valid: Rows, held: Rows) -> tuple[list[tuple[int, int]], float]:
    """Pairs (held-out row, training row), and the share of held-out rows with one, beyond what rows that repeat make likely."""
    exact = _same_rows(train, valid)
    share = len(exact) / max(len(valid), 1)
    by_itself = _repeating(valid, len(train))
    near = _near_rows(rows, held)
    kept, shown = choose(len(train), _MOST), choose(len(valid), _MOST)
    found = dict(exact) | {int(shown[one]): int(kept[two]) for one, two in near[0] if int(shown[one]) not in dict(exact)}
    # Where most rows come again by themselves a copy gives nothing away.
    copies = max(0.0, share - by_itself, near[1] - by_itself) if by_itself < 0.5 else 0.0
    return sorted(found.items())[:_SHOWN], copies


def _repeating(valid: Rows, train: int) -> float:
    """The share of held-out rows that so many other rows may hold by chance: rows of few values come again by themselves."""
    half = len(valid) // 2
    if not half:
        return 0.0
    keys = _keys(valid)[torch.randperm(len(valid), generator=torch.Generator().manual_seed(0)).numpy()]
    found = float(np.isin(keys[:half], keys[half:]).mean())
    return float(1 - (1 - found) ** max(1.0, train / (len(valid) - half)))


def _keys(rows: Rows) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    return row_keys([part for _, part in named_tensors(rows.inputs)])


def _same_rows(train: Rows, valid: Rows) -> list[tuple[int, int]]:
    ours, theirs = _keys(train), _keys(valid)
    if ours.dtype != theirs.dtype:
        return []
    place = {key.tobytes(): at for at, key in enumerate(ours)}
    return [(at, place[key.tobytes()]) for at, key in enumerate(theirs) if key.tobytes() in place]


def _near_rows(rows: Rows, held: Rows) -> tuple[list[tuple[int, int]], float]:
    """Held-out rows much nearer to a training row than those are to each other, and their share less that of the latter."""
    x, x_held = flat_rows(rows.inputs, held.inputs)
    assert x_held is not None
    if x.shape[1] < 2 or len(x) < 20:
        return [], 0.0
    among = torch.cdist(x, x).fill_diagonal_(float("inf")).min(1).values
    beside = torch.cdist(x_held, x).min(1)
    bound = _NEAR * float(among.median()) + 1e-6
    ours = float((among < bound).float().mean())
    which = (beside.values < bound).nonzero().flatten().tolist()
    return [(at, int(beside.indices[at])) for at in which], max(0.0, len(which) / len(x_held) - ours)


def told_apart(rows: Rows, held: Rows) -> tuple[float | None, float | None]:
    """The area under the curve of a classifier of training against held-out rows, over folds, with its standard error."""
    x, x_held = flat_rows(rows.inputs, held.inputs)
    assert x_held is not None
    count = min(len(x), len(x_held))
    if count < 20 or not x.shape[1]:
        return None, None
    both = torch.cat([x[choose(len(x), count, seed=1)], x_held[choose(len(x_held), count, seed=1)]])
    whole = torch.stack([both.mean(1), both.std(1, correction=0), both.amax(1), both.amin(1)], dim=1)
    if both.shape[1] > _COLUMNS:  # mixed to fewer
        mixing = torch.randn(both.shape[1], _COLUMNS, generator=torch.Generator().manual_seed(0))
        both = both @ mixing / both.shape[1] ** 0.5
    both = torch.cat([whole, both, both.square().clamp(max=9.0)], dim=1)  # squares tell splits that differ in spread
    label = torch.cat([torch.zeros(count), torch.ones(count)])
    fold = torch.randperm(2 * count, generator=torch.Generator().manual_seed(0)) % _FOLDS
    areas = []
    for each in range(_FOLDS):
        weight, bias = ridge(both[fold != each], label[fold != each][:, None], 0.1)
        areas.append(_area((both[fold == each] @ weight + bias)[:, 0], label[fold == each]))
    area = float(np.mean(areas))
    return area, _area_se(area, count, count)


def _area(scores: Tensor, label: Tensor) -> float:
    """P(score of a held-out row > score of a training row), half for ties."""
    one, zero = scores[label > 0.5], scores[label < 0.5]
    if not len(one) or not len(zero):
        return 0.5
    return float(((one[:, None] > zero).float() + 0.5 * (one[:, None] == zero).float()).mean())


def _area_se(area: float, positive: int, negative: int) -> float:
    """Hanley and McNeil (1982)."""
    area = min(max(area, 1e-3), 1 - 1e-3)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positive - 1) * (first - area**2) + (negative - 1) * (second - area**2)
    return float((max(variance, 0.0) / (positive * negative)) ** 0.5)


def _class_distance(ours: Tensor, theirs: Tensor, classes: bool | None) -> float | None:
    """Half of Σ|p − q| over the classes, less what chance alone is expected to make."""
    one, two = ours.detach().cpu(), theirs.detach().cpu()
    whole = not one.is_floating_point() or bool(((one == 0) | (one == 1)).all())
    if classes is False or (classes is None and not whole) or len(one) != one.numel() or len(two) != two.numel():
        return None
    a, b = classes_in(one), classes_in(two)
    if int(a.min()) < 0 or int(b.min()) < 0 or max(int(a.max()), int(b.max())) >= 100:
        return None
    many = max(int(a.max()), int(b.max())) + 1
    p, q = (torch.bincount(each, minlength=many).double() / len(each) for each in (a, b))
    pooled = (p * len(a) + q * len(b)) / (len(a) + len(b))
    chance = (pooled * (1 - pooled) * (1 / len(a) + 1 / len(b)) * 2 / torch.pi).sqrt().sum() / 2
    return max(0.0, float((p - q).abs().sum() / 2 - chance))
