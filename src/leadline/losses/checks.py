"""What every loss asks of its outputs and targets, cheap enough to be asked at each step."""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError, unknown

_HALF = (torch.bfloat16, torch.float16)


def checked_reduction(reduction: str) -> str:
    if reduction not in ("mean", "none"):
        unknown("reduction", reduction, ("mean", "none"))
    return reduction


def reduced(each: Tensor, reduction: str) -> Tensor:
    """The mean over all, or one value per sample."""
    return each.mean() if checked_reduction(reduction) == "mean" else per_sample(each)


def per_sample(each: Tensor) -> Tensor:
    """One value per sample, the mean over its outputs; what has one value already is left as it is."""
    return each.flatten(1).mean(dim=1) if each.ndim > 1 else each


def check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError("The label smoothing is out of range", expected="a share in [0, 1]", got=label_smoothing)


def single(outputs: Tensor, name: str = "outputs") -> Tensor:
    """The outputs in float32 at least: a difference of two bfloat16 scores near 1000 would be a multiple of 4."""
    if outputs.dtype in _HALF:
        return outputs.float()
    if not outputs.dtype.is_floating_point:
        raise ArgumentError(f"The {name} are no real numbers", expected="floating-point numbers", got=outputs.dtype)
    return outputs


def rows_of_classes(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logits [N, K] and class numbers [N] as int64, whatever integers they came as."""
    if logits.ndim != 2 or targets.shape != logits.shape[:1]:
        raise ArgumentError(
            "The outputs and the targets do not fit together",
            expected="logits [N, K] and class numbers [N]",
            got=f"{list(logits.shape)} and {list(targets.shape)}",
            do="For a distribution as each target take the loss kl_divergence."
            if targets.shape == logits.shape and targets.is_floating_point()
            else None,
        )
    _not_empty(logits)
    if targets.dtype != torch.int64:
        if targets.dtype.is_floating_point or targets.dtype.is_complex:
            raise ArgumentError(
                "The targets are no class numbers",
                expected="whole numbers from 0 (int64)",
                got=targets.dtype,
                do="Convert them with targets.long(), or take a loss for numbers, such as squared_error.",
            )
        targets = targets.long()
    return single(logits, "logits"), targets


def refuse_classes(targets: Tensor, classes: int) -> None:
    """Called when torch has given up: name the first target that is no class, where there is one."""
    try:
        wrong = ((targets < 0) | (targets >= classes)).nonzero()
    except RuntimeError:  # under vmap nothing can be looked at
        return
    if len(wrong):
        row = wrong[0].tolist()
        raise ArgumentError(
            "A target is no class of this network",
            expected=f"class numbers from 0 to {classes - 1} for {classes} outputs",
            got=f"{int(targets[tuple(row)])} in row {row[-1]} ({len(wrong)} of {targets.numel()} rows are so)",
            do="Number the classes from 0, or give the network as many outputs as there are classes.",
        ) from None


def alike(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and targets of one shape, in one floating-point type."""
    if outputs.shape != targets.shape:
        raise ArgumentError(
            "The outputs and the targets differ in shape",
            expected="the same shape for both",
            got=f"{list(outputs.shape)} and {list(targets.shape)}",
        )
    if outputs.ndim == 0:
        raise ArgumentError("The outputs have no rows", expected="shape [N, M]", got=list(outputs.shape))
    _not_empty(outputs)
    outputs = single(outputs)
    return outputs, targets if targets.dtype == outputs.dtype else targets.to(outputs.dtype)


def check_labels(targets: Tensor, *, whole: bool) -> None:
    """On the CPU: labels are from 0 to 1, and if `whole` 0 or 1. It takes 2 µs for a batch of 64."""
    if not targets.is_cpu or torch.compiler.is_compiling():
        return
    try:
        if whole:
            right = torch.equal(targets.square(), targets)
        else:
            low, high = torch.aminmax(targets)
            right = float(low) >= 0 and float(high) <= 1
    except RuntimeError:  # under vmap nothing can be looked at
        return
    if not right:
        raise ArgumentError(
            "A target is no label",
            expected="0 (absent) or 1 (present)" if whole else "from 0 (absent) to 1 (present)",
            got=f"values from {float(targets.min()):g} to {float(targets.max()):g}",
        )


def check_distributions(targets: Tensor) -> None:
    """On the CPU: each row of targets is a distribution."""
    if not targets.is_cpu or torch.compiler.is_compiling():
        return
    try:
        low, high = torch.aminmax(targets.sum(dim=1))
        # Rows of a bfloat16 softmax sum to 1 only as closely as their type resolves.
        right = float(targets.min()) >= 0 and float(low) >= 0.99 and float(high) <= 1.01
    except RuntimeError:  # under vmap nothing can be looked at
        return
    if not right:
        raise ArgumentError(
            "A target is no distribution over the classes",
            expected="no negative value and a sum of 1 in each row",
            got=f"values from {float(targets.min()):g} and sums from {float(low):g} to {float(high):g}",
            do="Give probabilities, softmax(logits), and not logits.",
        )


def _not_empty(outputs: Tensor) -> None:
    if outputs.numel() == 0:
        raise ArgumentError("The batch is empty", expected="at least 1 row and 1 output", got=list(outputs.shape))
