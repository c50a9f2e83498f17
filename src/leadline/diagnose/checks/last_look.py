"""The trained network: how good it is on rows it learned and on others, and whether it looks at its inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from leadline.diagnose.checks.first_look import input_dependence
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.loss_graphs import read_graph
from leadline.diagnose.checks.task_guess import answer_tensor, answers_of, classes_in, errors_of, share_wrong
from leadline.diagnose.layer_hooks import LayerHooks
from leadline.diagnose.readings import Judged, Last
from leadline.diagnose.subject import Rows, Subject, first_tensor
from leadline.errors import LeadlineError
from leadline.explain.gradients_in_time import gradient_through_time

_ROWS, _PARTS, _HOOKED, _SHOWN = 2048, 32, 512, 50
_LEFT = 0.01  # of a gradient, at the horizon
_DRAWS = 4


def read_last(subject: Subject) -> Last:
    """Everything but the course of the loss."""
    model = subject.trained()
    train = subject.train.take(choose(len(subject.train), _ROWS))
    head, loss = ending_of(subject, model, train)
    outputs = subject.outputs(model.eval(), train)
    last = Last(train=judge(subject, train, model, head=head, loss=loss, outputs=outputs))
    if subject.valid is not None and len(subject.valid) > 1:
        last.valid = judge(subject, subject.valid.take(choose(len(subject.valid), _ROWS)), model, head=head, loss=loss)
    last.input_dependence = input_dependence(outputs)
    if subject.loss is not None:
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
        last.permuted_loss = subject.loss_of(model.eval(), Rows(train.inputs, train.take(order).targets))
        last.mode_difference = mode_difference(subject, model, train, floor=0.05 * abs(last.permuted_loss))
    last.dead, last.saturated = resting_units(subject, subject.trained(), train)
    last.suspicious = _suspicious(subject, outputs, train, head, loss)
    if any(isinstance(module, nn.RNNBase) for module in model.modules()) and subject.loss is not None:
        with suppress(LeadlineError):  # a layer that reads one step has no way through time
            last.horizon = horizon(subject, train)
    return last


def judge(
    subject: Subject,
    rows: Rows,
    model: nn.Module,
    *,
    head: Sequence[str] = (),
    loss: Sequence[str] = (),
    outputs: Any = None,
) -> Judged:
    """How good the network is on these rows, in evaluation mode.

    The standard error of the loss is that over up to 32 parts of the rows. Where a task has no errors of its own the error is
    the loss.

    Args:
        subject: whose task and loss they are.
        rows: to judge on.
        model: the network or a copy; its mode is changed.
        head: operations with which it ends, and
        loss: those of the loss: they say what one output means.
        outputs: of the rows in evaluation mode, where they are known.
    """
    if outputs is None:
        outputs = subject.outputs(model.eval(), rows)
    value, spread = _parted_loss(subject, outputs, rows)
    error = math.nan if value is None else value
    judged = Judged(rows=len(rows), loss=value, error=error, loss_se=spread, error_se=spread)
    answers, targets = answer_tensor(outputs), rows.targets
    if answers is None or not isinstance(targets, Tensor):
        return judged
    if subject.task == "other":
        given = _classes_of_places(answers, targets, head, loss)
        found = _elementwise_errors(answers, targets) if given is None else _judge_places(judged, *given)
        if found is not None:
            judged.error, judged.error_se = share_wrong(found, "number")
        return judged
    errors = errors_of(subject.on_scale(answers), targets, subject.task, classes=subject.classes, head=head, loss=loss)
    errors = torch.where(torch.isfinite(errors), errors, 1.0)
    judged.error, judged.error_se = share_wrong(errors, subject.task)
    if subject.task == "classes":
        flat, labels = answers.reshape(len(answers), -1), classes_in(targets)
        if flat.shape[1] > max(int(labels.max()), 1):
            judged.silent = float((flat.gather(1, labels[:, None]) == 0).float().mean())
        signs = targets.numel() == len(targets) and float(targets.min()) == -1
        _judge_classes(
            judged,
            answers,
            answers_of(answers, subject.classes, head=head, loss=loss, signs=signs),
            targets,
            subject.classes,
            head,
        )
    else:
        flat = answers.float().reshape(len(answers), -1)
        size = float(flat.abs().max())
        judged.constant = bool(len(flat) > 1 and float(flat.std(0, correction=0).max()) <= 1e-5 * size + 1e-12)
    return judged


def read_restless(subject: Subject) -> tuple[float, float] | None:
    """The error on held-out rows in training mode, and the standard error of its difference to that in evaluation mode.

    None where rows have no errors of their own. Of dropout it is the mean of a few draws.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> error, spread = read_restless(a_subject())
        >>> spread > 0
        True
    """
    rows = subject.valid if subject.valid is not None else subject.train
    rows = rows.take(choose(len(rows), _ROWS))
    head, loss = ending_of(subject, subject.trained(), rows)
    if subject.task not in ("classes", "labels", "number"):
        return None

    def errors(*, training: bool) -> Tensor:
        outputs = subject.on_scale(subject.outputs(subject.trained().train(training), rows, size=len(rows)))
        found = errors_of(outputs, rows.targets, subject.task, classes=subject.classes, head=head, loss=loss)
        return torch.where(torch.isfinite(found), found, 1.0).double()

    restless = torch.stack([errors(training=True) for _ in range(_DRAWS)]).mean(0)
    difference = restless - errors(training=False)
    spread = float(difference.std()) / len(rows) ** 0.5 if len(rows) > 1 else math.inf
    return float(restless.mean()), max(spread, 0.5 / len(rows))


def mode_difference(subject: Subject, model: nn.Module, rows: Rows, *, floor: float) -> float:
    """|loss in training mode − loss in evaluation mode|, relative to the latter or a floor, whichever is larger."""
    size = max(subject.batch, 2)
    whole = rows.take(slice(0, len(rows) - 1)) if len(rows) % size == 1 else rows  # batch normalization wants two rows
    quiet = subject.loss_of(model.eval(), whole, size=size)
    lively = subject.loss_of(model.train(), whole, size=size)
    model.eval()
    return abs(lively - quiet) / max(abs(quiet), floor, 1e-12)


def resting_units(subject: Subject, model: nn.Module, rows: Rows) -> tuple[dict[str, float], dict[str, float]]:
    """Layer → share of units that gave nothing on any row, and layer → share of outputs where the activation is flat.

    Activations that are functions are found in the graph; those behind a compiled or checkpointed stretch are not seen.
    """
    found = heard_layers(subject, model, rows.take(choose(len(rows), _HOOKED)))
    if found is None:
        return {}, {}
    hooks, root = found
    dead, saturated, _ = hooks.readings(root)
    return dead, saturated


def heard_layers(subject: Subject, model: nn.Module, rows: Rows) -> tuple[LayerHooks, Tensor] | None:
    """What came out of the layers of a copy, in evaluation mode, and the sum of its outputs, with a graph of all layers."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_()
    hooks = LayerHooks(model.eval())
    with torch.enable_grad():
        outputs = answer_tensor(subject.call(model, rows.inputs))
    hooks.remove()
    return (hooks, outputs.float().sum()) if outputs is not None else None


