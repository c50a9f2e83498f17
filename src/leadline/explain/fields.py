"""Receptive fields: which part of the input each unit of a network sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.field_records import Along, Field, LayerField, ReceptiveFields
from leadline.explain.reach_rules import Tracker
from leadline.explain.reaching import NOTHING, Reach, rate_along
from leadline.explain.tracing import Operation, Step, example_inputs, trace, unwrapped


def receptive_field(
    module: nn.Module,
    shape: Sequence[int] | None = None,
    *,
    example: Tensor | Sequence[Tensor] | None = None,
    axes: Sequence[int] | None = None,
    statistics: bool = False,
) -> ReceptiveFields:
    """Size, stride and centre of the receptive field of every layer, exact for any graph of PyTorch's operations.

    Along each axis a unit sees the union, over all paths to it, of what the windows on the path cover: size grows by
    (F − 1)·dilation·stride a window of F, where stride is the product of the strides before it; the centre starts at 0 and
    moves by ((F − 1)/2·dilation − padding)·stride. Fields are given by their first and last place: a dilated window has holes
    in it. Zero weights count as others do. An operation without a rule, such as one of your own in C++, counts as seeing all of
    its inputs, so that no field is told too small.

    Shapes: an input of `shape`, [C, L], [C, H, W] or [C, D, H, W], with one sample in the batch.

    Args:
        module: the network; it is not changed.
        shape: of one sample, without the batch dimension.
        example: in place of a shape, what the network is called with: a tensor, or several of which the first is followed.
        axes: which axes of a sample are followed; all but the channels, 0, when left out (of a sequence [T, D] without any
            convolution or pool: the time, 0).
        statistics: whether what comes through the mean and deviation of a normalization layer counts, too. It makes every unit
            after a layer, group or instance normalization over space see all of the input.

    Errors: `ArgumentError` for a shape that the network cannot take, or an axis that it does not have.

    Example:
        >>> three = nn.Sequential(*(nn.Conv2d(8, 8, 3) for _ in range(3)))
        >>> receptive_field(three, (8, 32, 32)).last.size == receptive_field(nn.Conv2d(8, 8, 7), (8, 32, 32)).last.size
        True

    Source: Araujo, Norris and Sim (2019), Computing receptive fields of convolutional neural networks, for the recursion.
    """
    module = unwrapped(module)
    inputs = example_inputs(module, shape, example)
    watching = Following(inputs[0], module, axes, statistics=statistics)
    trace(module, inputs, watching.begin)
    if not watching.rows:
        raise ArgumentError("The network does nothing with its input, so there is no layer to look at")
    return ReceptiveFields(watching.rows, inputs[0].shape[1:])


class Following:
    """Keeps the field of each step while a pass is watched."""

    def __init__(self, first: Tensor, module: nn.Module, axes: Sequence[int] | None, *, statistics: bool) -> None:
        count = first.ndim - 1
        self.axes = _default_axes(module, count) if axes is None else [int(axis) for axis in axes]
        if any(not 0 <= axis < count for axis in self.axes) or (axes is not None and not self.axes):
            raise ArgumentError(
                "There is no such axis", expected=f"axes of a sample, 0 … {count - 1}", got=list(axes or self.axes)
            )
        self.size, self.ndim = tuple(first.shape[axis + 1] for axis in self.axes), first.ndim
        self.statistics = statistics
        self.trackers: list[Tracker] = []
        self.rows: list[LayerField] = []
        self.before: list[Field | None] = []  # of what went into each step

    def begin(self, inputs: Sequence[Tensor]) -> Following:
        self.trackers = [Tracker(inputs, axis + 1, statistics=self.statistics) for axis in self.axes]
        self.rows, self.before = [], []
        return self

    def see(self, operation: Operation) -> None:
        for each in self.trackers:
            each.follow(operation)

    def end(self, step: Step) -> None:
        assert step.output is not None
        self.rows.append(LayerField(step.name, step.kind, self.field(step.output)))
        self.before.append(self.field(step.inputs[0]) if step.inputs else None)

    def field(self, tensor: Tensor) -> Field | None:
        """What a tensor's units see of the input."""
        reaches = [reach for each in self.trackers if (reach := each.of(tensor)) is not None]
        if len(reaches) < len(self.trackers):
            return None
        dims = [_dim(reach, axis + 1, tensor.ndim == self.ndim) for reach, axis in zip(reaches, self.axes, strict=True)]
        along = [_along(reach, dim) for reach, dim in zip(reaches, dims, strict=True)]
        return Field(tuple(along), self.size, tuple(_map(reach, dims) for reach in reaches))


