"""What there is to say of a table after a training: its columns, which of them matter, and how the answer changes with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline import explain, metrics
from leadline.data.answers import Answers
from leadline.data.dataset import Dataset
from leadline.data.tables.grids import Grid, grid_of
from leadline.data.tables.table import Table

_ROWS = 2000  # of the test split, for importance
_ANSWERS = 2_000_000  # that importance may ask for: many columns are asked on fewer rows
_MANY = 100  # columns, of which each is shuffled and redrawn less often
_DRAWN = 6  # columns whose dependence is drawn
_OUTPUTS = 4  # classes or numbers a panel
_SHOWN = 6  # values of a row that is wrong

Answer = Callable[[NDArray[Any]], NDArray[Any]]


def describe_table(dataset: Dataset, table: Table, answer: Answer) -> dict[str, Any]:
    """The records "columns", "importance" and "dependence" of the results.

    Args:
        dataset: whose test rows are asked about.
        table: its inputs.
        answer: stored rows [N, W] → probabilities or numbers.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(dataset.test))[: _rows_for(len(table.blocks))])
    inputs, targets = dataset.test.array[rows], dataset.test.targets[rows]
    metric = _metric(dataset.schema.answers)
    repeats, resamples = (5, 200) if len(table.blocks) <= _MANY else (2, 60)
    found = explain.permutation_importance(answer, inputs, targets, table.blocks, metric, repeats=repeats, resamples=resamples)
    known = [each for each in found if np.isfinite(each.value)]
    importance = {
        "metric": metric.name,
        "title": metric.title,
        "rows": len(rows),
        "repeats": repeats,
        "columns": [asdict(each) for each in known],
    }
    grids = ((each.name, grid_of(table, each.name)) for each in known if each.high > 0)
    drawn = [(name, grid) for name, grid in grids if grid is not None][:_DRAWN]
    return {
        "columns": _columns(table),
        "importance": importance,
        "dependence": [_dependence(name, grid, table, answer, inputs, dataset.schema.answers) for name, grid in drawn],
    }


def values_of(table: Table, importance: dict[str, Any], row: NDArray[Any]) -> dict[str, str]:
    """The values of one stored row in the columns that matter most, as text."""
    words = table.words(row)
    order = [each["name"] for each in importance["columns"]] or list(words)
    told = [name for name in order if words.get(name)]
    return {name: words[name] for name in told[:_SHOWN]}


def _metric(answers: Answers) -> metrics.Metric:
    """The headline, but for classes AUROC: a share of right answers does not move where one class is nearly all rows."""
    table = metrics.for_task(answers.task, answers.outputs)
    return table["auroc"] if answers.task == "classes" else next(iter(table.values()))


def _rows_for(columns: int) -> int:
    return int(np.clip(_ANSWERS // (5 * max(1, columns)), 200, _ROWS))


def _columns(table: Table) -> list[dict[str, Any]]:
    targets = [{"name": name, "kind": "target", "why": "what is learned"} for name in table.targets]
    columns = []
    for column in table.columns:
        summary = asdict(column.summary)
        why = column.why if column.kind in ("left out", "date") else _beside_the_summary(column.why)
        columns.append({"name": column.name, "kind": column.kind, "why": why, **summary})
    return targets + columns


def _beside_the_summary(why: str) -> str:
    """What a reason says beyond range, frequencies and share of missing values, which stand in columns of their own."""
    return "; ".join(part for part in why.split("; ")[1:] if not part.endswith("missing"))


def _dependence(name: str, grid: Grid, table: Table, answer: Answer, inputs: NDArray[Any], answers: Answers) -> dict[str, Any]:
    found = explain.partial_dependence(answer, inputs, table.blocks[name], grid.encoded)
    chosen = list(range(min(answers.outputs, _OUTPUTS)))
    if answers.task == "classes" and answers.outputs == 2:
        chosen = [1]  # the other is its complement
    record: dict[str, Any] = {"name": name, "kind": grid.kind, "x": grid.points}
    record["density"] = grid.density(inputs[:, table.blocks[name]])
    for key, values in (("outputs", found.mean), ("low", found.low), ("high", found.high)):
        record[key] = {answers.names[at]: values[:, at].tolist() for at in chosen}
    return record
