"""The checks that the ways of explaining share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError

Answer = Callable[[NDArray[Any]], NDArray[Any]]


def check_inputs(inputs: NDArray[Any]) -> None:
    """Refuse anything but at least one row of encoded columns.

    Raises:
        ArgumentError: not two axes, or no rows.
    """
    if inputs.ndim != 2 or not len(inputs):
        raise ArgumentError("There is nothing to explain", expected="inputs [N, W] of at least one row", got=list(inputs.shape))


def column_numbers(columns: Sequence[int], width: int, name: str) -> NDArray[np.int64]:
    """The numbers of some encoded columns as int64 [C].

    Raises:
        ArgumentError: a number outside 0 … width − 1.

    Example:
        >>> column_numbers((0, 2), 3, "the date")
        array([0, 2])
    """
    numbers = np.asarray(columns, dtype=np.int64).reshape(-1)
    outside = numbers[(numbers < 0) | (numbers >= width)]
    if len(outside):
        raise ArgumentError(
            f"There is no such encoded column of {name}", expected=f"numbers from 0 to {width - 1}", got=int(outside[0])
        )
    return numbers
