"""How far back in its rows a network can learn: from which steps a gradient arrives, and whether the others tell more."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from leadline.diagnose.check_readings import Reach
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.input_columns import input_kind
from leadline.diagnose.checks.simple_methods import read_beside
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Rows, Subject

_ROWS, _LEAST = 24, 4  # rows of a pass, and steps that a row must have
_LEFT = 0.01  # of the largest gradient
_SECONDS = 0.8  # for the simple methods of either part


def read_reach(subject: Subject) -> Reach:
    """Which steps of the rows move the answers when the training begins, and what simple methods know by either part.

    A step counts as unreached where ‖∂(answers)/∂x_t‖ is below a hundredth of its largest value over t. Of tokens x_t is what
    the embedding gives for them. Weights that have grown on noise may reach farther later, and throw the gradient about.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_reach(a_subject()).length  # no rows of steps
        0
    """
    inputs = subject.train.inputs
    if not isinstance(inputs, Tensor) or subject.task not in ("classes", "labels", "number"):
        return Reach()
    if (axis := time_axis(inputs)) is None or inputs.shape[axis] < _LEAST:
        return Reach()
    if (norms := arriving(subject, subject.fresh(), axis)) is None:
        return Reach()
    far = norms < _LEFT * norms.max()
    reach = Reach(len(far), int(far.sum()), bool(far.any() and (norms[far] == 0).all()))
    if 0 < reach.unreached < reach.length:
        reach.within, reach.within_se = _known(subject, (~far).nonzero()[:, 0], axis)
        reach.beyond, reach.beyond_se = _known(subject, far.nonzero()[:, 0], axis)
    return reach


def time_axis(inputs: Tensor) -> int | None:
    """Along which the steps of rows lie; None where they are no series.

    Example:
        >>> time_axis(torch.zeros(9, 20, 3)), time_axis(torch.zeros(9, 1, 48)), time_axis(torch.zeros(9, 5))
        (1, 2, None)
    """
    kind = input_kind(inputs)
    if kind == "series":
        return 2 if inputs.shape[2] > 4 * inputs.shape[1] else 1
    return 1 if kind == "tokens" and inputs.ndim == 2 else None


def arriving(subject: Subject, model: nn.Module, axis: int) -> Tensor | None:
    """[T] ‖∂(answers)/∂x_t‖, the mean over some rows; None where nothing arrives anywhere, or x is not seen."""
    length = subject.train.inputs.shape[axis]
    # Not as many rows as steps: which of the dimensions of what is embedded is time is told by their lengths.
    few = subject.train.take(choose(len(subject.train), _ROWS + (length == _ROWS)))
    values, steps = few.inputs, list[Tensor]()
    if values.is_floating_point():
        values = values.detach().clone().requires_grad_()
        steps.append(values)

    def embedded(layer: nn.Module, given: object, vectors: Tensor) -> Tensor:
        steps.append(vectors.detach().requires_grad_())
        return steps[-1]

    layers = [] if steps else [each for each in model.modules() if isinstance(each, nn.Embedding)]
    hooks = [each.register_forward_hook(embedded) for each in layers]
    # The recurrent layers of cuDNN go back in training mode alone.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        answers = answer_tensor(subject.call(model.eval(), values))
    for hook in hooks:
        hook.remove()
    if answers is None or not answers.requires_grad or not steps:
        return None
    signs = torch.randint(0, 2, answers.shape, device=answers.device) * 2 - 1
    total = torch.zeros(length, dtype=torch.float64)
    for part, gradient in zip(steps, torch.autograd.grad((answers * signs).sum(), steps, allow_unused=True), strict=True):
        at = (0, axis) if part is values else (0, 1) if part.shape[:2] == (len(few), length) else (1, 0)
        if part.shape[at[0]] != len(few) or part.shape[at[1]] != length:
            return None  # what is embedded is something else than the steps
        if gradient is not None:
            total += gradient.double().movedim(at, (0, 1)).reshape(len(few), length, -1).norm(dim=2).mean(0).cpu()
    return total if bool(total.isfinite().all()) and float(total.max()) > 0 else None


def _known(subject: Subject, steps: Tensor, axis: int) -> tuple[float, float]:
    """The error of the best simple method that gets these steps alone, and its standard error."""

    def part(rows: Rows) -> Rows:
        return Rows(rows.inputs.index_select(axis, steps.to(rows.inputs.device)), rows.targets)

    valid = part(subject.valid) if subject.valid is not None else None
    beside = read_beside(dataclasses.replace(subject, train=part(subject.train), valid=valid), seconds=_SECONDS)
    best = min(beside.valid_error, key=lambda name: beside.valid_error[name])
    return beside.valid_error[best], beside.valid_se[best]
