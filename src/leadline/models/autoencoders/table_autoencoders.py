"""Autoencoders for tables: numbers and categories in one row, each told in its own way.

B batch, F numbers, C categories, W = F + C places of a row, O = F + Σ cardinalities raw outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadline.data.tables.table import Table
from leadline.errors import ArgumentError
from leadline.layers.arguments import check_dropped, check_shape, check_whole
from leadline.losses.reconstruction import gaussian_surprises
from leadline.models.autoencoders.autoencoders import Autoencoder, dense_decoder, dense_layers
from leadline.models.autoencoders.output_distributions import OutputDistribution, Spread, read_widths
from leadline.models.autoencoders.variational_autoencoders import VariationalAutoencoder
from leadline.models.tabular_networks import Columns

_FLOOR = 0.1  # of a number's deviation, in units in which most lie within ±1


def table_autoencoder(
    edges: Sequence[Sequence[float]],
    categories: Sequence[int],
    *,
    indicators: Sequence[int] = (),
    hidden: str = "256-128",
    code: int = 16,
    activation: str = "relu",
    embedding: str = "piecewise_linear",
    embedding_width: int = 8,
    variational: bool = False,
    dropout: float = 0.0,
) -> Autoencoder | VariationalAutoencoder:
    """Columns embedded as in `tabular`, hidden layers to a code, and from it a mean for each number, logits for each category.

    Shapes: [B, W], numbers first and then codes, → raw outputs [B, O].

    Args:
        edges: for each number its bin edges; empty for a number that is taken as it is.
        categories: the cardinality of each category.
        indicators: as `MixedOutputs` takes them; `missing_indicators` reads them from a table.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse order.
        code: D.
        activation: of hidden layers, as `layers.activation` reads it.
        embedding: of numbers: "piecewise_linear", "periodic" or "none".
        embedding_width: of a column's embedding.
        variational: a code with a distribution, from which rows can be generated.
        dropout: share of hidden units dropped in training, in [0, 1).

    Errors: `ArgumentError` for an argument out of range or a table without columns.

    Example:
        >>> model = table_autoencoder([(-1.0, 0.0, 1.0), ()], (3,), code=2)
        >>> rows = torch.tensor([[0.3, 1.0, 2.0]])
        >>> model(rows).shape, model.encode(rows).shape, model.errors(rows).shape
        (torch.Size([1, 5]), torch.Size([1, 2]), torch.Size([1, 3]))
    """
    check_whole("The autoencoder for tables", {"code": code, "embedding_width": embedding_width})
    check_dropped("The autoencoder for tables", dropout, name="dropout")
    widths = read_widths(hidden)
    columns = Columns(edges, categories, embedding=embedding, width=embedding_width)
    outputs = MixedOutputs(len(edges), categories, indicators=indicators)
    trunk = nn.Sequential(columns, *dense_layers(columns.outputs, widths, activation, dropout=dropout))
    decoder = dense_decoder(code, widths, (outputs.outputs,), activation, dropout=dropout)
    features, shape = widths[-1] if widths else columns.outputs, (len(edges) + len(categories),)
    if variational:
        return VariationalAutoencoder(trunk, decoder, outputs, shape=shape, features=features, code=code)
    return Autoencoder(trunk.append(nn.Linear(features, code)), decoder, outputs, shape=shape)


class MixedOutputs(OutputDistribution):
    """Numbers are normal around their means, each with a learned deviation; categories have logits of their own.

    −log p(x) = Σ_f ½ ((x_f − μ_f)/σ_f)² + log σ_f + ½ log 2π − Σ_c log softmax(l_c)[code_c]; the error of a number is
    (x_f − μ_f)², that of a category −log softmax(l_c)[code_c]. A number whose cell is missing is no number: it counts 0, and
    only that it is missing must be told. σ_f weighs numbers that can be told well more than those that cannot.

    Shapes: raw outputs [B, O], rows x [B, W] → [B] and errors [B, W].

    Args:
        numbers: F.
        categories: the cardinality of each category; a code that is none of them counts as 0.
        indicators: for each number the place of the one that is 1 where its cell is missing, or −1; () where nothing is.

    Errors: `ArgumentError` for no columns, indicators that do not fit, or rows and outputs of another shape.

    Example:
        >>> outputs = MixedOutputs(1, (2,))
        >>> outputs.errors(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[3.0, 1.0]])).round(decimals=4)
        tensor([[4.0000, 0.6931]])
    """

    present: Tensor
    always: Tensor

    def __init__(self, numbers: int, categories: Sequence[int], *, indicators: Sequence[int] = ()) -> None:
        super().__init__()
        if not numbers and not categories:
            raise ArgumentError("The table has no columns to learn from", expected="at least 1 number or category")
        places = tuple(indicators) or (-1,) * numbers
        if len(places) != numbers or any(not -1 <= place < numbers for place in places):
            raise ArgumentError(
                "The indicators of missing cells do not fit", expected=f"a place or −1 for each of {numbers}", got=places
            )
        self.numbers, self.categories, self.indicators = numbers, tuple(categories), places
        self.outputs = numbers + sum(self.categories)
        self.spread = Spread(numbers, 1.0, _FLOOR) if numbers else None
        # The indicator that a number looks at; of those without one any, for their cells are always present.
        self.register_buffer("present", torch.tensor([max(place, 0) for place in places]), persistent=False)
        self.register_buffer("always", torch.tensor([place < 0 for place in places], dtype=torch.bool), persistent=False)

    def nll(self, outputs: Tensor, x: Tensor) -> Tensor:
        means, logits = self._parts(outputs, x)
        total = self._surprises(logits, x).sum(dim=1)
        if self.spread is not None:
            values = x[:, : self.numbers]
            total = total + (gaussian_surprises(means, values, self.spread()) * self.present_numbers(values)).sum(dim=1)
        return total

    def errors(self, outputs: Tensor, x: Tensor) -> Tensor:
        means, logits = self._parts(outputs, x)
        values = x[:, : self.numbers]
        squares = (means - values).square() * self.present_numbers(values) if self.numbers else values
        return torch.cat([squares, self._surprises(logits, x)], dim=1)

    def reconstruction(self, outputs: Tensor) -> Tensor:
        codes = [part.argmax(dim=1, keepdim=True) for part in self._logits(outputs)]
        return torch.cat([outputs[:, : self.numbers], *(code.to(outputs.dtype) for code in codes)], dim=1)

    def made_up(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        # A draw: the likeliest category of every row would leave out all rarer ones, and means all that numbers stray by.
        parts = []
        if self.spread is not None:
            noise = torch.randn(len(outputs), self.numbers, generator=generator, device=outputs.device)
            parts.append(outputs[:, : self.numbers] + noise * self.spread().exp())
        shares = [logits.float().softmax(dim=1) for logits in self._logits(outputs)]
        parts += [torch.multinomial(each, 1, generator=generator).to(outputs.dtype) for each in shares]
        return torch.cat(parts, dim=1)

    def extra_repr(self) -> str:
        return f"numbers={self.numbers}, categories={self.categories}"

    def _parts(self, outputs: Tensor, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        check_shape("MixedOutputs", x, ("B", self.numbers + len(self.categories)))
        if outputs.shape != (len(x), self.outputs):
            raise ArgumentError(
                "The outputs do not fit the rows", expected=f"shape {[len(x), self.outputs]}", got=list(outputs.shape)
            )
        outputs = outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
        return outputs[:, : self.numbers], self._logits(outputs)

    def _logits(self, outputs: Tensor) -> tuple[Tensor, ...]:
        return torch.split(outputs[:, self.numbers :], list(self.categories), dim=1) if self.categories else ()

    def _surprises(self, logits: Sequence[Tensor], x: Tensor) -> Tensor:
        """−log p of the code of each category: [B, C]."""
        if not logits:
            return x.new_zeros(len(x), 0)
        columns = []
        for part, codes in zip(logits, x[:, self.numbers :].unbind(dim=1), strict=True):
            known = (codes >= 0) & (codes < part.shape[1])  # NaN is not
            columns.append(F.cross_entropy(part, torch.where(known, codes, 0).long(), reduction="none"))
        return torch.stack(columns, dim=1)

    def present_numbers(self, values: Tensor) -> Tensor:
        """1 for a number whose cell is there, 0 where it is missing: [B, F] → [B, F]."""
        there = values[:, self.present] < 0.5
        return (there | self.always).to(values.dtype)


def missing_indicators(table: Table) -> tuple[int, ...]:
    """For each number of a table's rows the place of the number that says that its cell is missing, or −1.

    Args:
        table: as learned from the training rows.

    Example:
        >>> import numpy as np
        >>> import polars as pl
        >>> frame = pl.DataFrame({"age": ["20", "30", "?", "50"], "city": ["Bonn", "Ulm", "Bonn", "Kiel"]})
        >>> missing_indicators(Table.learn(frame, np.arange(4))[0])  # the age, and whether it is missing
        (1, -1)
    """
    found = [-1] * table.numbers
    for column, places in zip(table.used, table.blocks.values(), strict=True):
        numbers = places[: len(column.edges)]
        if column.missing and numbers:
            for place in numbers[:-1]:
                found[place] = numbers[-1]
    return tuple(found)
