"""The losses that a loop tells, step by step, kept on their device until somebody asks for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

_TOGETHER = 64  # losses that are put together at once


class ToldLosses:
    """Keeps a loss of each step without waiting for the device.

    Example:
        >>> losses = ToldLosses()
        >>> for value in (2.0, 1.0):
        ...     losses.add(torch.tensor(value))
        >>> losses.together()
        array([2., 1.])
    """

    def __init__(self) -> None:
        self._latest: list[Tensor] = []
        self._past: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """Keep a detached loss; of one that has several values the mean."""
        self._latest.append(loss)
        if len(self._latest) >= _TOGETHER:
            self._compact()

    def together(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """All of them, in one transfer from the device."""
        if self._latest:
            self._compact()
        if not self._past:
            return np.zeros(0)
        fetched: np.ndarray[Any, np.dtype[np.float64]] = torch.cat([each.cpu() for each in self._past]).double().numpy()
        return fetched

    def _compact(self) -> None:
        try:  # one operation for all of them, as nearly every loop tells single numbers
            together = torch.stack(self._latest)
        except RuntimeError:  # of several shapes
            together = torch.stack([each.float().mean() for each in self._latest])
        self._past.append(together.float().flatten(1).mean(1) if together.ndim > 1 else together.float())
        self._latest.clear()
