"""Where numbers stop being finite: the training is gone through again on a copy until they do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS

from leadline.diagnose.kept_rows import leaves_of
from leadline.diagnose.subject import Rows, Subject


def find_place(subject: Subject, seconds: float = 2.0) -> str:
    """The first layer, the loss or the gradient that is not finite, and the row by which it is; empty where none is found.

    A copy begins with the first weights and learns the kept rows, in their order, with the person's optimizer, for at most as
    many steps as the person's training took. What a schedule or a clip does is not repeated.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject()
        >>> subject.train.inputs[5, 2] = torch.inf
        >>> find_place(subject)
        'inputs, row 5'
    """
    if subject.loss is None or not subject.initial or not subject.optimizers:
        return ""
    if (row := _first_row(*leaves_of(subject.train.inputs))) is not None:
        return f"inputs, row {row}"
    if (row := _first_row(*leaves_of(subject.train.targets))) is not None:
        return f"targets, row {row}"
    if isinstance(subject.optimizers[0], LBFGS):
        return ""
    model, began, step = subject.fresh().train(), time.perf_counter(), 0
    optimizer = subject.optimizer_for(model)
    while step < max(subject.steps, 1):
        for start in range(0, len(subject.train), subject.batch):
            rows = subject.train.take(slice(start, start + subject.batch))
            if step >= subject.steps or time.perf_counter() - began > seconds:
                return ""
            optimizer.zero_grad()
            with _outputs_of(model) as outputs:
                loss = subject.loss(subject.call(model, rows.inputs), rows.targets)
            if not bool(torch.isfinite(loss).all()):
                return _place(subject, model, outputs, rows, start)
            loss.sum().backward()  # type: ignore[no-untyped-call]
            broken = [name for name, each in model.named_parameters() if each.grad is not None and not _finite(each.grad)]
            if broken:
                return f"gradient of {broken[-1]}"  # the first that the backward pass comes to
            optimizer.step()
            step += 1
    return ""


def _place(subject: Subject, model: nn.Module, outputs: list[tuple[str, Tensor]], rows: Rows, start: int) -> str:
    broken = [(name, output) for name, output in outputs if not _finite(output)]
    if broken:
        name, output = broken[0]
        alone = output if len(output) == len(rows) else None
        return _with_row(name, None if alone is None else _few_broken(alone), start)
    losses = []
    with torch.no_grad():
        for at in range(len(rows)):
            one = rows.take(slice(at, at + 1))
            losses.append(subject.loss(subject.call(model.eval(), one.inputs), one.targets).float().mean())  # type: ignore[misc]
    return _with_row("loss", _few_broken(torch.stack(losses)), start)


def _with_row(place: str, row: int | None, start: int) -> str:
    return place if row is None else f"{place}, row {start + row}"


def _few_broken(values: Tensor) -> int | None:
    """The first row that is not finite, where most are."""
    bad = ~torch.isfinite(values.detach().float().reshape(len(values), -1)).all(1)
    return int(bad.nonzero()[0, 0]) if 0 < int(bad.sum()) <= len(values) // 2 else None


def _first_row(*tensors: Tensor) -> int | None:
    for tensor in tensors:
        bad = (~torch.isfinite(tensor.float().reshape(len(tensor), -1))).any(1).nonzero()
        if len(bad):
            return int(bad[0, 0])
    return None


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())


@contextmanager
def _outputs_of(model: nn.Module) -> Iterator[list[tuple[str, Tensor]]]:
    """Within the block what comes out of each layer is put down, in the order in which it does."""
    found: list[tuple[str, Tensor]] = []

    def listener(name: str) -> Any:
        def heard(_module: nn.Module, _inputs: Any, output: Any) -> None:
            found.extend((name, each) for each in leaves_of(output) if each.is_floating_point() and each.ndim)

        return heard

    handles = [
        module.register_forward_hook(listener(name)) for name, module in model.named_modules() if not any(module.children())
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
