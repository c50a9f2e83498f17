"""Input columns that give the answer away: the target itself in other words, or the target with some noise on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leadline.diagnose.check_readings import Giveaway
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.input_columns import input_kind, named_tensors
from leadline.diagnose.checks.linear_fits import linear_fit, ridge
from leadline.diagnose.checks.random_trees import RandomTrees
from leadline.diagnose.checks.simple_methods import answers_wanted, error_of
from leadline.diagnose.subject import Rows, Subject, first_tensor

_MOST, _HELD, _FEW, _FOLDS = 1024, 512, 40, 4  # rows
_TELLS = 0.8  # of a column's variance, that the target must explain for it to be looked at
_SAME = 1e-6  # of a column's variance, that rounding may leave of a copy
_FAR = 10.0


def read_giveaway(subject: Subject) -> Giveaway:
    """The column that the target explains best, how well it answers alone, and how well all others do together.

    A copy of the target takes one value for each class, or lies on a straight line over the numbers; several columns may be a
    copy together, as those of a category are. Of a column with more in it than the target the rest is looked at: what a cause
    of the target has besides is related to other causes, what a noisy copy has besides is related to nothing.

    Returns: `columns` is empty where no column is told by the target, and for inputs that are no table.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject, rings
        >>> rows = rings(400)
        >>> rows.inputs[:, 5] = 2.0 * rows.targets - 1
        >>> found = read_giveaway(a_subject(rows=rows, steps=1))
        >>> found.columns, found.copied, found.others > found.alone
        ([5], True, True)
    """
    table = _table(subject)
    if table is None:
        return Giveaway()
    x, place, y, known = table
    shares = told_by(x[:known], y[:known], classes=subject.task == "classes")  # held-out rows may be scaled by themselves
    share, best = shares.amax(0), int(shares.amax(0).argmax())
    if share[best] < _TELLS:
        return Giveaway()
    if subject.task != "classes":  # of several numbers or labels that which this column tells
        target = int(shares[:, best].argmax())
        share, y = shares[target], y[:, target : target + 1]
    copies = share > 1 - _SAME
    copied = bool(copies.any()) and _one_to_one(x[:known, copies], y[:known], subject.task)
    leaks = copies if copied else torch.arange(len(share)) == best
    others = x[:, ~leaks]
    columns = [place[at] for at in leaks.nonzero().flatten().tolist()]
    found = Giveaway(columns, float(share[best]), copied, int((~leaks).sum()), len(x))
    constant = y.mean(0).expand(len(y), -1)
    found.constant = error_of(constant, y, subject.task)[0]
    if not found.beside:
        return found
    found.alone, _ = _out_of_fold(x[:, leaks], y, subject.task)
    found.others, found.others_se = _out_of_fold(others, y, subject.task)
    if not copied:
        own = x[:, best : best + 1]
        found.shared = _explained(own, others)
        rest, rest_of_others = (_beyond(part, y, classes=subject.task == "classes") for part in (own, others))
        found.shared_beyond = max(_explained(rest, rest_of_others), _explained_by_a_line(rest, rest_of_others))
        found.shared_beyond_se = (2 * found.beside) ** 0.5 / len(x)
    return found


def told_by(x: Tensor, y: Tensor, *, classes: bool) -> Tensor:
    """The share of each column's variance that the means of the classes explain, [1, D], or a line over each number, [M, D].

    Example:
        >>> told_by(torch.tensor([[1.0, 0.0], [1.0, 1.0], [3.0, 0.0], [3.0, 1.0]]), torch.eye(2)[[0, 0, 1, 1]], classes=True)
        tensor([[1., 0.]], dtype=torch.float64)
    """
    x, y = x.double(), y.double()
    centred = x - x.mean(0)
    total = centred.square().sum(0).clamp(min=1e-30)
    if classes:
        means = (y.T @ centred) / y.sum(0).clamp(min=1)[:, None]
        return (y.sum(0)[:, None] * means.square()).sum(0, keepdim=True) / total
    wanted = y - y.mean(0)
    return (wanted.T @ centred).square() / wanted.square().sum(0).clamp(min=1e-30)[:, None] / total


def _table(subject: Subject) -> tuple[Tensor, list[int], Tensor, int] | None:
    """Columns that vary [N, D], their places, what is wanted of the rows [N, M], and how many of them are for training."""
    if subject.task not in ("classes", "labels", "number"):
        return None
    parts = [_numbers(rows, most) for rows, most in ((subject.train, _MOST), (subject.valid, _HELD)) if rows is not None]
    told = [part for part in parts if part is not None]
    if len(told) < len(parts):
        return None
    x = torch.cat([inputs for inputs, _ in told])
    y = answers_wanted(Rows(x, torch.cat([targets for _, targets in told])), subject)
    usable = torch.isfinite(x).all(1)
    known = int(usable[: len(told[0][0])].sum())
    x, y = x[usable], y[usable]
    std, mean = x.std(0, correction=0), x.mean(0)
    varies = std > 1e-6 * mean.abs() + 1e-12
    if known < _FEW or int(varies.sum()) < 2:
        return None
    scaled = ((x - mean) / std)[:, varies].clamp(-_FAR, _FAR)
    return scaled, varies.nonzero().flatten().tolist(), y, known


def _numbers(rows: Rows, most: int) -> tuple[Tensor, Tensor] | None:
    """Inputs [N, D] and targets of some rows; None where the inputs are no table of numbers."""
    parts = named_tensors(rows.inputs)
    if len(parts) != 1 or parts[0][1].ndim != 2 or input_kind(parts[0][1]) != "numbers":
        return None
    x, y = parts[0][1], first_tensor(rows.targets)
    which = choose(len(x), most)
    return x.detach().float().cpu()[which], y.detach().cpu()[which]


def _one_to_one(copies: Tensor, y: Tensor, task: str) -> bool:
    """Whether these columns tell every class from every other; of one number or label a copy does."""
    if task != "classes":
        return True
    present = y[:, y.sum(0) > 0]
    means = (present.T @ copies) / present.sum(0)[:, None]
    apart = torch.cdist(means, means).fill_diagonal_(1.0)
    return bool((apart > 1e-3).all())


@dataclass(frozen=True)
class _Fold:
    inside: Tensor
    outside: Tensor


def _folds(count: int) -> list[_Fold]:
    fold = torch.randperm(count, generator=torch.Generator().manual_seed(0)) % _FOLDS
    return [_Fold(fold != each, fold == each) for each in range(_FOLDS)]


def _out_of_fold(x: Tensor, y: Tensor, task: str) -> tuple[float, float]:
    """The error of the better of a linear model and trees, on rows that they did not see, with its standard error."""
    linear, trees = torch.zeros_like(y), torch.zeros_like(y)
    for fold in _folds(len(x)):
        known, wanted, asked = x[fold.inside], y[fold.inside], x[fold.outside]
        linear[fold.outside] = linear_fit(known, wanted, task, lambda a, b: error_of(a, b, task)[0])(asked)
        trees[fold.outside] = _grown(known, wanted, asked, leaf=1 if task == "classes" else 2)
    return min(error_of(answers, y, task) for answers in (linear, trees))


def _explained(column: Tensor, others: Tensor) -> float:
    """R² of a column [N, 1] from the others, on rows that were not seen: by a line or by trees, whichever is better."""
    line, trees = torch.zeros_like(column), torch.zeros_like(column)
    for fold in _folds(len(column)):
        weight, bias = ridge(others[fold.inside], column[fold.inside], 0.01)
        line[fold.outside] = others[fold.outside] @ weight + bias
        trees[fold.outside] = _grown(others[fold.inside], column[fold.inside], others[fold.outside], leaf=5)
    variance = float((column - column.mean()).square().mean()) or 1.0
    return 1 - min(float((column - answers).square().mean()) for answers in (line, trees)) / variance


def _explained_by_a_line(column: Tensor, others: Tensor) -> float:
    """R² on the rows that it was fitted to, less what chance gives: 0 on average where nothing is related.

    1 − (1 − R²) (N − 1) / (N − D − 1), whose standard error is then about √(2 D) / N.
    """
    rows, columns = others.shape
    weight, bias = ridge(others, column, 1e-4)
    left = (column - others @ weight - bias).square().sum() / (column - column.mean()).square().sum().clamp(min=1e-30)
    return 1 - float(left) * (rows - 1) / max(rows - columns - 1, 1)


def _grown(known: Tensor, wanted: Tensor, asked: Tensor, *, leaf: int) -> Tensor:
    return torch.from_numpy(RandomTrees(known.numpy(), wanted.numpy(), trees=20, leaf=leaf)(asked.numpy()))


def _beyond(part: Tensor, y: Tensor, *, classes: bool) -> Tensor:
    """What is left of columns once the target is known: less the means of its classes, or the best line over its numbers."""
    if classes:
        means = (y.T @ part) / y.sum(0).clamp(min=1)[:, None]
        return part - y @ means
    weight, bias = ridge(y, part, 1e-6)
    return part - (y @ weight + bias)
