"""Clipping the gradient of each network of a population by itself."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from leadline.optim.clipping import Clip, ClipNorm


class ClipEach:
    """Each network's gradient is clipped as it would be alone.

    The norm, the commonest way, is one operation for all; any other way has a copy for each network, with its own memory.

    Shapes: gradients [A, P], changed in place → [A], 1 where they were and else 0.

    Args:
        clip: the way to clip.
        networks: A.

    Example:
        >>> gradients = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
        >>> ClipEach(ClipNorm(1.0), 2)(gradients), gradients
        (tensor([1., 0.]), tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]]))
    """

    def __init__(self, clip: Clip, networks: int) -> None:
        self._limit = clip.limit if isinstance(clip, ClipNorm) else None
        self._each: list[Any] = [] if self._limit is not None else [copy.deepcopy(clip) for _ in range(networks)]

    def __call__(self, gradients: Tensor) -> Tensor:
        if self._limit is None:
            return torch.stack([clip([_holding(own)]) for clip, own in zip(self._each, gradients, strict=True)])
        norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
        gradients.mul_((self._limit / (norms + 1e-6)).clamp_(max=1.0))
        clipped: Tensor = (norms > self._limit).float().squeeze(1)
        return clipped

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these networks alone."""
        self._each = [self._each[row] for row in rows] if self._each else []

    def state(self) -> list[Any]:
        return [clip.state() if hasattr(clip, "state") else {} for clip in self._each]

    def load(self, state: list[Any]) -> None:
        for clip, saved in zip(self._each, state, strict=True):
            if hasattr(clip, "load"):
                clip.load(saved)


def _holding(gradient: Tensor) -> Tensor:
    """A stand-in for a network's parameters, of which a way to clip reads and changes the gradient alone."""
    parameters = torch.empty_like(gradient)
    parameters.grad = gradient
    return parameters
