"""Rows as flat numbers for simple methods, whatever the network takes: tables, pictures, series, tokens, nests of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.diagnose.checks.input_columns import input_kind, named_tensors

_SIDE, _NUMBERS, _WORDS = 32, 4096, 1000  # larger pictures and longer rows are averaged down, rarer words left out
_FAR = 10.0  # deviations: what lies further is brought back, so that one value does not decide for a method


def flat_rows(train: Any, other: Any = None) -> tuple[Tensor, Tensor | None]:
    """[N, D] and [M, D] in single precision, prepared by what is known from the training rows alone.

    Columns are brought to mean 0 and deviation 1 (pixels are all divided by one number), tokens become counts in rows of length
    1, and of short rows of tokens also which one stands where. What is not finite takes its column's mean; constant columns
    are left out.

    Example:
        >>> flat, other = flat_rows(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), torch.tensor([[2.0, 7.0]]))
        >>> flat.tolist(), other.tolist()
        ([[-1.0], [1.0]], [[0.0]])
    """
    others = dict(named_tensors(other)) if other is not None else {}
    pairs = [_flat_part(part, others.get(name)) for name, part in named_tensors(train) if part.ndim]
    if not pairs:
        raise ValueError("the inputs are no tensors")
    first = torch.cat([pair[0] for pair in pairs], dim=1)
    second = torch.cat([pair[1] for pair in pairs if pair[1] is not None], dim=1) if other is not None else None
    return first, second


def choose(count: int, most: int, *, seed: int = 0) -> Tensor:
    """Some of so many rows at random, in their order, the same at every call."""
    if count <= most:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:most].sort().values


def _flat_part(part: Tensor, other: Tensor | None) -> tuple[Tensor, Tensor | None]:
    kind = input_kind(part)
    if kind == "tokens":
        return _counted(part, other)
    flat, beside = _numbers(part, kind), _numbers(other, kind) if other is not None else None
    finite = torch.isfinite(flat)
    count = finite.sum(0).clamp(min=1)
    mean = torch.where(finite, flat, 0.0).sum(0) / count
    std = (torch.where(finite, flat - mean, 0.0).square().sum(0) / count).sqrt()
    kept = std > 1e-6 * mean.abs() + 1e-12
    scale = std.square().mean().sqrt() if kind == "pictures" else std[kept]

    def scaled(values: Tensor) -> Tensor:
        moved = ((values - mean)[:, kept] / scale).clamp(-_FAR, _FAR)
        return torch.nan_to_num(moved, nan=0.0)

    return scaled(flat), scaled(beside) if beside is not None else None


def _numbers(part: Tensor, kind: str) -> Tensor:
    values = part.detach().float().cpu()
    rows = len(values)
    if kind == "pictures" and values.ndim == 4:
        if values.shape[3] <= 4 < values.shape[1]:
            values = values.movedim(3, 1)
        if max(values.shape[2:]) > _SIDE:
            values = F.adaptive_avg_pool2d(values, (min(_SIDE, values.shape[2]), min(_SIDE, values.shape[3])))
    flat = values.reshape(rows, -1)
    return F.adaptive_avg_pool1d(flat[:, None], _NUMBERS)[:, 0] if flat.shape[1] > _NUMBERS and rows else flat


def _counted(part: Tensor, other: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Bags of words, and for short rows also the places of the words."""
    flat = part.detach().long().cpu().reshape(len(part), -1)
    words, counts = torch.unique(flat, return_counts=True)
    words = words[counts.argsort(descending=True)[:_WORDS]].sort().values
    length, many = flat.shape[1], len(words)
    placed = length > 1 and length * many <= _WORDS
    holding = torch.zeros(len(flat), many)
    holding.scatter_add_(1, _places(flat, words), _known(flat, words))
    weight = torch.log(len(flat) / (holding > 0).sum(0).clamp(min=1)) + 1e-3  # a word that all rows have tells nothing

    def counted(values: Tensor) -> Tensor:
        values = values.detach().long().cpu().reshape(len(values), -1)
        known, places = _known(values, words), _places(values, words)
        bag = torch.zeros(len(values), many).scatter_add_(1, places, known)
        bag = F.normalize(bag.log1p() * weight, dim=1) * many**0.5
        where = F.one_hot(places, many).float() * known[..., None] if placed else None
        return bag if where is None else torch.cat([bag, where.flatten(1)], dim=1)

    return counted(part), counted(other) if other is not None else None


def _places(values: Tensor, words: Tensor) -> Tensor:
    return torch.searchsorted(words, values).clamp(max=len(words) - 1)


def _known(values: Tensor, words: Tensor) -> Tensor:
    return (words[_places(values, words)] == values).float()
