"""Whether what is rebuilt by way of a code that is drawn, as by a variational autoencoder, depends on the row at all."""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Subject

_ROWS, _DRAWS = 128, 8


def read_passed(subject: Subject) -> float | None:
    """How far the answers differ from row to row, beyond what is drawn, in shares of how far the rows themselves differ.

    v = (var_rows(mean over draws) − var_draws / draws) / var_rows(targets), of sums over all places, at least 0. None where
    answers are no rows like the targets, are the same each time, or are no numbers.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_passed(a_subject()) is None
        True
    """
    rows = subject.train.take(choose(len(subject.train), _ROWS))
    if not isinstance(rows.targets, Tensor) or len(rows) < 2:
        return None
    # Each by a copy of its own: what a network keeps from one call to the next is no drawing.
    one, again = (answer_tensor(subject.outputs(subject.trained().eval(), rows)) for _ in range(2))
    if one is None or again is None or one.shape != rows.targets.shape:
        return None
    if torch.equal(one, again) or not bool(one.isfinite().all()):
        return None
    model = subject.trained().eval()
    more = [answer_tensor(subject.outputs(model, rows)) for _ in range(_DRAWS - 2)]
    draws = torch.stack([each.double().reshape(len(rows), -1) for each in (one, again, *more) if each is not None])
    noise = float(draws.var(0).mean(0).sum()) / len(draws)
    told, wanted = float(draws.mean(0).var(0).sum()), float(rows.targets.double().reshape(len(rows), -1).var(0).sum())
    return max(0.0, told - noise) / wanted if wanted > 0 else None
