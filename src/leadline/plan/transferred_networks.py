"""The network of a Plan that transfers: made of the network that the weights are of, which its `start.known` describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from leadline.data.answers import Classes
from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.errors import PlanError
from leadline.plan.starts import StartPlan
from leadline.transfer import freeze, schema_for, with_new_head

Known = Mapping[str, Any]


def known_row(inputs: Pictures, outputs: int) -> dict[str, Any]:
    """What a Plan says of a network that weights are of: its inputs, how they are prepared, how many outputs it has.

    Example:
        >>> known_row(Pictures(8, 6, 1, "uint8", (100.0,), (50.0,)), 10)
        {'shape': [1, 8, 6], 'outputs': 10, 'dtype': 'uint8', 'mean': [100.0], 'std': [50.0]}
    """
    prepared = {"dtype": inputs.dtype, "mean": list(inputs.mean), "std": list(inputs.std)}
    return {"shape": list(inputs.shape), "outputs": outputs, **prepared}


def pictures_of(row: Known) -> Pictures:
    """The inputs that a row of `known_row` describes.

    Errors: `PlanError` for a row that Leadline has not written.

    Example:
        >>> inputs = Pictures(8, 6, 1, "uint8", (100.0,), (50.0,))
        >>> pictures_of(known_row(inputs, 10)) == inputs
        True
    """
    try:
        channels, height, width = (int(each) for each in row["shape"])
        return Pictures(height, width, channels, str(row["dtype"]), tuple(row["mean"]), tuple(row["std"]))
    except (KeyError, TypeError, ValueError) as error:
        raise PlanError(
            "start.known does not describe a network", got=repr(row)[:120], do="Leave start.known out: Leadline writes it."
        ) from error


def schema_of(row: Known) -> Schema:
    """A Schema that a network of this row could have been trained with; its classes are numbers.

    Example:
        >>> schema_of(known_row(Pictures(8, 6, 1, "uint8", (100.0,), (50.0,)), 2)).answers.names
        ('0', '1')
    """
    return Schema(pictures_of(row), Classes(tuple(str(number) for number in range(int(row.get("outputs", 0))))))


def transferred_network(start: StartPlan, schema: Schema, build: Callable[[Schema], nn.Module]) -> nn.Module:
    """The network for this Schema, its weights as they are drawn: backbone, frozen where it is to stay so, and linear head.

    Args:
        start: whose `known` has a row for each network that another was made of, the first one's builder in the Plan.
        schema: of the data now.
        build: makes the very first network.

    Example:
        >>> from leadline.models import convnet
        >>> first = known_row(Pictures(16, 16, 3, "uint8", (0.0,) * 3, (1.0,) * 3), 10)
        >>> start = StartPlan(transfer="head", layer="before 22", grid=1, known=[first])
        >>> new = Schema(Pictures(8, 8, 1, "uint8", (0.0,), (1.0,)), Classes(("a", "b")))
        >>> transferred_network(start, new, lambda known: convnet(known.inputs.shape, known.answers.outputs)).head
        Linear(in_features=128, out_features=2, bias=True)
    """
    model = build(schema_of(start.known[0]))
    now = {"shape": schema.inputs.shape, "outputs": schema.answers.outputs, "layer": start.layer, "grid": start.grid}
    for before, row in zip(start.known, [*start.known[1:], now], strict=True):
        model = with_new_head(
            model, row["layer"], row["shape"], row["outputs"], grid=row["grid"], frozen=False, channels=before["shape"][0]
        )
    if start.solves:
        freeze(model.get_submodule("backbone"))
    return model


def as_known(start: StartPlan, dataset: Dataset) -> Dataset:
    """The Dataset with inputs prepared as the network knows them; as it is where nothing is transferred."""
    if not start.transfers:
        return dataset
    return dataclasses.replace(dataset, schema=schema_for(dataset.schema, pictures_of(start.known[-1])))
