"""A second copy of weights that follows the living ones and can stand in for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Shadow:
    """Copies of tensors, moved towards them all at once.

    Args:
        live: parameters and buffers; what is not floating-point (a count of batches) is copied and never mixed.

    Example:
        >>> weight = torch.zeros(2)
        >>> shadow = Shadow([weight])
        >>> _ = weight.fill_(1.0)
        >>> shadow.follow(0.25)
        >>> shadow.copies
        [tensor([0.2500, 0.2500])]
        >>> with shadow.standing_in():
        ...     print(weight)
        tensor([0.2500, 0.2500])
        >>> weight
        tensor([1., 1.])
    """

    def __init__(self, live: Iterable[Tensor]) -> None:
        self.live = list(live)
        self.copies = [tensor.detach().clone() for tensor in self.live]
        pairs = list(zip(self.copies, self.live, strict=True))
        # One call for all: on a GPU a call for each tensor would take longer than the step.
        self._mixed = [copy for copy, _ in pairs if copy.is_floating_point()]
        self._followed = [live for live in self.live if live.is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def follow(self, weight: float) -> None:
        """Each copy goes this share of the way to what it is a copy of."""
        torch._foreach_lerp_(self._mixed, self._followed, weight)
        for copy, live in self._copied:
            copy.copy_(live)

    @torch.no_grad()
    def put_back(self) -> None:
        """The living tensors become what the copies are."""
        _copy(self.live, self.copies)

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Within the block the living tensors hold what the copies are."""
        with torch.no_grad():
            kept = [live.detach().clone() for live in self.live]
            _copy(self.live, self.copies)
            try:
                yield
            finally:
                _copy(self.live, kept)

    def load(self, copies: list[Tensor]) -> None:
        """Take saved copies."""
        _copy(self.copies, copies)


def _copy(into: list[Tensor], source: list[Tensor]) -> None:
    for tensor, new in zip(into, source, strict=True):
        tensor.copy_(new)
