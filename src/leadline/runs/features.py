"""Features: what the last layer of a network sees of some inputs, in a parquet file for another classifier."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline import files
from leadline.data.dataset import Excluded
from leadline.data.tables.frame import Frame
from leadline.errors import DataError, LeadlineError
from leadline.runs.predicting import Predictions, table_of
from leadline.runs.run import Run

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Written:
    """How many rows and features were written, which inputs could not be read, and what in the others was strange."""

    rows: int
    features: int
    excluded: list[Excluded]
    notes: list[str]


def write_features(run: Run, inputs: Iterable[Any], path: Path) -> Written:
    """Write `id`, `answer` and `feature 0`, `feature 1`, … of each input, a row each.

    Args:
        run: whose network sees them.
        inputs: pairs of id and raw input, or Frames for a network on tables.
        path: of the parquet file, written whole or not at all.

    Errors: `DataError` where no input could be read; `StorageError` when the disk is full.
    """
    import polars as pl

    found: list[pl.DataFrame] = []
    excluded: list[Excluded] = []
    notes: list[str] = []
    stored: NDArray[Any]
    for each in inputs:
        if isinstance(each, Frame):
            stored, strange = table_of(run.schema).read_frame(each.data, header=each.header)
            names = list(each.ids)
            excluded += each.excluded
            notes += [*each.notes, *strange]
        else:
            name, raw = each
            try:
                if isinstance(raw, LeadlineError):
                    raise raw
                stored, names = run.predictor.encode(raw)[None], [name]
            except LeadlineError as error:
                excluded.append(Excluded(name, str(error)))
                continue
        if names:
            found.append(_columns(run, stored, names))
    if not found:
        raise DataError("Not one input could be read", got=excluded[0].reason if excluded else "no inputs")
    table = pl.concat(found)
    written = io.BytesIO()  # polars has errors of its own for a full disk
    table.write_parquet(written)
    with files.writing(path) as file:
        file.write(written.getbuffer())
    return Written(len(table), len(table.columns) - 2, excluded, notes)


def _columns(run: Run, stored: NDArray[Any], names: list[str]) -> pl.DataFrame:
    import polars as pl

    answers = Predictions(names, run.predictor.all_values(stored), run.schema.answers).answers
    text = [answer if isinstance(answer, (str, float)) else str(answer) for answer in answers]
    features = run.predictor.features(np.ascontiguousarray(stored))
    columns = {f"feature {at}": features[:, at] for at in range(features.shape[1])}
    return pl.DataFrame({"id": names, "answer": text, **columns})
