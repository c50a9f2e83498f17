"""When a batch cannot be trained on: which layer refused which shape, and which sample holds no number."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, LeadlineError

_SEARCHED = 100_000  # batches that are looked through for a value that is not a number


def refused(error: Exception, model: nn.Module, inputs: Any, targets: Any) -> Exception:
    """What to raise in place of an error from the forward pass or the loss: one that names the layer and the shape.

    The forward pass is repeated with an ear at each layer; whatever is no layer's fault (a bug in the network's own code, a
    full memory) is given back as it came.

    Args:
        error: what was raised.
        model: the network.
        inputs: of the batch.
        targets: of the batch.

    Example:
        >>> network, inputs, targets = nn.Sequential(nn.Linear(4, 2)), torch.ones(8, 5), torch.zeros(8, dtype=torch.long)
        >>> try:
        ...     network(inputs)
        ... except RuntimeError as error:
        ...     print(refused(error, network, inputs, targets))
        The layer '0', Linear(in_features=4, out_features=2, bias=True), cannot take its input. Got float32 [8, 5] (mat1 and
        mat2 shapes cannot be multiplied (8x5 and 4x2)).
    """
    if isinstance(error, (LeadlineError, torch.OutOfMemoryError)):
        return error
    entered: list[tuple[str, nn.Module, tuple[Any, ...]]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, given, name=name: entered.append((name, module, given)))
        for name, module in model.named_modules()
        if not any(module.children())
    ]
    left = [
        module.register_forward_hook(lambda module, given, out: entered.pop() and None)
        for module in model.modules()
        if not any(module.children())
    ]
    try:
        outputs = model(inputs)
    except type(error):
        if not entered:
            return error
        name, module, given = entered[-1]
        where = f"The layer {name!r}, {module}," if name else f"The network {module}"
        return ArgumentError(f"{where} cannot take its input", got=f"{_described(given)} ({_first_line(error)})")
    except Exception:
        return error
    finally:
        for hook in (*hooks, *left):
            hook.remove()
    return ArgumentError(
        "The loss cannot take these outputs and targets",
        got=f"outputs {_described(outputs)} and targets {_described(targets)} ({_first_line(error)})",
    )


def strange_sample(batches: Iterable[Any], epoch: int) -> str:
    """Where the first input or target of an epoch stands that is not a finite number, or an empty string.

    Args:
        batches: of the training, of one network or of many; those of `data.Batches` are named by the ids of their rows.
        epoch: which epoch's order is gone through.

    Example:
        >>> strange_sample([(torch.tensor([[1.0], [float("nan")]]), torch.tensor([0, 1]))], 0)
        'row 1 of batch 0'
    """
    of_epoch = batches.epoch(epoch) if hasattr(batches, "epoch") else batches
    for number, batch in enumerate(islice(of_epoch, _SEARCHED)):
        parts = batch if isinstance(batch, (tuple, list)) else (batch,)
        tensors = [tensor for part in parts for tensor in (part.values() if isinstance(part, dict) else (part,))]
        # Many networks at once: tensors are [A, B, …], and which rows of the split they hold stands beside them, [B, A].
        rows = getattr(batch, "rows", None)
        axes = 1 if rows is None else 2
        for tensor in tensors:
            if isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.ndim >= axes:
                strange = ~_finite(tensor, axes).reshape(*tensor.shape[:axes], -1).all(dim=-1)
                if bool(strange.any()):
                    place = strange.nonzero()[0].tolist()
                    row = None if rows is None else int(rows[place[1], place[0]])
                    return _name(batches, epoch, number, place[-1], row)
    return ""


def _finite(tensor: Tensor, axes: int) -> Tensor:
    """Which values are finite numbers; of series [..., T, C] the steps behind the end, NaN in all channels, are no fault."""
    if tensor.ndim != axes + 2:
        return tensor.isfinite()
    behind = tensor.isnan().all(-1).flip(-1).cumprod(-1).flip(-1).bool()
    return tensor.isfinite().all(-1) | behind


def _name(batches: Any, epoch: int, number: int, place: int, row: int | None) -> str:
    """A sample by its id, else by its place in its batch; `row` is its number in the split, where the batch tells it."""
    ids = getattr(batches, "ids", None)
    if ids is None:
        return f"row {place} of batch {number}"
    return f"sample {ids[int(batches.order(epoch)[number * batches.batch_size + place]) if row is None else row]!r}"


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_described, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_described(each)}" for name, each in value.items())
    return type(value).__name__


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
