"""First weights drawn again by the law that the first ones follow, whatever that is."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

_MOST = 512  # rows and columns of a matrix that are looked at, to tell a drawn one from a learned one
_LEARNED = 1.3  # times the largest singular value of the same numbers in random places


def redraw(model: nn.Module, seed: int) -> int:
    """Give the weights of a network other first values: the same numbers of each tensor in other places.

    So the law is kept without knowing it: a tensor of zeros stays one, weights that are a hundred times too large stay so, and
    units that are all alike stay alike. Vectors (biases, scales), frozen tensors, and tensors whose numbers are not in random
    places (learned before, or an identity) stay as they are.

    Returns:
        How many tensors have other values now.

    Example:
        >>> layer = nn.Linear(4, 3)
        >>> before = layer.weight.detach().clone()
        >>> redraw(layer, 1), torch.equal(layer.weight, before)
        (1, False)
        >>> torch.equal(layer.weight.sort()[0].sum(), layer.weight.sum()), bool(layer.weight.std().isclose(before.std()))
        (True, True)
    """
    random, changed = Generator().manual_seed(seed), 0
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim < 2 or not parameter.requires_grad or parameter.numel() < 2:
                continue
            other = _elsewhere(parameter.detach(), random)
            if not torch.equal(other, parameter):
                parameter.copy_(other)
                changed += 1
    return changed


def _elsewhere(weight: Tensor, random: Generator) -> Tensor:
    matrix = weight.reshape(len(weight), -1)
    if _rows_alike(matrix):
        return matrix[:, _order(matrix.shape[1], random, weight)].reshape(weight.shape)
    mixed = matrix.flatten()[_order(matrix.numel(), random, weight)].reshape(matrix.shape)
    return weight if _spread(matrix) > _LEARNED * _spread(mixed) or _identity(matrix) else mixed.reshape(weight.shape)


def _order(count: int, random: Generator, like: Tensor) -> Tensor:
    return torch.randperm(count, generator=random).to(like.device)


def _rows_alike(matrix: Tensor) -> bool:
    return len(matrix) > 1 and bool((matrix == matrix[:1]).all())


def _spread(matrix: Tensor) -> float:
    """The largest singular value of a part of it, by a few rounds of the power method."""
    part = matrix[:_MOST, :_MOST].float()
    vector = torch.ones(part.shape[1], device=part.device) / part.shape[1] ** 0.5
    # The mean of all weights is found at once; what is found after it is the direction in which learned weights are long.
    vector = vector + part[part.norm(dim=1).argmax()] / part.norm().clamp(min=1e-30)
    for _ in range(12):
        vector = part.T @ (part @ vector)
        vector = vector / vector.norm().clamp(min=1e-30)
    return float((part @ vector).norm())


def _identity(matrix: Tensor) -> bool:
    """Whether nearly all numbers are 0, so that where the others stand was chosen."""
    zeros = float((matrix == 0).float().mean())
    return 0.5 < zeros < 1
