"""Whether functions with a backward pass of their own give the slope of what they compute, by small steps of a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from leadline.diagnose.check_readings import OwnGradients
from leadline.diagnose.subject import Rows, Subject, each_tensor

_ROWS, _TENSORS = 32, 8  # rows, and weights that are looked at, the first ones
_STEP = {torch.float64: 1e-6, torch.float32: 1e-3}  # of the size of a weight tensor
_STAIRS = 1e-6  # of a gradient
_LONG = 1e-4  # of the longest gradient: what is shorter says nothing


def read_own_gradients(subject: Subject) -> OwnGradients:
    """Follows the gradient of each weight tensor a small way: the loss must change as the gradient's length says.

    Only networks and losses with a `torch.autograd.Function` of the person's are looked at, in evaluation mode and, where they
    can, in double precision.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_own_gradients(a_subject(steps=1)).functions
        []
    """
    if subject.loss is None:
        return OwnGradients()
    rows = subject.train.take(slice(0, _ROWS))
    functions = _functions_in(_loss(subject, subject.fresh().eval(), rows))
    if not functions:
        return OwnGradients()
    try:
        off = _off(subject, subject.fresh().eval().double(), _doubled(rows))
    except (RuntimeError, ValueError, TypeError):  # a function that wants single precision
        off = _off(subject, subject.fresh().eval(), rows)
    return OwnGradients(functions, off)


def _loss(subject: Subject, model: nn.Module, rows: Rows) -> Tensor:
    assert subject.loss is not None
    with torch.enable_grad():
        return subject.loss(subject.call(model, rows.inputs), rows.targets)


def _doubled(rows: Rows) -> Rows:
    def double(part: Tensor) -> Tensor:
        return part.double() if part.is_floating_point() else part

    return Rows(each_tensor(rows.inputs, double), each_tensor(rows.targets, double))


def _functions_in(loss: Tensor) -> list[str]:
    """The person's own functions with a backward pass, by name."""
    waiting: list[Any] = [loss.grad_fn] if loss.grad_fn is not None else []
    seen, found = set(waiting), set[str]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, BackwardCFunction):
            made_by = getattr(node, "_forward_cls", type(node))
            if not made_by.__module__.startswith("torch."):
                found.add(made_by.__name__)
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return sorted(found)


def _off(subject: Subject, model: nn.Module, rows: Rows) -> float:
    """The largest share by which the slope along a gradient is another than its length."""
    weights = [each for each in model.parameters() if each.requires_grad and each.ndim > 1 and each.is_floating_point()]
    loss = _loss(subject, model, rows)
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    if float(_loss(subject, model, rows).detach()) != float(loss.detach()):
        return 0.0  # with noise in it no small step can be seen
    return max(_each_off(subject, model, rows, weights[:_TENSORS], gradients[:_TENSORS]), default=0.0)


def _each_off(
    subject: Subject, model: nn.Module, rows: Rows, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> Iterator[float]:
    longest = max((float(each.norm()) for each in gradients if each is not None), default=0.0)
    for weight, gradient in zip(weights, gradients, strict=True):
        length = float(gradient.norm()) if gradient is not None else 0.0
        if gradient is None or not length > _LONG * longest:
            continue
        step = _STEP.get(weight.dtype, 1e-2) * max(float(weight.detach().norm()), 1e-3)
        found = []
        for sign in (1, -1):
            with torch.no_grad():
                weight += sign * step * gradient / length
                found.append(float(_loss(subject, model, rows).detach()))
                weight -= sign * step * gradient / length
        slope = (found[0] - found[1]) / (2 * step)
        if abs(slope) < _STAIRS * length:
            continue  # steps of stairs have no slope: what passes a gradient by them is meant to
        yield abs(slope - length) / max(abs(slope), length)
