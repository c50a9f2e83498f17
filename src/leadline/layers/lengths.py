"""Rows of different lengths in one tensor: how long each is, and what is read from it without its padding.

B batch, T time, D features. Tokens are int64 [B, T] with 0 behind the end of a row; series are [B, T, C] with NaN there.
Nothing here waits for the device, and no result depends on what or how much stands behind the end of a row.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.layers.arguments import check_shape, check_whole, refuse


def token_lengths(ids: Tensor) -> Tensor:
    """How many tokens each row has: those before the zeros at its end.

    Shapes: whole numbers [B, T] → int64 [B].

    Args:
        ids: of words or characters from 1 on; 0 is padding, and stands at the end only.

    Errors: `ArgumentError` for another shape, or for numbers that are not whole.

    Example:
        >>> token_lengths(torch.tensor([[3, 1, 0], [2, 0, 0]])).tolist()
        [2, 1]
    """
    if ids.ndim != 2 or ids.is_floating_point():
        refuse("token_lengths", ids, "whole numbers of shape [B, T]")
    return (ids != 0).sum(1)


def series_lengths(x: Tensor) -> Tensor:
    """How many steps each series has: those before the NaN at its end.

    Shapes: [B, T, C] → int64 [B].

    Args:
        x: with NaN in all channels behind the end of a row, and nowhere else.

    Errors: `ArgumentError` for another shape, or for whole numbers.

    Example:
        >>> series_lengths(torch.tensor([[[0.5], [float("nan")]], [[0.1], [0.2]]])).tolist()
        [1, 2]
    """
    if x.ndim != 3 or not x.is_floating_point():
        refuse("series_lengths", x, "floating-point numbers of shape [B, T, C]")
    return (~x[..., 0].isnan()).sum(1)


def within(lengths: Tensor, steps: int) -> Tensor:
    """Whether each step lies before the end of its row.

    Shapes: [B] → bool [B, T].

    Args:
        lengths: of the rows.
        steps: T.

    Example:
        >>> within(torch.tensor([1, 3]), 3).tolist()
        [[True, False, False], [True, True, True]]
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def without_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """The same with 0 behind the end of each row, whatever stood there; no gradient reaches it, not even that of a NaN.

    Shapes: [B, T, D] and [B] → [B, T, D].

    Args:
        x: padded rows.
        lengths: of the rows.

    Errors: `ArgumentError` for other shapes.

    Example:
        >>> without_padding(torch.ones(2, 3, 1), torch.tensor([1, 3])).squeeze(2).tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    return x.where(_inside(x, lengths, "without_padding"), 0.0)


def masked_mean(x: Tensor, lengths: Tensor) -> Tensor:
    """The mean over the steps of each row: Σ_{t<T_b} x_bt / T_b, and 0 for a row without steps.

    Shapes: [B, T, D] and [B] → [B, D].

    Args:
        x: padded rows.
        lengths: T_b of each row b.

    Errors: `ArgumentError` for other shapes.

    Example:
        >>> masked_mean(torch.tensor([[[2.0], [4.0], [9.0]]]), torch.tensor([2])).tolist()
        [[3.0]]
    """
    kept = x.where(_inside(x, lengths, "masked_mean"), 0.0)
    return kept.sum(1) / lengths.clamp(min=1)[:, None].to(x.dtype)


def masked_max(x: Tensor, lengths: Tensor) -> Tensor:
    """The largest value of each feature over the steps of each row, and 0 for a row without steps.

    Shapes: [B, T, D] and [B] → [B, D].

    Args:
        x: padded rows.
        lengths: of the rows.

    Errors: `ArgumentError` for other shapes.

    Example:
        >>> masked_max(torch.tensor([[[-2.0], [-4.0], [9.0]]]), torch.tensor([2])).tolist()
        [[-2.0]]
    """
    kept = x.where(_inside(x, lengths, "masked_max"), -torch.inf)
    return kept.amax(1).where(lengths[:, None] > 0, 0.0)


def last_step(x: Tensor, lengths: Tensor) -> Tensor:
    """What stands at the last step of each row, and 0 for a row without steps.

    Shapes: [B, T, D] and [B] → [B, D].

    Args:
        x: padded rows.
        lengths: of the rows.

    Errors: `ArgumentError` for other shapes.

    Example:
        >>> last_step(torch.tensor([[[2.0], [4.0], [9.0]]]), torch.tensor([2])).tolist()
        [[4.0]]
    """
    _inside(x, lengths, "last_step")
    at = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, x.shape[2])
    return x.gather(1, at).squeeze(1).where(lengths[:, None] > 0, 0.0)


def reversed_rows(x: Tensor, lengths: Tensor) -> Tensor:
    """Each row from its own last step to its first; its padding stays where it is. Done twice, it is as it was.

    Shapes: [B, T, D] and [B] → [B, T, D].

    Args:
        x: padded rows.
        lengths: of the rows.

    Errors: `ArgumentError` for other shapes.

    Example:
        >>> reversed_rows(torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([2])).squeeze(2).tolist()
        [[2.0, 1.0, 0.0]]
    """
    _inside(x, lengths, "reversed_rows")
    steps = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    mirrored = lengths[:, None] - 1 - steps
    return x.gather(1, mirrored.where(mirrored >= 0, steps)[..., None].expand_as(x))


class AttentionPooling(nn.Module):
    """A weighted mean over the steps of each row, whose weights the layer learns: which steps count.

    s_t = v · tanh(W h_t + b), a = softmax of s over the steps of the row, y = Σ_t a_t h_t; a row without steps gives 0. It
    starts as the plain mean, since v starts at 0.

    Shapes: [B, T, D] and lengths [B] → [B, D].

    Args:
        features: D.
        hidden: rows of W; D when left out.

    Errors: `ArgumentError` for an argument out of range, or inputs of another shape or type.

    Example:
        >>> pool = AttentionPooling(1)
        >>> pool(torch.tensor([[[2.0], [4.0], [9.0]]]), torch.tensor([2])).tolist()
        [[3.0]]

    Source: Yang et al. (2016), Hierarchical attention networks for document classification.
    """

    def __init__(self, features: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = features if hidden is None else hidden
        check_whole("AttentionPooling", {"features": features, "hidden": hidden})
        self.features, self.hidden = features, hidden
        self.see, self.score = nn.Linear(features, hidden), nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        check_shape("AttentionPooling", x, ("B", "T", self.features), self.see.weight)
        weights = self.weights(x, lengths)
        return (weights[:, None].to(x.dtype) @ without_padding(x, lengths)).squeeze(1)

    def weights(self, x: Tensor, lengths: Tensor) -> Tensor:
        """How much each step counts: [B, T, D] and [B] → [B, T], each row of which sums to 1, or to 0 where it has no steps."""
        inside = within(lengths, x.shape[1])
        scores: Tensor = self.score(self.see(without_padding(x, lengths)).tanh()).squeeze(2)
        # A row of nothing but −∞ would have NaN for a softmax.
        low = torch.finfo(scores.dtype).min
        return scores.where(inside, low).softmax(1).where(inside, 0.0)

    def extra_repr(self) -> str:
        return f"{self.features}, {self.hidden}"


def _inside(x: Tensor, lengths: Tensor, name: str) -> Tensor:
    """Bool [B, T, 1]."""
    if x.ndim != 3 or lengths.shape != x.shape[:1] or not x.shape[1]:
        refuse(name, x, f"shape [B, T, D] with T ≥ 1 and a length for each row, which are {list(lengths.shape)}")
    return within(lengths, x.shape[1])[..., None]
