"""The patches that excite a filter most, cut out where its receptive field lies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.boxes import Box
from leadline.explain.field_records import Field, ReceptiveFields
from leadline.explain.fields import receptive_field
from leadline.explain.passes import in_use, map_layer, outputs_and_map, taken


class Patch(NamedTuple):
    """One place that excites a filter: the number of its picture, how strongly, and what of the picture the unit sees.

    Example:
        >>> Patch(7, 3.2, Box(0, 4, 16, 20)).picture
        7
    """

    picture: int
    value: float
    box: Box


def exciting_patches(
    module: nn.Module,
    batches: Iterable[Tensor],
    *,
    layer: str | None = None,
    top: int = 9,
) -> list[list[Patch]]:
    """For each filter of a layer the patches that excite it most, one a picture, in falling order.

    The value of a picture is the largest on the filter's map; the box is the receptive field of that unit, cut off at the
    border. A filter that is 0 or less everywhere has none, and a picture counts for none where that unit sees padding alone.

    Shapes: batches of [B, C, H, W], all of one size → a list for each of the layer's channels.

    Args:
        module: any network; it is not changed.
        batches: prepared pictures, read once; a picture's number counts through all of them.
        layer: a layer with a map; the last one when left out.
        top: patches a filter, at most.

    Errors: `ArgumentError` for no pictures or pictures of several sizes, fewer than 1 patch, and for an unknown layer or one
        without a map.

    Example:
        >>> bright = nn.Conv2d(1, 1, 3)
        >>> _ = nn.init.ones_(bright.weight)
        >>> pictures = torch.zeros(2, 1, 8, 8)
        >>> pictures[1, 0, 4, 5] = 9.0
        >>> _ = nn.init.zeros_(bright.bias)
        >>> (((number, value, box),),) = exciting_patches(nn.Sequential(bright), [pictures])
        >>> number, value, box
        (1, 9.0, Box(top=2, left=3, bottom=5, right=6))

    Source: Zeiler and Fergus (2014), Visualizing and understanding convolutional networks, section 4.
    """
    if top < 1:
        raise ArgumentError("There are no patches to find", expected="at least 1 a filter", got=top)
    values, places, numbers = (torch.empty(0, 0) for _ in range(3))
    name, field, shape, width, seen = "", None, torch.Size(), 0, 0
    for batch in batches:
        if field is None:
            name, shape = map_layer(module, batch, layer), batch.shape[1:]
            field = _field(receptive_field(module, shape), name)
        if batch.shape[1:] != shape:
            raise ArgumentError("The pictures differ in size", expected=f"{list(shape)}", got=list(batch.shape[1:]))
        with in_use(module), torch.no_grad():
            _, kept = outputs_and_map(module, taken(module, batch), name)
        width = kept.shape[3]
        best, at = kept.detach().cpu().flatten(2).max(dim=2)  # B, channels
        number = torch.arange(seen, seen + len(batch))[:, None].expand_as(best)
        if not seen:
            values, places, numbers = best, at, number
        else:
            values, places, numbers = torch.cat([values, best]), torch.cat([places, at]), torch.cat([numbers, number])
        order = values.argsort(dim=0, descending=True, stable=True)[:top]
        values, places, numbers = (each.gather(0, order) for each in (values, places, numbers))
        seen += len(batch)
    if field is None:
        raise ArgumentError("There are no pictures to look through", expected="at least one batch")
    return [
        [
            Patch(number, value, box)
            for value, place, number in zip(*(each[:, channel].tolist() for each in (values, places, numbers)), strict=True)
            if value > 0 and (box := _box(field, place // width, place % width)).bottom > box.top and box.right > box.left
        ]
        for channel in range(values.shape[1])
    ]


def _field(fields: ReceptiveFields, name: str) -> Field:
    """The field of a layer, or that of the last part of a block."""
    inside = [row.field for row in fields.rows if row.name == name or row.name.startswith(name + ".")]
    if not inside or inside[-1] is None:
        raise ArgumentError(f"What the layer {name!r} sees of the picture is not known", do="Name another layer.")
    return inside[-1]


def _box(field: Field, row: int, column: int) -> Box:
    (top, bottom), (left, right) = field.seen_by(row, column)
    return Box(top, left, bottom + 1, right + 1)
