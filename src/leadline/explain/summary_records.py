"""What a summary holds: a row for each call, and the totals. Apart from the tables that are made of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Protocol

from leadline.explain.field_records import Field


@dataclasses.dataclass(frozen=True)
class SummaryRow:
    """One call of a layer, or of a function between layers.

    `parameters` are those that no row above has counted, `shared` those that one has; `multiply_adds` and `memory`, the bytes
    of the output, are for one sample; `formulas` says for each of these numbers where it comes from.

    Example:
        >>> from torch import nn
        >>> from leadline.explain.summaries import summary
        >>> summary(nn.Conv2d(3, 16, 2, padding="same"), (3, 32, 32)).rows[0].formulas["parameters"]
        'K·F·F·D_in + K = 16·2·2·3 + 16 = 208'
    """

    name: str
    kind: str
    is_layer: bool
    output_shape: tuple[int, ...]
    parameters: int
    shared: int
    multiply_adds: int
    memory: int
    field: Field | None
    formulas: dict[str, str]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, fractions as floats."""
        field = self.field and {
            "size": list(self.field.size),
            "stride": [None if each is None else float(each) for each in self.field.stride],
            "centre": [None if math.isnan(each) else each for each in self.field.centre],
            "whole": self.field.whole,
        }
        record = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {**record, "output_shape": list(self.output_shape), "field": field}


class Summarized(Protocol):
    """What a table needs of a summary: its rows, what went in, and the totals."""

    title: str
    rows: Sequence[SummaryRow]
    input_shapes: Sequence[tuple[int, ...]]
    parameters: int
    trainable: int
    parameter_bytes: int
    notes: Sequence[str]

    @property
    def multiply_adds(self) -> int: ...

    @property
    def memory(self) -> int: ...