def horizon(subject: Subject, rows: Rows) -> float | None:
    """Steps back after which the gradient of a recurrent layer has fallen to a hundredth; all where it does not fall so far."""
    few = rows.take(choose(len(rows), 16))
    assert subject.loss is not None
    found = gradient_through_time(subject.called(subject.trained()), few.inputs, few.targets, subject.loss)
    reached = []
    for each in found:
        fallen = [at for at, norm in enumerate(each.norms) if norm < _LEFT * each.norms[0]]
        reached.append(float(fallen[0] if fallen else len(each.norms)))
    return min(reached, default=None)


def ending_of(subject: Subject, model: nn.Module, rows: Rows) -> tuple[list[str], list[str]]:
    """The operations of head and loss, which say what one output means, from a pass of two rows."""
    few = rows.take(slice(0, 2))
    try:
        with torch.enable_grad():
            outputs = subject.call(model.eval(), few.inputs)
            values = answer_tensor(outputs)
            assert values is not None
            value = values.sum() if subject.loss is None else subject.loss(outputs, few.targets)
        graph = read_graph(value, model, (), loss_function=subject.loss, outputs=outputs)
    except (RuntimeError, ValueError, AssertionError):  # a loss that wants more rows: what one output means is then guessed
        return [], []
    return graph.head, graph.loss_operations if subject.loss is not None else []


def _parted_loss(subject: Subject, outputs: Any, rows: Rows) -> tuple[float | None, float]:
    if subject.loss is None:
        return None, 0.0
    size = max(1, math.ceil(len(rows) / _PARTS))
    parts = subject.loss_parts(rows, size)
    size = len(parts[0])
    by_row = isinstance(outputs, Tensor) and outputs.ndim > 0 and len(outputs) == len(rows)
    model = subject.trained().eval() if not by_row else None  # of several outputs a part is made anew
    with torch.no_grad():
        given = [
            outputs[at * size : (at + 1) * size] if model is None else subject.call(model, part.inputs)
            for at, part in enumerate(parts)
        ]
        values = [float(subject.loss(each, part.targets)) for each, part in zip(given, parts, strict=True)]
    weights = [len(part) for part in parts]
    loss, weight = torch.tensor(values, dtype=torch.float64), torch.tensor(weights, dtype=torch.float64)
    mean = float((loss * weight).sum() / weight.sum())
    return mean, float(loss.std() / len(loss) ** 0.5) if len(loss) > 1 else 0.0


