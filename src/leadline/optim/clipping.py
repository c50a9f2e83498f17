"""Gradient clipping: by the norm of all gradients together, by value, and by a running percentile of the norms.

Each way is called with the parameters once their gradients are there, and returns whether this step was clipped, 0 or 1, on
the device: nothing here waits for a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.spelling import make


class Clip(Protocol):
    """What a step asks of a way to clip."""

    def __call__(self, parameters: Iterable[Tensor]) -> Tensor:
        """Shrink the gradients in place; 1 if this changed them, else 0, float32 on their device."""

    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...


class ClipNorm:
    """All gradients together are shrunk to a largest norm; their direction stays.

    g ← g · min(1, limit / ‖g‖₂), the norm being that of all gradients as one vector.

    Shapes: parameters with gradients of any shapes → [].

    Args:
        limit: the largest norm, above 0.

    Errors: `ArgumentError` for a limit that is not above 0.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2))
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> ClipNorm(1.0)([weight]), weight.grad
        (tensor(1.), tensor([0.6000, 0.8000]))

    Source: Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks.
    """

    def __init__(self, limit: float) -> None:
        self.limit = _above_zero(limit)

    def __call__(self, parameters: Iterable[Tensor]) -> Tensor:
        norm = nn.utils.clip_grad_norm_(parameters, self.limit)
        return (norm > self.limit).float()

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None: ...

    def __repr__(self) -> str:
        return f"norm({self.limit!r})"


class ClipValue:
    """Every single derivative is cut off at a largest size; the direction of the gradient may change.

    gᵢ ← min(max(gᵢ, −limit), limit).

    Shapes: parameters with gradients of any shapes → [].

    Args:
        limit: the largest size, above 0.

    Errors: `ArgumentError` for a limit that is not above 0.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2))
        >>> weight.grad = torch.tensor([0.1, -4.0])
        >>> ClipValue(0.5)([weight]), weight.grad
        (tensor(1.), tensor([ 0.1000, -0.5000]))

    Source: Graves (2013), Generating sequences with recurrent neural networks, section 2.1.
    """

    def __init__(self, limit: float) -> None:
        self.limit = _above_zero(limit)

    def __call__(self, parameters: Iterable[Tensor]) -> Tensor:
        gradients = [gradient for gradient in _gradients(parameters) if gradient.numel()]  # of nothing there is no largest
        if not gradients:
            return torch.zeros(())
        largest = torch.stack([size.float() for size in _sizes(gradients)]).amax()
        torch._foreach_clamp_min_(gradients, -self.limit)
        torch._foreach_clamp_max_(gradients, self.limit)
        return (largest > self.limit).float()

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None: ...

    def __repr__(self) -> str:
        return f"value({self.limit!r})"


class ClipPercentile:
    """All gradients together are shrunk to a percentile of the norms of the last steps: no limit has to be known beforehand.

    g ← g · min(1, q / ‖g‖₂), where q is the percentile of the last `window` norms, this one included, linear between two of
    them. With percentile 90 about every tenth step is clipped. A norm that is not finite is not remembered.

    Shapes: parameters with gradients of any shapes → [].

    Args:
        percentile: in [0, 100].
        window: how many norms are remembered, at least 1.
        warm_up: nothing is clipped before so many norms are known; from 1 to `window`.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> weight, clip = nn.Parameter(torch.zeros(1)), ClipPercentile(50, window=5, warm_up=3)
        >>> for size in (1.0, 2.0, 9.0):
        ...     weight.grad = torch.tensor([size])
        ...     clipped = clip([weight])
        >>> clipped, weight.grad  # the median of 1, 2, 9
        (tensor(1.), tensor([2.0000]))

    Source: Seetharaman et al. (2020), AutoClip: adaptive gradient clipping for source separation networks; with a window.
    """

    def __init__(self, percentile: float = 90.0, *, window: int = 100, warm_up: int = 10) -> None:
        warm_up = min(warm_up, window)
        if not 0 <= percentile <= 100 or warm_up < 1:
            raise ArgumentError(
                "The running percentile is out of range",
                expected="percentile in [0, 100], window and warm_up of at least 1",
                got=(percentile, window, warm_up),
            )
        self.percentile, self.window, self.warm_up = percentile, window, warm_up
        self._norms = torch.full((window,), math.inf)  # a place not yet filled sorts behind all norms
        self._count = torch.zeros((), dtype=torch.int64)

    def __call__(self, parameters: Iterable[Tensor]) -> Tensor:
        gradients = _gradients(parameters)
        norm = nn.utils.get_total_norm(gradients)
        limit = self._limit(norm)
        clipped = norm > limit
        if gradients:  # torch's own way takes the limit as a Python number, and would wait for the device
            torch._foreach_mul_(gradients, torch.where(clipped, limit / (norm + 1e-6), 1.0))
        return clipped.float()

    def _limit(self, norm: Tensor) -> Tensor:
        """Remember a norm; the percentile of those known, or infinity while they are too few."""
        self._norms, self._count = self._norms.to(norm), self._count.to(norm.device)
        known = norm.isfinite()
        here = torch.arange(self.window, device=norm.device) == self._count % self.window
        self._norms.copy_(torch.where(here & known, norm, self._norms))
        self._count.add_(known)
        filled = self._count.clamp(1, self.window)
        ordered = self._norms.sort().values
        rank = (self.percentile / 100) * (filled - 1).to(norm.dtype)
        low = ordered.gather(0, rank.long().reshape(1))
        high = ordered.gather(0, rank.ceil().long().reshape(1))
        between = torch.lerp(low, high, rank - rank.floor()).squeeze(0)
        return torch.where(self._count >= self.warm_up, between, math.inf)

    def state(self) -> dict[str, Any]:
        return {"norms": self._norms, "count": self._count}

    def load(self, state: dict[str, Any]) -> None:
        if len(state["norms"]) != self.window:
            raise ArgumentError("The remembered norms are of another window", expected=self.window, got=len(state["norms"]))
        self._norms, self._count = state["norms"].clone(), state["count"].clone()

    def __repr__(self) -> str:
        return f"percentile({self.percentile!r}, window={self.window}, warm_up={self.warm_up})"


CLIPS: dict[str, Callable[..., Clip]] = {"norm": ClipNorm, "value": ClipValue, "percentile": ClipPercentile}


def make_clip(text: str) -> Clip | None:
    """The way to clip that a text spells.

    Args:
        text: "norm(1.0)", "value(0.5)" or "percentile(90, window=200)"; a bare number is a largest norm; "" and "0" are none.

    Errors: `ArgumentError` for an unknown name or an argument out of range.

    Example:
        >>> make_clip("percentile"), make_clip("1.5"), make_clip("0")
        (percentile(90.0, window=100, warm_up=10), norm(1.5), None)
    """
    try:
        limit = float(text or 0)
    except ValueError:
        return make(text, CLIPS, "way of clipping")  # type: ignore[no-any-return]
    return ClipNorm(limit) if limit else None


def _sizes(gradients: list[Tensor]) -> Sequence[Tensor]:
    """The largest size of a derivative in each gradient."""
    if gradients[0].is_cuda:
        return torch._foreach_norm(gradients, math.inf)  # one call for all; on a CPU it takes 20 times as long as this:
    return [torch.stack(torch.aminmax(gradient)).abs().amax() for gradient in gradients]


def _above_zero(limit: float) -> float:
    if not 0 < limit < math.inf:
        raise ArgumentError("The gradients cannot be clipped", expected="a limit above 0", got=limit)
    return float(limit)


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [each.grad for each in parameters if each.grad is not None]
