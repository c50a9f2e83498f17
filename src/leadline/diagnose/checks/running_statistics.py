"""Whether the running statistics of batch norm serve the network as well as those of batches do."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.last_look import ending_of
from leadline.diagnose.checks.task_guess import errors_of
from leadline.diagnose.subject import Subject

_ROWS, _BATCH, _FEW = 1024, 256, 32


def read_stale(subject: Subject) -> tuple[float, float] | None:
    """How much larger the error on training rows is with running statistics than with those of batches, and its standard error.

    All else is in evaluation mode. None without running statistics, and where rows have no errors of their own.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> norm = torch.nn.BatchNorm1d(6, momentum=0.0)
        >>> norm.running_mean += 5
        >>> model = torch.nn.Sequential(norm, torch.nn.Linear(6, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))
        >>> more, spread = read_stale(a_subject(model))
        >>> more > 3 * spread
        True
    """
    norms = [each for each in subject.model.modules() if isinstance(each, _BatchNorm) and each.running_mean is not None]
    count = min(len(subject.train), _ROWS)
    if not norms or count < _FEW or subject.task not in ("classes", "labels", "number"):
        return None
    mixed = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    rows = subject.train.take(choose(len(subject.train), _ROWS)[mixed][: count // _BATCH * _BATCH or count])
    head, loss = ending_of(subject, subject.trained(), rows)

    def errors(*, batches: bool) -> Tensor:
        model = subject.trained().eval()
        for each in model.modules():
            if isinstance(each, _BatchNorm):
                each.train(batches)
        outputs = subject.on_scale(subject.outputs(model, rows, size=_BATCH))
        found = errors_of(outputs, rows.targets, subject.task, classes=subject.classes, head=head, loss=loss)
        return torch.where(torch.isfinite(found), found, 1.0).double()

    more = errors(batches=False) - errors(batches=True)
    return float(more.mean()), max(float(more.std()) / len(rows) ** 0.5, 0.5 / len(rows))
