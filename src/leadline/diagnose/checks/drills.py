"""One batch learned by heart: whether a copy of the network, without regularization, can learn a few rows at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import LBFGS, Adam, Optimizer
from torch.overrides import TorchFunctionMode

from leadline.diagnose.checks.answer_columns import row_keys
from leadline.diagnose.checks.input_columns import named_tensors
from leadline.diagnose.checks.last_look import ending_of
from leadline.diagnose.checks.task_guess import answer_tensor, classes_in, errors_of, share_wrong
from leadline.diagnose.readings import Drill
from leadline.diagnose.subject import Rows, Subject, first_tensor

_STEPS, _MOST, _LEAST, _CHECK, _LEARNED = 300, 32, 4, 25, 0.05
_ENOUGH = 50  # steps, for what was not learned in them to say something
_RATES = (3e-3, 3e-2, 3e-4)
Ending = tuple[list[str], list[str]]
DROPPING = {getattr(F, name) for name in dir(F) if "dropout" in name and not name.startswith("_")}


def read_drill(subject: Subject, seconds: float = 1.5) -> Drill:
    """Up to 300 steps on 4 to 32 rows from the first weights: with Adam, the person's own optimizer, and Adam at other rates.

    It ends as soon as the error is below 5 %, and the smallest error that was reached counts; where its seconds were enough for
    less than 50 steps there is none. Dropout and decay are off; batch normalization is in training mode, and for judging, too.
    A network of few parameters gets fewer rows than it could hold.
    """
    began = time.perf_counter()
    if subject.loss is None:
        return Drill()
    rows = drill_rows(subject)
    drill, ending = Drill(rows=len(rows)), ending_of(subject, subject.fresh(), rows)
    makers: list[Callable[[nn.Module], Optimizer]] = [_adam(rate) for rate in _RATES]
    if subject.held and not isinstance(subject.optimizers[0], LBFGS):  # which wants a closure
        makers.insert(1, lambda model: subject.optimizer_for(model, weight_decay=0.0))
    for number, make in enumerate(makers):
        left = seconds - (time.perf_counter() - began)
        if left < 0.1 * seconds and number:
            break
        steps, first, last, error = _learn(subject, rows, make, ending, left if number else 0.5 * seconds)
        told = error is not None and error < _LEARNED
        if steps < _ENOUGH and last is not None and math.isfinite(last) and not told:
            continue  # there was no time to learn anything in
        if not drill.steps or _better(error, last, drill):
            drill.steps, drill.first_loss, drill.last_loss, drill.error = steps, first, last, error
        if drill.error is not None and drill.error < _LEARNED:
            break
    return drill


def drill_rows(subject: Subject) -> Rows:
    """Distinct inputs, of all classes in turn, no more than half of what the parameters could hold."""
    targets = first_tensor(subject.train.targets)
    trainable = sum(each.numel() for each in subject.model.parameters() if each.requires_grad)
    outputs = max(subject.classes, targets[0].numel() if targets.is_floating_point() else 1, 1)
    count = min(_MOST, max(_LEAST, trainable // (2 * outputs)))
    seen, distinct = set[bytes](), []
    for at, key in enumerate(row_keys([part for _, part in named_tensors(subject.train.inputs)])):
        if key.tobytes() not in seen:
            seen.add(key.tobytes())
            distinct.append(at)
    which = torch.tensor(distinct)
    if subject.task == "classes":
        labels = classes_in(targets)[which]
        labels = labels.cpu()  # as the numbers of the rows are
        turn = torch.zeros(len(which), dtype=torch.long)
        for each in torch.unique(labels):
            turn[labels == each] = torch.arange(int((labels == each).sum()))
        which = which[turn.argsort(stable=True)]
    return subject.train.take(which[:count])


def _adam(rate: float) -> Callable[[nn.Module], Optimizer]:
    return lambda model: Adam([each for each in model.parameters() if each.requires_grad] or [torch.zeros(1)], lr=rate)


def _learn(
    subject: Subject, rows: Rows, make: Callable[[nn.Module], Optimizer], ending: Ending, seconds: float
) -> tuple[int, float | None, float | None, float | None]:
    """Steps taken, first and last loss, error at the end."""
    assert subject.loss is not None
    model = subject.fresh()
    turn_off_dropout(model)
    optimizer = make(model)
    began, first, last, step = time.perf_counter(), None, None, 0
    with WithoutDropout(), torch.enable_grad():
        for step in range(1, _STEPS + 1):
            optimizer.zero_grad()
            loss = subject.loss(subject.call(model, rows.inputs), rows.targets)
            if not loss.requires_grad:
                break
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            last = float(loss.detach())
            first = last if first is None else first
            if not math.isfinite(last) or time.perf_counter() - began > seconds:
                break
            if step % _CHECK == 0 and (error := _error(subject, model, rows, ending)) is not None and error < _LEARNED:
                return step, first, last, error
        error = _error(subject, model, rows, ending)
    return step, first, last, error


def _error(subject: Subject, model: nn.Module, rows: Rows, ending: Ending) -> float | None:
    """With the statistics of this batch, as it was learned."""
    answers, targets = answer_tensor(subject.outputs(model, rows)), rows.targets
    if subject.task == "other" or answers is None or not isinstance(targets, Tensor):
        return None
    head, loss = ending
    errors = errors_of(subject.on_scale(answers), targets, subject.task, classes=subject.classes, head=head, loss=loss)
    return share_wrong(torch.where(torch.isfinite(errors), errors, 1.0), subject.task)[0]


def _better(error: float | None, last: float | None, than: Drill) -> bool:
    if error is not None and than.error is not None:
        return error < than.error
    return last is not None and (than.last_loss is None or last < than.last_loss)


def turn_off_dropout(model: nn.Module) -> None:
    """Training mode, all but dropout: of layers of their own, and within recurrent and attention layers."""
    model.train()
    for module in model.modules():
        if "Dropout" in type(module).__name__:
            module.training = False
        elif isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            module.dropout = 0.0


class WithoutDropout(TorchFunctionMode):
    """Within the block dropout that is called as a function does nothing.

    Example:
        >>> with WithoutDropout():
        ...     F.dropout(torch.ones(3), 0.9, training=True)
        tensor([1., 1., 1.])
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in DROPPING and args else func(*args, **(kwargs or {}))
