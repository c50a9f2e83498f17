"""Calibration after training: one number that makes probabilities mean what they say, and changes no answer."""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError

_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature T at which softmax(logits / T), for labels sigmoid(logits / T), makes the targets most likely.

    The mean negative log-likelihood is convex in β = 1/T, so Newton's method finds its minimum:
    for classes the slope is E[Σₖ pₖ xₖ − Σₖ qₖ xₖ] and the curvature E[Varₚ(x)]; for labels they are E[(σ(βx) − q)·x] and
    E[σ(1 − σ)·x²].
    The targets q are 1 − 1/(N + 2) instead of 1 (Platt's correction), so that rows which are all right do not make T vanish.

    Args:
        logits: [N, K], of rows that were not trained on.
        targets: class numbers int64 [N], or 0 and 1 [N, K] for labels.

    Returns:
        T, between 0.05 and 20; above 1 where the network was too sure, below 1 where it was not sure enough.

    Raises:
        ArgumentError: shapes that do not fit, or no rows.

    Example:
        >>> logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]).repeat(25, 1)
        >>> targets = torch.tensor([0, 0, 0, 1]).repeat(25)  # 98 % sure, 75 % right
        >>> round(fit_temperature(logits, targets), 1)
        3.7

    Source: Guo et al. (2017), On calibration of modern neural networks; Platt (1999) for the targets.
    """
    if logits.ndim != 2 or not len(logits) or targets.shape not in (logits.shape, logits.shape[:1]):
        raise ArgumentError(
            "The outputs and the targets do not fit together",
            expected="logits [N, K] and class numbers [N] or labels [N, K], N at least 1",
            got=f"{list(logits.shape)} and {list(targets.shape)}",
        )
    x = logits.detach().cpu().double()
    doubt = 1 / (len(x) + 2)
    exclusive = targets.ndim == 1
    chosen = torch.nn.functional.one_hot(targets.cpu(), x.shape[1]).double() if exclusive else targets.cpu().double()
    q = chosen * (1 - doubt) + (1 - chosen) * (doubt / max(x.shape[1] - 1, 1) if exclusive else doubt)
    beta = torch.tensor(1.0, dtype=torch.float64)
    for _ in range(50):
        slope, curvature = _slopes(beta, x, q, exclusive)
        step = slope / curvature.clamp(min=1e-12)
        # At most a factor of two a time: far from the minimum the curvature says little.
        beta = (beta - step).clamp(beta / 2, beta * 2).clamp(1 / _HOTTEST, 1 / _COLDEST)
        if step.abs() < 1e-9 * beta:
            break
    return float(1 / beta)


def _slopes(beta: Tensor, x: Tensor, q: Tensor, exclusive: bool) -> tuple[Tensor, Tensor]:
    """First and second derivative of the mean negative log-likelihood by β."""
    if exclusive:
        p = torch.softmax(beta * x, dim=1)
        mean = (p * x).sum(1)
        return (mean - (q * x).sum(1)).mean(), ((p * x.square()).sum(1) - mean.square()).mean()
    p = torch.sigmoid(beta * x)
    return ((p - q) * x).sum(1).mean(), (p * (1 - p) * x.square()).sum(1).mean()