def _judge_classes(
    judged: Judged, outputs: Tensor, answers: Tensor, targets: Tensor, classes: int, head: Sequence[str]
) -> None:
    wanted = classes_in(targets)
    many = max(classes, int(wanted.max()) + 1, int(answers.max()) + 1)
    counts = torch.bincount(wanted, minlength=many).double()
    right = torch.bincount(wanted[wanted == answers], minlength=many).double()
    judged.counts = [int(each) for each in counts]
    judged.recalls = [float(a / b) if b else math.nan for a, b in zip(right, counts, strict=True)]
    present = counts > 0
    judged.balanced_error = 1 - float((right[present] / counts[present]).mean())
    judged.answered = (torch.bincount(answers, minlength=many).double() / len(answers)).tolist()
    judged.constant = len(answers) > 1 and max(judged.answered) == 1.0
    flat = outputs.detach().float().reshape(len(outputs), -1)
    if "softmax" in head or "sigmoid" in head:
        p = flat.clamp(1e-9, 1)
        p = p / p.sum(1, keepdim=True) if flat.shape[1] > 1 else torch.cat([p, (1 - p).clamp(min=1e-9)], 1)
    else:
        p = flat.softmax(1) if flat.shape[1] > 1 else torch.cat([flat.sigmoid(), (-flat).sigmoid()], 1)
    judged.entropy = float(-(p * p.clamp(min=1e-12).log()).sum(1).mean())


def _classes_of_places(
    outputs: Tensor, targets: Tensor, head: Sequence[str], loss: Sequence[str]
) -> tuple[Tensor, Tensor] | None:
    """Of sequences and maps with a class for each place: what is answered there and what is true, [N, …] whole numbers."""
    if outputs.ndim > 1 and len(outputs) != len(targets) == outputs.shape[1]:
        outputs = outputs.transpose(0, 1)  # time comes first
    if not targets.is_floating_point() and outputs.ndim == targets.ndim + 1:
        last = outputs.shape[:-1] == targets.shape
        if last or outputs.movedim(1, -1).shape[:-1] == targets.shape:
            return outputs.argmax(-1 if last else 1), targets
    if outputs.shape == targets.shape and any("binary_cross_entropy" in name for name in loss):
        threshold = 0.0 if any("logits" in name for name in loss) and "sigmoid" not in head else 0.5
        if bool(((targets == 0) | (targets == 1)).all()):
            return (outputs > threshold).long(), targets.long()
    return None


def _judge_places(judged: Judged, answers: Tensor, targets: Tensor) -> Tensor:
    """The share of wrong places of each row; of each class its share of the places, and how many of them are found."""
    told = targets >= 0  # below 0 are places that are left out
    wanted, right = targets[told].long(), (answers == targets)[told]
    if wanted.numel():
        counts = torch.bincount(wanted).double()
        found = torch.bincount(wanted[right], minlength=len(counts)).double()
        judged.shares = (counts / counts.sum()).tolist()
        judged.recalls = [float(a / b) if b else math.nan for a, b in zip(found, counts, strict=True)]
        judged.balanced_error = 1 - float((found / counts)[counts > 0].mean())
    rows = len(targets)
    wrong = ((answers != targets) & told).reshape(rows, -1).float().sum(1)
    return wrong / told.reshape(rows, -1).sum(1).clamp(min=1)


def _elementwise_errors(outputs: Tensor, targets: Tensor) -> Tensor | None:
    """Of series, maps and rebuilt inputs, by row: squared errors over a place's variance."""
    rows = len(targets)
    if targets.is_floating_point() and outputs.shape == targets.shape:
        wanted = targets.float().reshape(rows, -1)
        variance = float(wanted.var(0, correction=0).mean()) if rows > 1 else 0.0
        if variance > 0:
            return (outputs.float().reshape(rows, -1) - wanted).square().mean(1) / variance
    return None


def _suspicious(subject: Subject, outputs: Any, rows: Rows, head: Sequence[str], loss: Sequence[str]) -> list[dict[str, Any]]:
    """Training rows for which the network is sure of another class than the label, the surest first."""
    values = answer_tensor(outputs)
    if subject.task != "classes" or values is None or values.numel() == len(values):
        return []
    flat = values.detach().float().reshape(len(values), -1)
    p = flat / flat.sum(1, keepdim=True).clamp(min=1e-9) if "softmax" in head or "sigmoid" in head else flat.softmax(1)
    labels, answers = classes_in(first_tensor(rows.targets)), p.argmax(1)
    sure = p.max(1).values
    which = ((answers != labels) & (sure > 0.8)).nonzero().flatten()
    which = which[sure[which].argsort(descending=True)][:_SHOWN]
    kept = choose(len(subject.train), _ROWS)
    return [
        {"row": int(kept[at]), "label": int(labels[at]), "likelier": int(answers[at]), "confidence": round(float(sure[at]), 4)}
        for at in which.tolist()
    ]
