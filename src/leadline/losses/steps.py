"""One loss for every step of rows of different lengths: what has no target does not count."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor

from leadline.errors import ArgumentError


def each_step(loss: Callable[..., Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss of rows as a loss of the steps of rows: the mean over all steps of the batch that have a target.

    L = Σ_bt m_bt loss(y_bt, t_bt) / Σ_bt m_bt, with m = 1 where a step has a target and 0 where it has none: behind the end of
    a row, or where nothing was said. Long rows so count more than short ones. Nothing here waits for the device. What comes
    back has `how_many`, a function of targets that counts steps that have one: so a batch in parts has the loss of the whole.

    Shapes: outputs [B, T, K] and class numbers [B, T], negative where there is no target; or outputs [B, T, M] and numbers
    [B, T, M], NaN where there is none → [].

    Args:
        loss: of outputs [N, K] and targets [N] or [N, M] that takes `reduction="none"`.

    Errors: `ArgumentError` for targets that do not fit the outputs, and what the loss raises.

    Example:
        >>> import torch
        >>> from leadline.losses.classes import cross_entropy
        >>> logits, targets = torch.zeros(2, 3, 4), torch.tensor([[0, 3, 1], [2, -100, -100]])
        >>> round(each_step(cross_entropy)(logits, targets).item(), 4)
        1.3863
    """

    @functools.wraps(loss)
    def judged(outputs: Tensor, targets: Tensor) -> Tensor:
        classes = not targets.dtype.is_floating_point
        if outputs.ndim != 3 or targets.shape != (outputs.shape[:2] if classes else outputs.shape):
            raise ArgumentError(
                "The outputs and the targets of the steps do not fit together",
                expected="outputs [B, T, K] and class numbers [B, T], or both [B, T, M]",
                got=f"{list(outputs.shape)} and {list(targets.shape)}",
            )
        there = has_target(targets)
        # What stands in for a missing target reaches no gradient, as its loss is not in the sum.
        known = targets.clamp(min=0) if classes else targets.where(there[..., None], 0.0)
        each = loss(outputs.flatten(0, 1), known.flatten(0, 1), reduction="none")
        return each.where(there.flatten(), 0.0).sum() / there.sum().clamp(min=1)

    judged.how_many = lambda targets: has_target(targets).sum()  # type: ignore[attr-defined]
    return judged


def has_target(targets: Tensor) -> Tensor:
    """Which steps have a target: class numbers that are not negative, numbers none of which is NaN.

    Shapes: [B, T] or [B, T, M] → bool [B, T].

    Args:
        targets: class numbers, or numbers.

    Example:
        >>> import torch
        >>> has_target(torch.tensor([[0, -100]])).tolist(), has_target(torch.tensor([[[0.5], [float("nan")]]])).tolist()
        ([[True, False]], [[True, False]])
    """
    return ~targets.isnan().any(-1) if targets.dtype.is_floating_point else targets >= 0


def step_accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of the steps with a target whose largest logit is that of their class, float32, on the device.

    Shapes: [B, T, K] and [B, T] → [].

    Args:
        logits: any real numbers.
        targets: class numbers, negative where there is none.

    Example:
        >>> import torch
        >>> step_accuracy(torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[1, 1, -100]])).item()
        0.5
    """
    there = has_target(targets)
    return ((logits.argmax(-1) == targets) & there).sum().float() / there.sum().clamp(min=1)


def step_error(values: Tensor, targets: Tensor) -> Tensor:
    """The mean absolute error of the steps with a target, float32, on the device.

    Shapes: [B, T, M] and [B, T, M] → [].

    Args:
        values: of the network.
        targets: NaN where there is none.

    Example:
        >>> import torch
        >>> step_error(torch.zeros(1, 2, 1), torch.tensor([[[3.0], [float("nan")]]])).item()
        3.0
    """
    there = has_target(targets)[..., None]
    off = (values.float() - targets).abs().where(there, 0.0)
    return off.sum() / (there.sum().clamp(min=1) * targets.shape[-1])
