"""What simple methods reach on the same rows: one answer for all, a linear model, nearest neighbours, trees."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.diagnose.checks.flat_features import choose, flat_rows
from leadline.diagnose.checks.input_columns import named_tensors
from leadline.diagnose.checks.linear_fits import linear_fit
from leadline.diagnose.checks.random_trees import RandomTrees
from leadline.diagnose.checks.task_guess import classes_in, share_wrong
from leadline.diagnose.readings import Beside
from leadline.diagnose.subject import Rows, Subject, first_tensor

Method = Callable[[Tensor], Tensor]  # rows [N, D] → answers [N, M]
_MOST, _FEW, _WIDE = 1024, 12, 512
_NEIGHBOURS = (1, 5, 15)


def read_beside(subject: Subject, seconds: float = 2.0) -> Beside:
    """Fits each to up to 1,024 training rows and judges it on as many held-out ones.

    Where there are no held-out rows a third of the training rows is left out for it. The network's own error must be judged on
    the same held-out rows to be compared.
    """
    began = time.perf_counter()
    train, valid, from_split = subject.train, subject.valid, subject.valid is not None
    if valid is None or len(valid) < _FEW:
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
        third = len(train) // 3
        train, valid, from_split = train.take(order[third:].sort().values), train.take(order[:third].sort().values), False
    width = sum(part[0].numel() for _, part in named_tensors(train.inputs) if len(part))
    train, valid = train.take(choose(len(train), _MOST if width < _WIDE else 640)), valid.take(choose(len(valid), _MOST))
    beside = Beside(valid_rows=len(valid), from_split=from_split, task=subject.task)
    if len(train) < _FEW or len(valid) < 3 or subject.task == "other":
        return beside
    x, x_valid = flat_rows(train.inputs, valid.inputs)
    assert x_valid is not None
    y, y_valid = answers_wanted(train, subject), answers_wanted(valid, subject)
    fits: dict[str, Callable[[Tensor, Tensor, str], Method]] = {
        "constant": _constant,
        "linear": _linear,
        "neighbours": neighbours_fit,
        "trees": _trees_fit,
    }
    if not x.shape[1]:
        fits = {"constant": _constant}
    for name, fit in fits.items():
        if time.perf_counter() - began > seconds:
            break
        method = fit(x, y, subject.task)
        beside.train_error[name] = error_of(method(x), y, subject.task)[0]
        answers = method(x_valid)
        beside.valid_error[name], beside.valid_se[name] = error_of(answers, y_valid, subject.task)
        if subject.task == "classes":
            beside.valid_balanced[name] = _balanced(answers, y_valid)
    return beside


def answers_wanted(rows: Rows, subject: Subject) -> Tensor:
    """[N, M]: one-hot classes, 0/1 labels, numbers."""
    targets = first_tensor(rows.targets).detach().cpu()
    if subject.task == "classes":
        numbers = classes_in(targets)
        return F.one_hot(numbers.clamp(min=0), max(subject.classes, int(numbers.max()) + 1)).float()
    return torch.nan_to_num(targets.reshape(len(targets), -1).float())


def error_of(answers: Tensor, wanted: Tensor, task: str) -> tuple[float, float]:
    """Share wrong, or 1 − R², with its standard error."""
    if task == "classes":
        errors = (answers.argmax(1) != wanted.argmax(1)).float()
    elif task == "labels":
        errors = ((answers > 0.5) != (wanted > 0.5)).float().mean(1)
    else:
        spread = wanted.var(0, correction=0)
        told = spread > 0
        errors = ((answers - wanted)[:, told].square() / spread[told]).mean(1)
    return share_wrong(errors, task)


def _balanced(answers: Tensor, wanted: Tensor) -> float:
    """The mean over the classes that are there of the share of their rows that is answered wrongly."""
    right, truth = answers.argmax(1) == wanted.argmax(1), wanted.argmax(1)
    return 1 - float(torch.stack([right[truth == each].float().mean() for each in torch.unique(truth)]).mean())


def _constant(x: Tensor, y: Tensor, task: str) -> Method:
    mean = y.mean(0)
    return lambda rows: mean.expand(len(rows), -1)


def _linear(x: Tensor, y: Tensor, task: str) -> Method:
    return linear_fit(x, y, task, lambda answers, wanted: error_of(answers, wanted, task)[0])


def neighbours_fit(x: Tensor, y: Tensor, task: str) -> Method:
    """The mean answer of the nearest; how many of them, by leaving each row out in turn. For the rows themselves it does so."""
    apart = torch.cdist(x, x).fill_diagonal_(float("inf"))
    order = apart.topk(min(max(_NEIGHBOURS), len(x) - 1), largest=False).indices
    tried = {k: error_of(y[order[:, :k]].mean(1), y, task)[0] for k in _NEIGHBOURS if k < len(x)}
    best = min(tried, key=lambda each: tried[each])

    def answer(rows: Tensor) -> Tensor:
        if rows is x:
            return y[order[:, :best]].mean(1)
        return y[torch.cdist(rows, x).topk(best, largest=False).indices].mean(1)

    return answer


def _trees_fit(x: Tensor, y: Tensor, task: str) -> Method:
    trees = RandomTrees(x.numpy(), y.numpy(), trees=40, leaf=1 if task == "classes" else 2)
    return lambda rows: torch.from_numpy(trees(rows.numpy()))
