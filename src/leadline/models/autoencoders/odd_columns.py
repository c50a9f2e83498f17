"""Which column of a row is odd: the one that, held to what the others say, would leave a row that is like the rest.

Where one column contradicts the others every column is told badly, so the errors alone do not say which it is. B rows, C
columns, W places of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.models.autoencoders.reconstruction_steps import as_autoencoder
from leadline.models.autoencoders.table_autoencoders import MixedOutputs
from leadline.models.step_parts import inputs_of


class ColumnGains(NamedTuple):
    """For each row and column: how much less surprising the row would be, and what the column would hold.

    Example:
        >>> ColumnGains(torch.zeros(1, 2), torch.zeros(1, 3)).gains.shape
        torch.Size([1, 2])
    """

    gains: Tensor  # B, C: in nats; the largest of a row is its odd column
    values: Tensor  # B, W: each column as the others tell it, encoded like the rows


def column_gains(model: nn.Module, batches: Iterable[Any], blocks: Mapping[str, Sequence[int]]) -> ColumnGains:
    """How much less surprising each row would be if one column of it held what the others say, column by column.

    gain_c = s(x) − s(x with column c replaced by x̂_c), s = −log p(x | z(x)), x̂_c being the reconstruction of column c from a
    row in which it is masked. A column that fits gains next to nothing. The network should have been trained with the
    corruption "masking" or "swap", so that it can tell a column from the others. It is called 2 C + 1 times.

    Args:
        model: an autoencoder for tables, in the mode in which it is to be used.
        batches: rows, or tuples that begin with them.
        blocks: for each column its places among the W, such as `Table.blocks`.

    Returns:
        Gains float32 [N, C], in the order of the blocks, and values [N, W], on the CPU.

    Errors: `ArgumentError` for another network, places that there are none of, or no rows.

    Example:
        >>> from leadline.models.autoencoders.table_autoencoders import table_autoencoder
        >>> model = table_autoencoder([(), ()], (3,), hidden="8", code=1)
        >>> found = column_gains(model, [torch.zeros(4, 3)], {"age": (0, 1), "city": (2,)})
        >>> found.gains.shape, found.values.shape
        (torch.Size([4, 2]), torch.Size([4, 3]))
    """
    told = as_autoencoder(model).distribution
    if not isinstance(told, MixedOutputs):
        raise ArgumentError(
            "This network knows no columns", expected="an autoencoder for tables", got=f"outputs {type(told).__name__}"
        )
    width = told.numbers + len(told.categories)
    if any(not 0 <= place < width for places in blocks.values() for place in places):
        raise ArgumentError("The columns are not those of this network", expected=f"places from 0 to {width - 1}")
    indicators = sorted({place for place in told.indicators if place >= 0})
    gains, values = [], []
    with torch.inference_mode():
        for batch in batches:
            x = inputs_of(batch)
            before, filled = told.nll(model(x), x), torch.empty_like(x)
            after = []
            for places in blocks.values():
                held = _held(model, told, x, list(places), indicators)
                filled[:, list(places)] = held[:, list(places)]
                after.append(before - told.nll(model(held), held))
            gains.append(torch.stack(after, dim=1).float().cpu())
            values.append(filled.cpu())
    if not gains:
        raise ArgumentError("There are no rows to look at", expected="at least 1 batch")
    return ColumnGains(torch.cat(gains), torch.cat(values))


def _held(model: nn.Module, told: MixedOutputs, x: Tensor, places: list[int], indicators: list[int]) -> Tensor:
    """The rows with one column as the others tell it."""
    masked = x.clone()
    masked[:, places] = 0.0
    again = told.reconstruction(model(masked))
    again[:, indicators] = (again[:, indicators] > 0.5).to(x.dtype)  # a cell is missing, or it is not
    held = x.clone()
    held[:, places] = again[:, places]
    return held
