"""Receptive fields as records: of an axis, of a layer, of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from torch import Tensor

from leadline.errors import ArgumentError, unknown
from leadline.explain.reaching import NOTHING


class Along(NamedTuple):
    """A receptive field along one axis of the input.

    `size` places, counted in an endless input, `stride` places from one unit to the next (None where there is only one unit, or
    no fixed distance), `centre` of the first unit. `first` and `last`, one for each unit along the axis, are what they really
    see of this input; a `last` below its `first` means nothing.

    Example:
        >>> Along(3, Fraction(1), 0.0, (0, 0, 1), (1, 2, 2)).size
        3
    """

    size: int
    stride: Fraction | None
    centre: float
    first: tuple[int, ...]
    last: tuple[int, ...]


@dataclass(frozen=True)
class Field:
    """What the units of one layer see: one `Along` for each axis followed, and the sizes of these axes.

    Example:
        >>> from torch import nn
        >>> from leadline.explain import receptive_field
        >>> field = receptive_field(nn.Conv1d(1, 1, 3, stride=2, padding=1), (1, 9)).last
        >>> field.size, field.stride, field.centre, field.seen_by(0), field.seen_by(2)
        ((3,), (Fraction(2, 1),), (0.0,), ((0, 1),), ((3, 5),))
    """

    axes: tuple[Along, ...]
    input_size: tuple[int, ...]
    # For each axis first and −last of each unit [2, …], a dimension for each axis, of size 1 where nothing changes.
    maps: tuple[Tensor, ...] = dataclasses.field(default=(), compare=False, repr=False)

    @property
    def size(self) -> tuple[int, ...]:
        """Places along each axis, as if the input had no border."""
        return tuple(axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[Fraction | None, ...]:
        """How far the field moves from one unit to the next."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def centre(self) -> tuple[float, ...]:
        """Where the field of the first unit has its middle, 0 being the middle of the first place; padding moves it."""
        return tuple(axis.centre for axis in self.axes)

    @property
    def whole(self) -> bool:
        """Whether every unit sees the input from end to end."""
        return all(
            min(axis.last) == size - 1 and max(axis.first) == 0 for axis, size in zip(self.axes, self.input_size, strict=True)
        )

    def seen_by(self, *unit: int) -> tuple[tuple[int, int], ...]:
        """The first and last place along each axis that reach one unit, cut off at the border.

        Args:
            unit: its position in the layer's map, a number for each axis.
        """
        found = []
        for each in self.maps:
            place = [at if size > 1 else 0 for at, size in zip(unit, each.shape[1:], strict=True)]
            first, last = each.flatten(1)[:, _number(place, each.shape[1:])]
            found.append((int(first), -int(last)) if int(first) < NOTHING // 2 else (0, -1))
        return tuple(found)

    def __str__(self) -> str:
        if self.whole and not any(self.stride):
            return "whole"
        size = _once(self.size, "×")
        known = [f"{float(each):g}" for each in self.stride if each is not None]
        return f"{size}/{_once(known, '×')}" if known else size


class LayerField(NamedTuple):
    """One row: the name of a layer or function, what it is, and its field; None where the input does not reach it.

    Example:
        >>> str(LayerField("conv", "Conv1d", Field((Along(3, None, 1.0, (0,), (2,)),), (3,))).field)
        'whole'
    """

    name: str
    kind: str
    field: Field | None


class ReceptiveFields(Sequence[LayerField]):
    """The fields of all layers, in the order of their calls.

    Example:
        >>> from torch import nn
        >>> from leadline.explain import receptive_field
        >>> fields = receptive_field(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3)), (3, 32, 32))
        >>> [str(row.field) for row in fields], fields.of("2").centre
        (['3/1', '4/2', '8/2'], (3.5, 3.5))
    """

    def __init__(self, rows: Sequence[LayerField], shape: Sequence[int]) -> None:
        self.rows, self.shape = tuple(rows), tuple(shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at):  # type: ignore[no-untyped-def]  # an int or a slice, as a Sequence has it
        return self.rows[at]

    def __iter__(self) -> Iterator[LayerField]:
        return iter(self.rows)

    @property
    def last(self) -> Field:
        """The field of what the network puts out."""
        found = self.rows[-1].field
        if found is None:
            raise ArgumentError("The input does not reach what the network puts out", got=self.rows[-1].name)
        return found

    def of(self, name: str) -> Field:
        """The field of one layer, after its last call.

        Args:
            name: as in the rows.

        Errors: `ArgumentError` for an unknown layer, with the nearest name, or one that the input does not reach.
        """
        found = [row.field for row in self.rows if row.name == name]
        if not found:
            unknown("layer", name, [row.name for row in self.rows])
        if found[-1] is None:
            raise ArgumentError(f"The input does not reach the layer {name!r}")
        return found[-1]

    def __str__(self) -> str:
        lines = [f"{'layer':<40} {'size':>10} {'stride':>8} {'centre':>12}"]
        for row in self.rows:
            name = f"{row.name} {row.kind}" if row.kind not in row.name else row.name
            name = name if len(name) <= 40 else "…" + name[-39:]
            if row.field is None:
                lines.append(f"{name:<40} {'nothing':>10}")
                continue
            size = "whole" if str(row.field) == "whole" else _once(row.field.size, "×")
            stride = _once(["—" if each is None else f"{float(each):g}" for each in row.field.stride], "×")
            lines.append(f"{name:<40} {size:>10} {stride:>8} {_once([f'{each:g}' for each in row.field.centre], ', '):>12}")
        return "\n".join(lines)


def _number(place: Sequence[int], shape: Sequence[int]) -> int:
    """Where a place stands when the dimensions are laid out as one."""
    number = 0
    for at, size in zip(place, shape, strict=True):
        if not -size <= at < size:
            raise ArgumentError("There is no such unit", expected=f"a place in a map of {tuple(shape)}", got=tuple(place))
        number = number * size + at % size
    return number


def _once(values: Sequence[object], between: str) -> str:
    """The values joined, or one of them if they are all the same."""
    words = [str(each) for each in values]
    return words[0] if len(set(words)) == 1 else between.join(words)
