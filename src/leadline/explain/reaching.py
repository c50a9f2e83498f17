"""How far back along one axis of the input each number in a network sees, kept as intervals that travel with the tensors.

Beside every tensor stand, for each of its numbers, the first and the last place on the axis that reach it, in this input and as
if the input went on beyond its borders. A convolution takes the least of the firsts and the greatest of the lasts of what its
window covers; a sum of branches takes them over the branches; a view is the same view of the intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

NOTHING = 1 << 40  # the bound of what no place reaches: above every place, and above minus every place
_OUTSIDE = NOTHING // 2  # everything above counts as NOTHING: places are moved by additions


class Rate(NamedTuple):
    """Along `dim`, units `period` apart see places `advance` apart: 1 and the product of the strides in a plain network."""

    dim: int
    period: int
    advance: int


@dataclass(frozen=True)
class Reach:
    """What reaches the numbers of a tensor from one axis.

    `bounds` [4, …] holds first and −last in this input, then first and −last in an endless one, so that the union of intervals
    is always the minimum; it has size 1 along each dimension along which nothing changes.
    """

    bounds: Tensor
    rate: Rate | None = None


class Reads(NamedTuple):
    """Which places along a dimension each unit of the next layer reads: [units, places], −NOTHING for none.

    Units `units` apart read places `places` apart; (0, 0) where there is no such rule.
    """

    table: Tensor
    units: int
    places: int
    endless: Tensor | None = None  # the table of an endless input, where it differs (reflection at the border)


def start(shape: Sequence[int], dim: int) -> Reach:
    """The input itself: each place sees itself."""
    place = torch.arange(shape[dim]).view([-1 if each == dim else 1 for each in range(len(shape))])
    return Reach(torch.stack([place, -place, place, -place]), Rate(dim, 1, 1))


def union(reaches: Sequence[Reach], ndim: int) -> Reach:
    """All of them together, the dimensions aligned at the last, as element-by-element operations do it."""
    if len(reaches) == 1 and reaches[0].bounds.ndim == ndim + 1:
        return reaches[0]
    aligned = [_aligned(each, ndim) for each in reaches]
    bounds = aligned[0].bounds
    for each in aligned[1:]:
        bounds = torch.minimum(bounds, each.bounds)
    rates = {each.rate for each in aligned if each.rate is not None}
    if len(rates) > 1 and len({(rate.dim, rate.advance / rate.period) for rate in rates}) == 1:
        first, period = next(iter(rates)), math.lcm(*(rate.period for rate in rates))
        rates = {Rate(first.dim, period, first.advance * period // first.period)}
    found = settled(Reach(bounds, rates.pop() if len(rates) == 1 else None))
    if found.bounds[0].numel() == 1 and any(each.bounds[0].numel() > 1 for each in aligned):
        return replace(found, rate=None)  # one of them saw everything already
    return found


def window(reach: Reach, dim: int, size: int, reads: Reads) -> Reach:
    """What units see that read some places along `dim` each.

    Args:
        reach: of what they read.
        dim: along which they read.
        size: of that dimension.
        reads: the places.
    """
    table, outside = reads.table, (reads.table < 0) | (reads.table >= size)
    endless = table if reads.endless is None else reads.endless
    bounds, rate = reach.bounds, rate_along(reach, dim, size)
    if bounds.shape[dim + 1] == 1 and rate is None:
        return settled(_constant(reach, dim, outside.all(dim=1), (endless == -NOTHING).all(dim=1)))
    bounds = bounds.expand([-1 if each != dim + 1 else size for each in range(bounds.ndim)])
    here = _gathered(bounds[:2], dim, table.clamp(0, size - 1), outside)
    if rate is None:
        return settled(Reach(torch.cat([here, here])))
    moved = endless.div(rate.period, rounding_mode="floor") * rate.advance
    beyond = _gathered(bounds[2:], dim, endless.remainder(rate.period), endless == -NOTHING, moved)
    if not reads.units:
        return settled(Reach(torch.cat([here, beyond])))
    if reach.rate is not None and reach.rate.dim != dim:
        return settled(Reach(torch.cat([here, beyond]), reach.rate))
    times = rate.period // math.gcd(rate.period, reads.places)
    # Far from the border, `units * times` units further on everything is read `places * times` places further on.
    after = Rate(dim, reads.units * times, rate.advance * (reads.places * times // rate.period))
    return settled(Reach(torch.cat([here, beyond]), after if after.advance else None))


def over(reach: Reach, dims: Sequence[int], *, keep: bool = True) -> Reach:
    """What a number sees that is made of all those along `dims`. They end at the border, so an endless input is none to it."""
    bounds, rate = reach.bounds, reach.rate
    if rate is not None and rate.dim in dims:
        bounds, rate = torch.cat([bounds[:2], bounds[:2]]), None
    changing = bounds[0].numel() > 1
    bounds = bounds.amin([dim + 1 for dim in dims], keepdim=True) if dims else bounds
    if changing and rate is None and bounds[0].numel() == 1:
        # A map without a rate that has become one number, such as a flattened one behind a linear layer.
        bounds = torch.cat([bounds[:2], bounds[:2]])
    if not keep:
        bounds = bounds.squeeze([dim + 1 for dim in dims])
        rate = None if rate is None else rate._replace(dim=rate.dim - sum(dim < rate.dim for dim in dims))
    return settled(Reach(bounds, rate))


def everything(reaches: Sequence[Reach], ndim: int) -> Reach:
    """What a number sees to which all numbers of all of these may have gone."""
    bounds = torch.stack([each.bounds[:2].flatten(1).amin(1) for each in reaches]).amin(0)
    return Reach(torch.cat([bounds, bounds]).view(4, *(1 for _ in range(ndim))))


def running(reach: Reach, dim: int, size: int) -> Reach:
    """What cumulative operations see: all that came before along `dim`."""
    if reach.bounds.shape[dim + 1] == 1:
        return reach
    bounds = reach.bounds.cummin(dim + 1).values
    return settled(Reach(torch.cat([bounds[:2], bounds[:2]])))


def grouped(reach: Reach, channels: int, groups: int, maps: int) -> Reach:
    """What the maps of a convolution see of the channels, dimension 1: each those of its group."""
    if reach.bounds.shape[2] == 1:
        return reach
    if groups == 1:
        return over(reach, [1])
    rest = reach.bounds.shape[3:]
    bounds = reach.bounds.reshape(4, -1, groups, channels // groups, *rest).amin(3)
    return settled(replace(reach, bounds=bounds.repeat_interleave(maps // groups, dim=2)))


def joined(parts: Sequence[tuple[Reach | None, Sequence[int]]], dim: int, ndim: int) -> Reach:
    """Tensors of these shapes, one behind another along `dim`."""
    known = next(reach for reach, _ in parts if reach is not None)
    nothing = torch.full([4, *(1 for _ in range(ndim))], NOTHING)
    pieces = [
        (nothing if reach is None else reach.bounds).expand(4, *(shape[dim] if each == dim else -1 for each in range(ndim)))
        for reach, shape in parts
    ]
    sizes = [max(piece.shape[each + 1] for piece in pieces) for each in range(ndim)]
    bounds = torch.cat(
        [piece.expand(4, *(-1 if each == dim else size for each, size in enumerate(sizes))) for piece in pieces], dim + 1
    )
    rates = {reach.rate for reach, _ in parts if reach is not None}
    rate = known.rate if len(rates) == 1 and known.rate is not None and known.rate.dim != dim else None
    return settled(Reach(bounds, rate))


def continued(reach: Reach) -> Reach:
    """What was put together piece by piece, as circular padding is: in an endless input its middle goes on beyond its ends."""
    settled_reach = settled(reach)
    changing = [dim for dim in range(1, settled_reach.bounds.ndim) if settled_reach.bounds.shape[dim] > 1]
    if len(changing) != 1 or (size := settled_reach.bounds.shape[changing[0]]) < 5:
        return settled_reach
    dim, middle = changing[0], size // 2
    inner = settled_reach.bounds[2:].narrow(dim, middle - size // 4, 2 * (size // 4) + 1)
    steps = inner.diff(dim=dim)
    advance = int(steps[0].flatten()[0])
    signs = torch.tensor([1, -1]).view(2, *(1 for _ in range(inner.ndim - 1)))
    if int(inner.max()) > _OUTSIDE or not bool((steps == signs * advance).all()):
        return settled_reach
    away = (torch.arange(size) - middle).view([-1 if each == dim else 1 for each in range(inner.ndim)])
    endless = inner.narrow(dim, size // 4, 1) + signs * advance * away
    return Reach(torch.cat([settled_reach.bounds[:2], endless]), Rate(dim - 1, 1, advance))


def replayed(reach: Reach, shape: Sequence[int], operation: Callable[[Tensor], Tensor]) -> Reach:
    """The intervals put through a view or a choice of numbers: the same operation, of a tensor of this shape."""
    full = reach.bounds.expand(4, *shape)
    bounds = torch.stack([operation(each.contiguous()) for each in full])
    dim = None if reach.rate is None else _followed(reach.rate.dim, shape, operation)
    rate = None if reach.rate is None or dim is None else reach.rate._replace(dim=dim)
    return settled(Reach(bounds, rate))


def settled(reach: Reach) -> Reach:
    """The same in as few numbers as it takes; a rate that does not hold is dropped."""
    bounds = reach.bounds
    for dim in range(1, bounds.ndim):
        if bounds.shape[dim] > 1 and bool((bounds == bounds.narrow(dim, 0, 1)).all()):
            bounds = bounds.narrow(dim, 0, 1)
    bounds = bounds.clamp_max(NOTHING) if int(bounds.max()) > NOTHING else bounds
    rate = reach.rate
    if rate is not None:
        changing = [dim - 1 for dim in range(1, bounds.ndim) if bounds.shape[dim] > 1]
        if rate.dim >= bounds.ndim - 1 or (changing and not _holds(bounds, rate)):
            rate = None
    return Reach(bounds, rate)


def _aligned(reach: Reach, ndim: int) -> Reach:
    missing = ndim - (reach.bounds.ndim - 1)
    if missing <= 0:
        return reach
    rate = None if reach.rate is None else reach.rate._replace(dim=reach.rate.dim + missing)
    return Reach(reach.bounds.view(4, *(1 for _ in range(missing)), *reach.bounds.shape[1:]), rate)


def _holds(bounds: Tensor, rate: Rate) -> bool:
    """Whether the endless intervals along the rate's dimension repeat as it says."""
    size = bounds.shape[rate.dim + 1]
    if size == 1:
        return rate.advance == 0 or all(each == 1 for each in bounds.shape[1:])
    if size <= rate.period:
        return True
    here = bounds[2:].narrow(rate.dim + 1, 0, size - rate.period)
    later = bounds[2:].narrow(rate.dim + 1, rate.period, size - rate.period)
    moved = torch.tensor([rate.advance, -rate.advance]).view(2, *(1 for _ in range(bounds.ndim - 1)))
    return bool(((later == here + moved) | (here > _OUTSIDE)).all())


