"""What is proposed for tables: the kinds of their columns, and the network and training that did best on nine of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadline.data.answers import Answers, Numbers
from leadline.data.dataset import Dataset
from leadline.data.tables.table import Table

_FEW = 2_000  # rows
_EMBEDDED = 256  # numbers
_ROWS_TO_SEE = 600_000  # rows of training, counted as often as they are seen


def table_facts(table: Table, answers: Answers, options: Mapping[str, Any], why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that say how a table was read, each with its reason."""
    kinds = {}
    for column in table.columns:
        kinds[column.name] = "leave out" if column.kind == "left out" else column.kind
        why[f"data.columns.{column.name}"] = column.why
    why["data.target"] = "the column with a usual name for it" if not options.get("target") else ""
    if answers.task == "reconstruct":
        why["data.target"] = "kept to judge by, not learned from" if table.targets else "every column is learned"
    facts: dict[str, Any] = {"columns": kinds, "target": ",".join(table.targets)}
    facts["header"] = {None: "", True: "yes", False: "no"}[options.get("header")]
    if isinstance(answers, Numbers):
        facts["transform"] = "log" if any(answers.units) else "none"
        if any(answers.units):
            units = ", ".join(f"{unit:.4g}" for unit in answers.units if unit)
            why["data.transform"] = f"the target is so skewed that a few rows would decide the loss: arsinh(y / {units})"
    return facts


def table_arguments(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The arguments of `models.tabular` for this table."""
    table, rows = dataset.schema.inputs, len(dataset.train)
    assert isinstance(table, Table)
    bent = sum(1 for edges in table.edges if edges)
    few = rows < _FEW
    arguments: dict[str, Any] = {"width": 128, "members": 16 if few else 8, "dropout": 0.1}
    arguments |= {"block": "plain", "depth": 2} if few else {"block": "residual", "depth": 1}
    arguments |= {"embedding": "piecewise_linear" if bent <= _EMBEDDED else "none", "embedding_width": 8 if bent <= 64 else 4}
    many = "fewer" if few else "no fewer"
    why["model.members"] = f"{rows:,} rows leave time for {arguments['members']} networks in one, whose mean is steadier"
    why["model.block"] = f"{rows:,} rows are {many} than the {_FEW:,} from which a residual block did better than plain layers"
    why["model.depth"] = (
        f"{'two plain layers' if few else 'one residual block'}: more of them gained nothing that could be seen"
    )
    why["model.width"] = f"wide enough for {len(table.used)} columns; twice as wide gained little and took twice the time"
    why["model.embedding"] = (
        f"each of {bent} numbers between its own quantiles"
        if bent <= _EMBEDDED
        else f"{bent:,} numbers are too many to embed each by itself"
    )
    why["model.embedding_width"] = f"{bent} numbers and {len(table.categories)} categories side by side"
    why["model.dropout"] = f"{rows:,} rows; more or less of it made no difference that could be measured"
    return arguments


def table_training(rows: int) -> dict[str, Any]:
    """Batch, epochs, rate, decay and whether weights are averaged, for the network for tables.

    From 2,000 rows on a high rate and its fall do what averaging does for fewer, and on rows in time order averaged weights
    were worse.
    """
    few = rows < _FEW
    batch = int(2 ** np.clip(round(np.log2(max(rows, 2) / 64)), 5, 8))
    epochs = int(np.clip(_ROWS_TO_SEE / rows, 5, 50))
    return {"batch": batch, "epochs": epochs, "learning_rate": 2e-3 if few else 7e-3, "weight_decay": 0.03, "averaged": few}
