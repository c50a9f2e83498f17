"""Ahead: what a network says comes after the end of the series of a table, with dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadline.data.forecasts.forecast_ahead import latest_windows
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.forecasting import rows_in_time
from leadline.data.forecasts.shown_forecasts import ahead_examples
from leadline.data.forecasts.windows import Windows
from leadline.data.sources import SEPARATOR
from leadline.data.tables.frame import Frame
from leadline.data.tables.given_rows import frame_of_rows
from leadline.errors import ArgumentError
from leadline.plan.record import Plan
from leadline.runs.predicting import Predictor

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 4  # series in a picture


@dataclass(frozen=True, eq=False)
class DatedForecasts:
    """What comes next: `rows` is one record a step of each series, with its time, the forecast, and a band around it.

    Of a target `sold` the columns are "sold", "sold low" and "sold high"; the truth is expected within the band with the
    probability `share`. `notes` say what was done to the rows that were given; `examples` are records to draw.

    Example:
        >>> found = DatedForecasts([{"day": "2024-03-01", "sold": 4.5, "sold low": 3.0, "sold high": 6.0}], 0.8)
        >>> len(found), found.columns, next(iter(found))["sold"]
        (1, ['day', 'sold', 'sold low', 'sold high'], 4.5)
    """

    rows: list[dict[str, Any]]
    share: float
    notes: tuple[str, ...] = ()
    examples: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns, the same in each row."""
        return list(self.rows[0]) if self.rows else []

    def to_json(self) -> list[dict[str, Any]]:
        return self.rows

    def frame(self) -> pl.DataFrame:
        """The rows as a data frame."""
        import polars as pl

        return pl.DataFrame(self.rows)

    def _repr_html_(self) -> str:
        from markupsafe import escape

        from leadline.report.forecast_figures import draw_forecasts

        return "".join(f"<figure>{escape(panel.title)}{panel.svg}</figure>" for panel in draw_forecasts(self.examples))


def foresee(predictor: Predictor, plan: Plan, given: Any) -> DatedForecasts:
    """What comes after the end of each series of a table.

    Args:
        predictor: the network with its Schema.
        plan: of the training, for how its file was read.
        given: table files, a folder of them, a data frame, columns by name, or a list of rows as dicts.

    Errors: `SourceNotFoundError` for a file that is not there; `DataError` for a table that lacks a column or is too short.
    """
    windows, answers = predictor.schema.inputs, predictor.schema.answers
    assert isinstance(windows, Windows)
    assert isinstance(answers, Forecasts)
    latest = latest_windows(rows_like(plan, given), windows)
    outputs = predictor.all_values(latest.inputs)
    examples = ahead_examples(latest, outputs, answers=answers, count=_SHOWN)
    return DatedForecasts(latest.told(answers, outputs), answers.share, latest.notes, tuple(examples))


def rows_like(plan: Plan, given: Any) -> Frame:
    """The rows of a table, read as that of the training was.

    Args:
        plan: of the training.
        given: as `foresee` takes it.
    """
    if isinstance(given, Mapping):
        if len({len(column) if hasattr(column, "__len__") else None for column in given.values()}) > 1:
            raise ArgumentError("The columns differ in length", expected="as many values in each")
        given = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
    if isinstance(given, (list, tuple)) and given:
        if all(isinstance(row, Mapping) for row in given):
            given = frame_of_rows(list(given))
        elif all(isinstance(path, (str, Path)) for path in given):
            given = SEPARATOR.join(map(str, given))
    header = {"yes": True, "no": False}.get(plan.data.header)
    return rows_in_time(given, header=header, encoding=plan.data.encoding or None)