def rate_along(reach: Reach, dim: int, size: int) -> Rate | None:
    """The rate along a dimension: the one that is known, or the one that the intervals show."""
    if reach.rate is not None and reach.rate.dim == dim and reach.rate.period <= size:
        return reach.rate
    if reach.bounds.shape[dim + 1] == 1:
        return None
    first = reach.bounds[2].movedim(dim, 0)
    for period in range(1, min(8, size // 3) + 1):
        rate = Rate(dim, period, int((first[period] - first[0]).flatten()[0]))
        if abs(rate.advance) < _OUTSIDE and _holds(reach.bounds, rate):
            return rate
    return None


def _constant(reach: Reach, dim: int, blind: Tensor, never: Tensor) -> Reach:
    """Units that see the same wherever they stand, except those that read nothing but padding."""
    if not bool(blind.any()):
        return reach
    shape = [-1 if each == dim else 1 for each in range(reach.bounds.ndim - 1)]
    marks = torch.stack([blind, blind, never, never]).view(4, *shape)
    return replace(reach, bounds=torch.where(marks, NOTHING, reach.bounds))


def _gathered(bounds: Tensor, dim: int, table: Tensor, left_out: Tensor, moved: Tensor | None = None) -> Tensor:
    """For each row of the table the minimum over the places it names; `moved` is added to firsts and taken from −lasts."""
    before, after = bounds.shape[: dim + 1], bounds.shape[dim + 2 :]
    read = bounds.index_select(dim + 1, table.flatten()).reshape(*before, *table.shape, *after)
    shape = [1] * read.ndim
    shape[dim + 1 : dim + 3] = table.shape
    if moved is not None:
        signs = torch.tensor([1, -1]).view(2, *(1 for _ in range(read.ndim - 1)))
        read = read + signs * moved.view(shape)
    read = read.masked_fill(left_out.view(shape) | (read > _OUTSIDE), NOTHING)
    return read.amin(dim + 2)


def _followed(dim: int, shape: Sequence[int], operation: Callable[[Tensor], Tensor]) -> int | None:
    """Where a dimension goes in a view, told by its stride; None where it is merged, split or gone."""
    strides = [1_000_003 + 1_009 * each for each in range(len(shape))]
    try:
        after = operation(torch.empty_strided(tuple(shape), strides, device="meta"))
    except (RuntimeError, NotImplementedError):
        return None
    places = [each for each, stride in enumerate(after.stride()) if stride == strides[dim]]
    return places[0] if len(places) == 1 and after.shape[places[0]] == shape[dim] else None
