"""Whether the answer for a row depends on the rows beside it: dimensions of a batch were taken for one another."""

from __future__ import annotations

import torch

from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Subject

_ROWS = 8
_ROUNDING = 1e-3  # of the spread of the answers: kernels for one row and for many may add up in another order


def read_mixing(subject: Subject) -> float | None:
    """How far the answers for the first rows move when the others of their batch are exchanged, in shares of their spread.

    In evaluation mode, where batch norm does not look at the batch either. None where the answers have no row for each row of
    the inputs, or are drawn anew for the same rows, as those of a variational autoencoder.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_mixing(a_subject())
        0.0
    """
    count = min(_ROWS, len(subject.train) // 2)
    if count < 2:
        return None
    # Others at random: where labels come in turns, those that follow say what the first ones say.
    drawn = torch.randperm(len(subject.train) - count, generator=torch.Generator().manual_seed(0))
    first, others = torch.arange(count), count + drawn[:count]
    half = count // 2
    # A recurrent layer that runs along the batch passes on what came before: both halves take their turn.
    orders = (first, torch.cat([first[:half], others[half:]]), torch.cat([others[:half], first[half:]]), first)
    # Each by a copy of its own: a network may carry a state from one call to the next.
    found = [answer_tensor(subject.outputs(subject.trained().eval(), subject.train.take(order))) for order in orders]
    answers = [each.double() for each in found if each is not None and len(each) == count]
    if len(answers) < len(orders):
        return None
    whole, begun, ended, again = answers
    spread = float(whole.std())
    if float((again - whole).abs().max()) > _ROUNDING * spread:
        return None
    moved = max(float((begun - whole)[:half].abs().max()), float((ended - whole)[half:].abs().max()))
    return moved / spread if spread > 0 and moved > _ROUNDING * spread else 0.0