def _dim(reach: Reach, own: int, same: bool) -> int | None:
    """The dimension of a tensor along which its units move along an axis.

    Where none is known and the tensor has the `same` dimensions as the input, it is the `own` one of the axis there: along
    others, such as the channels with several branches side by side, the field may change as well.
    """
    if reach.rate is not None:
        return reach.rate.dim
    if same:
        return own
    changing = [dim for dim, size in enumerate(reach.bounds.shape[1:]) if size > 1]
    return changing[-1] if changing else None


def _map(reach: Reach, dims: Sequence[int | None]) -> Tensor:
    """Bounds in this input, all dimensions that belong to no axis taken together: [2, …], a dimension for each axis."""
    kept = [dim for dim in dims if dim is not None]
    others = [dim + 1 for dim in range(reach.bounds.ndim - 1) if dim not in kept]
    bounds = reach.bounds[:2].amin(others, keepdim=True) if others else reach.bounds[:2]
    order = sorted(set(kept))
    bounds = bounds.reshape(2, *(bounds.shape[dim + 1] for dim in order))
    # Two axes may have become one dimension; then the unit's place on it is that of the first.
    sizes = [
        bounds.shape[order.index(dim) + 1] if dim is not None and dims.index(dim) == at else 1 for at, dim in enumerate(dims)
    ]
    first = [dim for at, dim in enumerate(dims) if dim is not None and dims.index(dim) == at]
    return bounds.permute(0, *(order.index(dim) + 1 for dim in first)).reshape(2, *sizes)


def _along(reach: Reach, dim: int | None) -> Along:
    """The interval of each unit along one dimension, all others taken together."""
    bounds = reach.bounds
    others = [each for each in range(1, bounds.ndim) if dim is None or each != dim + 1]
    rate = reach.rate if dim is None or reach.rate is not None else rate_along(reach, dim, bounds.shape[dim + 1])
    flat = (bounds.amin(others) if others else bounds).reshape(4, -1)
    first, last = flat[0], -flat[1]
    nothing = first > last
    first, last = first.masked_fill(nothing, 0), last.masked_fill(nothing, -1)
    sizes = (-flat[3] - flat[2] + 1)[flat[2] < NOTHING // 2]
    centre = float(flat[2, 0] - flat[3, 0]) / 2 if int(flat[2, 0]) < NOTHING // 2 else math.nan
    if not len(sizes):
        return Along(0, None, math.nan, tuple(first.tolist()), tuple(last.tolist()))
    stride = Fraction(rate.advance, rate.period) if rate is not None and rate.advance else _in_the_middle(flat)
    return Along(int(sizes.max()), stride, centre, tuple(first.tolist()), tuple(last.tolist()))


def _in_the_middle(flat: Tensor) -> Fraction | None:
    """How far the fields of the units in the middle are apart, where the border has its own ways."""
    middle = flat.shape[1] // 2
    if flat.shape[1] < 5 or int(flat[:, middle - 1 : middle + 2].max()) >= NOTHING // 2:
        return None
    moved = {*flat[2].diff()[middle - 1 : middle + 1].tolist(), *(-flat[3]).diff()[middle - 1 : middle + 1].tolist()}
    return Fraction(moved.pop()) if len(moved) == 1 and 0 not in moved else None


def _default_axes(module: nn.Module, count: int) -> list[int]:
    pools = nn.modules.pooling
    kinds = (nn.modules.conv._ConvNd, pools._MaxPoolNd, pools._AvgPoolNd, pools._AdaptiveAvgPoolNd, pools._AdaptiveMaxPoolNd)
    if count == 2 and not any(isinstance(each, kinds) for each in module.modules()):
        return [0]
    return list(range(1, count)) if count > 1 else [0]
