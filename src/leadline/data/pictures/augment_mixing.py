"""Mixing a picture and its target with another one of the batch: mixup blends the two, cutmix pastes a window of the other."""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.data.pictures.augment_draws import symmetric_beta
from leadline.data.pictures.augment_moves import window_mask


def mixup(pictures: Tensor, others: Tensor, alpha: float, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures blended with others: λ x + (1 − λ) x', and the shares λ ~ Beta(α, α).

    Args:
        pictures: x, [B, C, H, W].
        others: x', the same shape.
        alpha: α, above 0.
        draws: uniform [B, 2], that λ is made of.

    Returns:
        [B, C, H, W], and λ [B], the picture's own share.

    Example:
        >>> x = torch.ones(2, 1, 1, 1)
        >>> mixed, own = mixup(x, -x, 1.0, torch.tensor([[0.5, 0.0], [0.5, 0.5]]))
        >>> mixed.flatten().tolist() == (2 * own - 1).tolist(), round(own.sum().item(), 4)
        (True, 1.0)

    Source: Zhang, Cisse, Dauphin and Lopez-Paz (2018), mixup: beyond empirical risk minimization.
    """
    own = symmetric_beta(alpha, draws[:, 0], draws[:, 1])
    return torch.lerp(others, pictures, own.to(pictures.dtype)[:, None, None, None]), own


def cutmix(pictures: Tensor, others: Tensor, alpha: float, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures with a window of others in them, and the shares of the area that are left of their own.

    The window has the picture's own shape and the area 1 − λ, λ ~ Beta(α, α), around a middle anywhere in the picture. What
    lies outside is cut off, so the share that counts is that of the pixels that are left.

    Args:
        pictures: [B, C, H, W].
        others: the same shape.
        alpha: α, above 0.
        draws: uniform [B, 4]: two that λ is made of, the middle down and across.

    Returns:
        [B, C, H, W], and the picture's own share [B].

    Example:
        >>> x = torch.ones(1, 1, 8, 8)
        >>> mixed, own = cutmix(x, 0 * x, 1.0, torch.tensor([[0.5, 0.25, 0.5, 0.5]]))
        >>> torch.equal(mixed.mean((1, 2, 3)), own), own
        (True, tensor([0.4375]))

    Source: Yun et al. (2019), CutMix: regularization strategy to train strong classifiers with localizable features.
    """
    height, width = pictures.shape[2:]
    side = (1 - symmetric_beta(alpha, draws[:, 0], draws[:, 1])).sqrt()
    down, across = (side * height).round().long(), (side * width).round().long()
    window = window_mask(draws[:, 2:], height, width, down, across)
    return torch.where(window, others, pictures), 1 - window.float().mean(dim=(1, 2, 3))


def blended(targets: Tensor, own: Tensor, classes: int) -> Tensor:
    """Targets mixed as their pictures were: q t + (1 − q) t' with the own share q; the other one is the row before.

    Args:
        targets: class numbers [B], or numbers or labels [B, M].
        own: q, [B].
        classes: K, where targets are class numbers; 0 where they are not.

    Returns:
        Distributions over the classes [B, K], or [B, M] as they were.

    Example:
        >>> blended(torch.tensor([0, 2]), torch.tensor([1.0, 0.75]), 3)
        tensor([[1.0000, 0.0000, 0.0000],
                [0.2500, 0.0000, 0.7500]])
    """
    if classes:
        targets = (targets[:, None] == torch.arange(classes, device=targets.device)).float()
    return torch.lerp(targets.roll(1, 0), targets, own.to(targets.dtype).view(-1, *[1] * (targets.ndim - 1)))
