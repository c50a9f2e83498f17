"""What is proposed for tables: the kinds of their columns, and the network and training that did best on nine of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadline.data.answers import Answers, Numbers
from leadline.data.dataset import Dataset
from leadline.data.tables.table import Table


def table_facts(table: Table, answers: Answers, options: Mapping[str, Any], why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that say how a table was read, each with its reason."""
    kinds = {}
    for column in table.columns:
        kinds[column.name] = "leave out" if column.kind == "left out" else column.kind
        why[f"data.columns.{column.name}"] = column.why
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
    members = 16 if rows < 10_000 else 8
    width = 128 if rows < 3_000 else 256
    why["model.members"] = f"{rows:,} rows leave time for {members} networks that share their matrices; their mean is steadier"
    why["model.width"] = f"{rows:,} rows of {len(table.used)} columns"
    why["model.depth"] = f"two hidden layers, as {rows:,} rows seldom repay more"
    why["model.dropout"] = f"{rows:,} rows"
    return {"width": width, "depth": 2, "members": members, "embedding_width": 8, "dropout": 0.1}


def table_training(rows: int) -> dict[str, Any]:
    """Batch, epochs, rate and decay for the network for tables."""
    batch = int(2 ** np.clip(round(np.log2(max(rows, 2) / 64)), 5, 9))
    return {"batch": batch, "learning_rate": 2e-3, "weight_decay": 0.01, "epochs": int(np.clip(400_000 / rows, 15, 100))}
