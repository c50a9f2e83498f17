"""Features: what the last layer of a network sees of some inputs, in a parquet file for another classifier."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline import files
from leadline.data.dataset import Excluded
from leadline.data.tables.frame import Frame
from leadline.errors import DataError, LeadlineError
from leadline.runs.predicting import table_of
from leadline.runs.run import Run

if TYPE_CHECKING:
    import polars as pl


def write_features(run: Run, inputs: Iterable[Any], path: Path) -> tuple[int, int, list[Excluded]]:
    """Write `id`, `answer` and `feature 0`, `feature 1`, … of each input, a row each.

    Args:
        run: whose network sees them.
        inputs: pairs of id and raw input, or Frames for a network on tables.
        path: of the parquet file, written whole or not at all.

    Returns:
        The number of rows and of features, and the inputs that could not be read.

    Errors: `DataError` where no input could be read; `StorageError` when the disk is full.
    """
    import polars as pl

    found: list[pl.DataFrame] = []
    excluded: list[Excluded] = []
    for each in inputs:
        if isinstance(each, Frame):
            stored, names = table_of(run.schema).read_frame(each.data)[0], list(each.ids)
            excluded += each.excluded
        else:
            name, raw = each
            try:
                stored, names = run.schema.inputs.encode(raw)[None], [name]
            except LeadlineError as error:
                excluded.append(Excluded(name, str(error)))
                continue
        if names:
            found.append(_columns(run, stored, names))
    if not found:
        raise DataError("Not one input could be read", got=excluded[0].reason if excluded else "no inputs")
    table = pl.concat(found)
    with files.writing(path) as file:
        table.write_parquet(file)
    return len(table), len(table.columns) - 2, excluded


def _columns(run: Run, stored: NDArray[Any], names: list[str]) -> pl.DataFrame:
    import polars as pl

    from leadline.runs.predicting import Predictions

    answers = Predictions(names, run.predictor.all_values(stored), run.schema.answers).answers
    text = [answer if isinstance(answer, (str, float)) else str(answer) for answer in answers]
    features = run.predictor.features(np.ascontiguousarray(stored))
    columns = {f"feature {at}": features[:, at] for at in range(features.shape[1])}
    return pl.DataFrame({"id": names, "answer": text, **columns})
