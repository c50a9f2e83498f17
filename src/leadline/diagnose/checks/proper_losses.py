"""Whether a loss of shares is at its smallest where the answers are the targets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Subject

_ROWS, _ROUNDING = 64, 1e-3
_SOFT = 0.02  # mean entropy, from which targets are no single classes


def read_improper(subject: Subject) -> float | None:
    """‖∂L/∂z‖ at z = log y over that at z = 0, of the softmax of z where the network gives shares: 0 where nothing is better.

    None where the targets are no shares of several classes.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject()
        >>> shares = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
        >>> subject.train.targets = shares
        >>> subject.loss = lambda outputs, targets: F.kl_div(outputs.softmax(1), targets, reduction="batchmean")
        >>> read_improper(subject) > 0.3
        True
        >>> subject.loss = lambda outputs, targets: F.kl_div(outputs.log_softmax(1), targets, reduction="batchmean")
        >>> read_improper(subject) < 1e-3
        True
    """
    rows = subject.train.take(slice(0, _ROWS))
    targets = rows.targets
    if subject.loss is None or not isinstance(targets, Tensor) or not targets.is_floating_point() or targets.ndim != 2:
        return None
    outputs = subject.outputs(subject.fresh().eval(), rows)
    answers = answer_tensor(outputs)
    if answers is not outputs or answers is None or answers.shape != targets.shape or not are_shares(targets):
        return None
    small = targets.clamp(min=1e-6)
    if float(-(small * small.log()).sum(1).mean()) < _SOFT:
        return None
    squeezed = are_shares(answers)
    norms = []
    for start in (small.log(), torch.zeros_like(small)):
        place = start.detach().clone().requires_grad_()
        with torch.enable_grad():
            loss = subject.loss(F.softmax(place, 1) if squeezed else place, targets)
            norms.append(float(torch.autograd.grad(loss.sum(), place)[0].norm()))
    return norms[0] / norms[1] if norms[1] > 0 else None


def are_shares(rows: Tensor) -> bool:
    """Whether each row is of numbers from 0 up that sum to 1.

    Example:
        >>> are_shares(torch.tensor([[0.2, 0.8]])), are_shares(torch.tensor([[0.2, 0.9]])), are_shares(torch.ones(3, 1))
        (True, False, False)
    """
    return rows.shape[1] > 1 and bool((rows >= 0).all()) and bool(((rows.float().sum(1) - 1).abs() < _ROUNDING).all())
