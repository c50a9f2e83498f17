"""From what a loop tells to what its network gets: moved dimensions, other shapes, other types, other scales."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Kind = tuple[torch.dtype, tuple[int, ...]]

_LOOKED_AT, _MOST_ROWS, _LEAST_ROWS = 200_000, 64, 2  # values, rows
_POINTS = 8
_ROUNDING = 1e-5  # of the spread of the values


@dataclass(frozen=True)
class Way:
    """How rows as they are told become rows as a network gets them.

    Args:
        told: type and shape of a row as it is told.
        given: type and shape of a row as the network gets it; the largest side gives way where other rows are larger.
        order: of the dimensions.
        cut: a dimension, and how much is left out before and after: (1, 0, 1) is `[:, :-1]`.
        factor: values are multiplied by it, one for all or one a feature, and
        offset: is added.

    Example:
        >>> way = way_between(torch.arange(12).reshape(2, 2, 3), torch.arange(12.0).reshape(2, 6) / 10)
        >>> way(torch.tensor([[[10, 20, 30], [40, 50, 60]]]))
        tensor([[1., 2., 3., 4., 5., 6.]])
    """

    told: Kind
    given: Kind
    order: tuple[int, ...]
    cut: tuple[int, int, int] | None = None
    factor: Tensor | None = None
    offset: Tensor | None = None

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows [N, …] as the network gets them; such as are so already stay as they are.

        Errors: `RuntimeError` for rows of another size.
        """
        so_already = self.told != self.given and kind_of(rows) == self.given and self.cut is None
        if so_already or rows.ndim != len(self.order):
            return rows
        moved, (dtype, shape) = rows.permute(self.order), self.given
        if self.cut is not None:
            dimension, before, after = self.cut
            moved = moved.narrow(dimension, before, moved.shape[dimension] - before - after)
        elif tuple(moved.shape[1:]) != shape:
            moved = moved.reshape(len(moved), *_sides(moved, list(shape)))
        if self.factor is not None and self.offset is not None:
            wide = torch.float64 if dtype == torch.float64 else torch.float32
            moved = moved.to(wide) * self.factor.to(moved.device, wide) + self.offset.to(moved.device, wide)
        return moved.to(dtype)


def kind_of(rows: Tensor) -> Kind:
    """Type and shape of a row."""
    return rows.dtype, tuple(rows.shape[1:])


def _sides(moved: Tensor, sides: list[int]) -> list[int]:
    if sides and moved[:1].numel() != torch.Size(sides).numel():
        sides[max(range(len(sides)), key=lambda at: sides[at])] = -1
    return sides


def way_between(told: Tensor, given: Tensor) -> Way | None:
    """The way from told rows to given ones, found by the values of a few of them; None where there is none.

    Example:
        >>> way_between(torch.arange(6.0).reshape(2, 3), torch.tensor([[1.0, 2.0], [4.0, 5.0]])).cut
        (1, 1, 0)
        >>> way_between(torch.arange(6.0).reshape(2, 3), torch.randn(2, 3)) is None
        True
    """
    if not told.ndim or not given.ndim or len(told) != len(given) or told.is_complex() or given.is_complex():
        return None
    straight, kinds = tuple(range(told.ndim)), (kind_of(told), kind_of(given))
    if same_memory(told, given):
        return Way(*kinds, straight)
    rows = max(_LEAST_ROWS, min(_MOST_ROWS, _LOOKED_AT // max(1, given[:1].numel())))
    few, wanted = told[:rows].detach().to(given.device), given[:rows].detach()
    if not wanted.numel():
        return None
    if bool((wanted == wanted.flatten()[0]).all()):  # of values that are all the same nothing more can be told
        alike = few.numel() == wanted.numel() and bool((few == wanted.flatten()[0]).all())
        return Way(*kinds, straight) if alike else None
    for order in _orders(told.ndim):
        moved = few.permute(order)
        if moved.numel() == wanted.numel() and (found := _scale(moved.reshape(wanted.shape), wanted)) is not None:
            return Way(*kinds, order, None, *found)
    for cut in _cuts(tuple(few.shape), tuple(wanted.shape)):
        if torch.equal(few.narrow(cut[0], cut[1], wanted.shape[cut[0]]).to(wanted.dtype), wanted):
            return Way(*kinds, straight, cut)
    return None


def _orders(dimensions: int) -> Iterator[tuple[int, ...]]:
    """Of dimensions whose first is that of the rows, the straight one first."""
    if dimensions > 4:
        yield tuple(range(dimensions))
    else:
        yield from ((0, *rest) for rest in itertools.permutations(range(1, dimensions)))


def _cuts(told: tuple[int, ...], given: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    if len(told) != len(given):
        return
    other = [at for at in range(1, len(told)) if told[at] != given[at]]
    if len(other) == 1 and (more := told[other[0]] - given[other[0]]) > 0:
        yield from ((other[0], 0, more), (other[0], more, 0))


def same_memory(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are one, or the same view of the same memory."""
    return one is other or (
        one.shape == other.shape
        and one.dtype == other.dtype
        and one.stride() == other.stride()
        and one.device == other.device
        and one.data_ptr() == other.data_ptr()
    )


def _scale(told: Tensor, given: Tensor) -> tuple[Tensor | None, Tensor | None] | None:
    """Nothing where the values are the same; factor and offset, for all or by feature, where a line leads to the others."""
    if torch.allclose(told.to(given.dtype).double(), given.double(), rtol=0.0, atol=0.0, equal_nan=True):
        return None, None
    fine = _ROUNDING if not given.is_floating_point() else max(_ROUNDING, 4 * torch.finfo(given.dtype).eps)
    told, given = told.double(), given.double()
    if not (bool(told.isfinite().all()) and bool(given.isfinite().all())):
        return None
    for kept in dict.fromkeys(((), (1,), (told.ndim - 1,)) if told.ndim > 1 else ((),)):
        axes = [axis for axis in range(told.ndim) if axis not in kept]
        if told.numel() < _POINTS * (1 if not kept else told[0].numel() if told.ndim == 2 else told.shape[kept[0]]):
            continue  # through so few points there is a line by chance
        middle, wanted = told.mean(axes, keepdim=True), given.mean(axes, keepdim=True)
        spread = (told - middle).square().sum(axes, keepdim=True)
        factor = ((told - middle) * (given - wanted)).sum(axes, keepdim=True) / spread.clamp(min=1e-300)
        factor = torch.where(spread > 0, factor, 1.0)
        offset = wanted - factor * middle
        if float((told * factor + offset - given).abs().max()) <= fine * float(given.std()):
            return factor, offset
    return None
