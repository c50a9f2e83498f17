"""Whether a network that goes through a row step by step is given the answer of a step at that step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.check_readings import Sight
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.kept_rows import leaves_of
from leadline.diagnose.subject import Rows, Subject, each_tensor

_ROWS, _STEPS, _ASKED = 12, 4, 3  # rows of a pass, steps that a row must have, and how many of them are changed in turn
_ROUNDING, _OWN = 1e-5, 0.99  # of the spread of the answers; of what the targets of a step ask, that is asked of its answers


def read_sight(subject: Subject, *, in_place: bool = False) -> Sight:
    """Changes what the network reads where it is the answer, and looks whether what is said there changes.

    Two kinds of inputs are looked at: such as are the targets moved on by one step, x[:, 1:] = y[:, :-1], where a network must
    not see the step ahead; and such as are the targets themselves, given beside other inputs, where it must not see the step
    itself. The latter is told from a network that rebuilds its inputs by its not looking ahead.

    Args:
        subject: whose loss says which answers are held against which targets.
        in_place: without a loss, whether it is known that each step's answer is held against its own target.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_sight(a_subject()).kind
        ''
    """
    rows = subject.train.take(slice(0, _ROWS))
    targets = rows.targets
    if not isinstance(targets, Tensor) or targets.ndim < 2 or targets.shape[1] < _STEPS or len(rows) < 2:
        return Sight()
    given = leaves_of(rows.inputs)
    alike = [at for at, each in enumerate(given) if each.shape == targets.shape]
    ahead = [at for at in alike if torch.equal(given[at][:, 1:].to(targets.dtype), targets[:, :-1])]
    same = [at for at in alike if torch.equal(given[at].to(targets.dtype), targets)]
    if len(same) == len(given) or targets.is_floating_point():
        same = []  # it rebuilds what it gets
    looked = [(at, "next") for at in ahead] + [(at, "own") for at in same]
    if not looked or not (_held_in_place(subject, rows) if subject.loss is not None else in_place):
        return Sight()
    for which, kind in looked:
        moved = [_moves(subject, rows, which, at, at - int(kind == "next")) for at in _places(targets)]
        onward = [_moves(subject, rows, which, at, at - 1) for at in _places(targets)] if kind == "own" else []
        if min(moved) > 0 and not any(onward):
            return Sight(kind, min(moved))
    return Sight()


def _places(targets: Tensor) -> list[int]:
    """Steps to be changed: the second and later ones, as the first is often a sign that is always the same."""
    length = targets.shape[1]
    return sorted({2 + (length - 3) * at // (_ASKED - 1) for at in range(_ASKED)})


def _moves(subject: Subject, rows: Rows, which: int, at: int, looked_at: int) -> float:
    """The share of rows whose answer at one step changes with what they read at another."""
    number = iter(range(len(leaves_of(rows.inputs))))

    def changed(part: Tensor) -> Tensor:
        if next(number) != which:
            return part
        part = part.clone()
        part[:, at] = part[:, at].roll(1, 0)
        return part

    before = leaves_of(rows.inputs)[which][:, at]
    other = (before != before.roll(1, 0)).reshape(len(rows), -1).any(1)
    one, two = (_said(subject, inputs, rows) for inputs in (rows.inputs, each_tensor(rows.inputs, changed)))
    if one is None or two is None or not bool(other.any()):
        return 0.0
    far = (one - two)[:, looked_at].abs().reshape(len(rows), -1).amax(1) > _ROUNDING * float(one.std())
    return float(far[other].float().mean())


def _said(subject: Subject, inputs: Any, rows: Rows) -> Tensor | None:
    """What the trained network answers, rows and steps first; None where there are no steps in it."""
    torch.manual_seed(0)
    with torch.no_grad():
        answers = answer_tensor(subject.call(subject.trained().eval(), inputs))
    return None if answers is None else steps_second(answers, rows.targets)


def steps_second(answers: Tensor, targets: Tensor) -> Tensor | None:
    """Answers with their steps in the second dimension; None where they have not as many as the targets.

    Example:
        >>> steps_second(torch.zeros(2, 7, 5), torch.zeros(2, 5)).shape
        torch.Size([2, 5, 7])
    """
    if answers.ndim < 2 or answers.shape[0] != targets.shape[0]:
        return None
    if answers.shape[1] == targets.shape[1]:
        return answers
    return answers.movedim(2, 1) if answers.ndim == 3 and answers.shape[2] == targets.shape[1] else None


def _held_in_place(subject: Subject, rows: Rows) -> bool:
    """Whether the target of a step asks something of the answer of that step alone."""
    with torch.no_grad():
        outputs = subject.call(subject.fresh().eval(), rows.inputs)
    answers, at = answer_tensor(outputs), _places(rows.targets)[-1]
    if answers is None or not answers.is_floating_point():
        return False
    targets = rows.targets.clone()
    targets[:, at] = targets[:, at].roll(1, 0)
    asked = []
    for each in (rows.targets, targets):
        wanted = answers.detach().clone().requires_grad_()
        with torch.enable_grad():
            assert subject.loss is not None
            loss = subject.loss(_exchanged(outputs, answers, wanted), each)
            asked.append(torch.autograd.grad(loss.sum(), wanted)[0])
    change = steps_second((asked[1] - asked[0]).square(), rows.targets)
    whole = float(change.sum()) if change is not None else 0.0
    return change is not None and whole > 0 and float(change[:, at].sum()) > _OWN * whole


def _exchanged(outputs: Any, old: Tensor, new: Tensor) -> Any:
    return each_tensor(outputs, lambda part: new if part is old else part)
