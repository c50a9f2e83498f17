"""The features that a classifier decides by: what goes into its last linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.transfer.cutting import CutNetwork, cut
from leadline.transfer.passing import calls_of, evaluating

_BATCH = 256


def before_head(model: nn.Module, shape: Sequence[int]) -> CutNetwork:
    """A copy of a classifier that gives what its last linear layer decides by, the features in which its classes lie apart.

    Shapes: [B, *shape] → [B, D].

    Args:
        model: any network that ends with a linear layer, whatever comes behind it.
        shape: of one input, without the batch.

    Errors: `ArgumentError` for a network that calls no linear layer, or cannot take such inputs.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
        >>> before_head(network, (1, 8, 8)).width
        288
    """
    modules = dict(model.named_modules())
    linear = [call.name for call in calls_of(model, shape) if isinstance(modules[call.name], nn.Linear)]
    if not linear:
        raise ArgumentError(
            f"{type(model).__name__} has no linear layer at its end",
            expected="a classifier with a linear head",
            do="Cut it at a layer that you name, with transfer.cut.",
        )
    return cut(model, f"before {linear[-1]}", shape)


def features_of(network: nn.Module, inputs: Tensor, *, batch_size: int = _BATCH) -> Tensor:
    """What a network makes of many inputs in evaluation mode, a batch at a time, float32 [N, D] on the CPU.

    Shapes: [N, …] → [N, D].

    Args:
        network: such as `before_head` gives it; its modes are as before afterwards.
        inputs: prepared as it was trained on; on the CPU they may be more than a device holds.
        batch_size: rows at a time.

    Errors: `ArgumentError` for no rows, or outputs that are no rows of features.

    Example:
        >>> features_of(nn.Flatten(), torch.zeros(5, 1, 2, 2)).shape
        torch.Size([5, 4])
    """
    if not len(inputs) or batch_size < 1:
        raise ArgumentError("There are no features of nothing", expected="at least 1 row", got=list(inputs.shape))
    device = next((each.device for each in (*network.parameters(), *network.buffers())), inputs.device)
    with torch.no_grad(), evaluating(network):
        parts = (inputs[start : start + batch_size] for start in range(0, len(inputs), batch_size))
        found = [network(part.to(device)) for part in parts]
    if any(not isinstance(part, Tensor) or part.ndim != 2 for part in found):
        raise ArgumentError("The network gives no rows of features", expected="outputs [N, D]")
    return torch.cat([part.float().cpu() for part in found])
