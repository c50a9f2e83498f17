"""Which stretches of a series decided: how far an answer falls when a stretch is replaced by a straight line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.passes import in_use

_STRETCHES = 10  # of a series, when no window is given


def stretch_importance(
    module: nn.Module,
    series: Tensor,
    outputs: Sequence[int],
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: float | None = None,
    apart: bool = False,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> NDArray[np.float32]:
    """How far outputs fall when a stretch of a series is covered, at each step the mean over the stretches on it.

    w(t) = mean over stretches P ∋ t of  s(x) − s(x with P covered). Below 0 the stretch spoke against the output. A stretch is
    covered by the straight line from the step before it to the step behind it, as if nothing had happened meanwhile; at the
    ends of the series by the nearest step that is left.

    Shapes: series [T, C] and K outputs → [K, T]; channel by channel → [K, T, C].

    Args:
        module: a network that takes [B, T, C] and answers [B, K'].
        series: one, prepared, without padding.
        outputs: numbers of those that are explained.
        window: steps that are covered together; a tenth of the series when left out.
        stride: steps from one stretch to the next; half a window when left out. The last one ends with the series.
        fill: covers in place of the line, in prepared units: 0 is the mean of the training.
        apart: cover one channel at a time, which says which of them counts and when.
        finish: outputs [B, K'] → scores [B, K']; the outputs themselves when left out.

    Errors: `ArgumentError` for what is not one series of finite numbers, a window or stride that does not fit it, or an output
        that there is none of.

    Example:
        >>> class Highest(nn.Module):
        ...     def forward(self, x):
        ...         return x.amax(1)
        >>> x = torch.zeros(20, 1)
        >>> x[12] = 3.0
        >>> stretch_importance(Highest(), x, [0], window=2, stride=2)[0, 10:15]
        array([0., 0., 3., 3., 0.], dtype=float32)

    Source: Zeiler and Fergus (2014), Visualizing and understanding convolutional networks, section 4.2, for covering.
    """
    if series.ndim != 2 or not series.numel() or not series.is_floating_point() or not bool(series.isfinite().all()):
        raise ArgumentError("There is no one series to explain", expected="finite numbers [T, C]", got=list(series.shape))
    steps, channels = series.shape
    wide = max(1, round(steps / _STRETCHES)) if window is None else window
    step = max(1, wide // 2) if stride is None else stride
    if not 1 <= step <= wide <= steps:
        got = f"window {wide}, stride {step}"
        raise ArgumentError("The stretches do not fit the series", expected=f"1 ≤ stride ≤ window ≤ {steps}", got=got)
    starts = sorted({*range(0, steps - wide + 1, step), steps - wide})
    groups = [[channel] for channel in range(channels)] if apart else [list(range(channels))]
    places = [(start, group) for group in range(len(groups)) for start in starts]
    scored = finish or (lambda values: values)
    chosen = [int(each) for each in outputs]
    total = torch.zeros(len(chosen), steps, len(groups), device=series.device)
    count = torch.zeros(steps, len(groups), device=series.device)
    with in_use(module), torch.no_grad():
        whole = scored(module(series[None]))
        if not chosen or not all(0 <= each < whole.shape[1] for each in chosen):
            raise ArgumentError("There is no such output", expected=f"0 to {whole.shape[1] - 1}", got=chosen)
        for first in range(0, len(places), _AT_ONCE):
            part = places[first : first + _AT_ONCE]
            covered = series.repeat(len(part), 1, 1)
            for row, (start, group) in zip(covered, part, strict=True):
                line = _line(series, start, wide) if fill is None else series.new_full((wide, channels), fill)
                row[start : start + wide, groups[group]] = line[:, groups[group]]
            fallen = (whole[0, chosen] - scored(module(covered))[:, chosen]).float()  # P, K
            for value, (start, group) in zip(fallen, part, strict=True):
                total[:, start : start + wide, group] += value[:, None]
                count[start : start + wide, group] += 1
    worth: NDArray[np.float32] = (total / count).numpy(force=True)
    return worth if apart else worth[:, :, 0]


_AT_ONCE = 64  # covered series in one pass


def _line(series: Tensor, start: int, wide: int) -> Tensor:
    """From the step before a stretch to the step behind it, [wide, C]; 0 where the stretch is all there is."""
    end = start + wide
    if wide == len(series):
        return torch.zeros_like(series)
    before = series[start - 1] if start else series[end]
    behind = series[end] if end < len(series) else series[start - 1]
    shares = torch.arange(1, wide + 1, device=series.device, dtype=series.dtype)[:, None] / (wide + 1)
    return before + shares * (behind - before)
