"""Windows: the Schema's side of a forecast: how series are scaled, and what of them a network sees at one moment.

B batch, L steps of the past (the lookback), H steps to come (the horizon), C channels, M targets, S series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.forecasts.forecast_tables import Columns, Covariate
from leadline.data.forecasts.time_columns import TimeReading
from leadline.data.forecasts.time_steps import TimeStep, calendar_width
from leadline.errors import ArgumentError
from leadline.spelling import counted

_FAR = 30.0  # deviations from the mean of training in the logarithm: beyond, exp() would leave the float range


@dataclass(frozen=True)
class Windows:
    """Raw input is a table of one or several series in time; stored as float32 [ΣT, C], cut into windows [N, L + H, C].

    The channels: M targets, past covariates, covariates that are known beforehand, and the calendar. In the H steps to come
    those of the first two are NaN. Targets are (t − centre) / scale by the mean and deviation of the training part of their own
    series, t the value or its logarithm; a series that training did not have is scaled by its own values.

    Attributes:
        lookback: L.
        horizon: H.
        season: the steps after which the series are most like themselves; 1 for none.
        step: of the grid.
        columns: what the columns of the table are.
        logs: whether the logarithm of each target is learned, M.
        series: the names of the S series.
        centre: [S][M].
        scale: [S][M].
        naive_error: the mean distance of each training value from that one season before, in units of the target, [S][M].
        covariates: those of the past first, then those known beforehand.
        calendar: which cycles of the calendar are told.
        seen: the place on the grid before which training or validation has seen the truth.

    Example:
        >>> from leadline.data.forecasts.time_columns import TimeReading
        >>> columns = Columns(TimeReading("dates", ("day",), ("%Y-%m-%d",)), (), ("sold",), (".",), (), ())
        >>> grid = {"lookback": 14, "horizon": 7, "season": 7, "step": TimeStep("duration", 86_400_000_000)}
        >>> learned = {"logs": (False,), "series": ("",), "centre": ((10.0,),), "scale": ((2.0,),), "naive_error": ((1.0,),)}
        >>> windows = Windows(columns=columns, covariates=(), calendar=("weekday",), **grid, **learned)
        >>> windows.shape, windows.in_units(np.ones((1, 7, 1)), np.zeros(1, int))[0, 0].tolist()
        ((21, 7), [12.0])
    """

    lookback: int
    horizon: int
    season: int
    step: TimeStep
    columns: Columns
    logs: tuple[bool, ...]
    series: tuple[str, ...]
    centre: tuple[tuple[float, ...], ...]
    scale: tuple[tuple[float, ...], ...]
    naive_error: tuple[tuple[float, ...], ...]
    covariates: tuple[Covariate, ...]
    calendar: tuple[str, ...]
    seen: int = 0
    kind: ClassVar[str] = "windows"
    padding: ClassVar[float] = float("nan")

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Windows:
        columns = dict(fields["columns"])
        reading = TimeReading.from_json(columns.pop("time"))
        rows = {name: tuple(map(tuple, fields[name])) for name in ("centre", "scale", "naive_error")}
        made = {
            **fields,
            **rows,
            "step": TimeStep(**fields["step"]),
            "columns": Columns(reading, **{name: tuple(value) for name, value in columns.items()}),
            "covariates": tuple(map(Covariate.from_json, fields["covariates"])),
            **{name: tuple(fields[name]) for name in ("logs", "series", "calendar")},
        }
        return cls(**made)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def targets(self) -> int:
        """M."""
        return len(self.columns.targets)

    @property
    def known(self) -> int:
        """How many channels, the last, are known of the future."""
        return sum(each.width for each in self.covariates if each.known) + calendar_width(self.calendar)

    @property
    def hidden(self) -> int:
        """How many channels, the first, are not known of the future: targets and past covariates."""
        return self.targets + sum(each.width for each in self.covariates if not each.known)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one window: (L + H, C)."""
        return (self.lookback + self.horizon, self.hidden + self.known)

    def describe(self) -> str:
        many = f"{counted(len(self.series), 'series', 'series')}, {self.step.describe()}"
        return f"{many}: {self.horizon:,} steps to come from {self.lookback:,}"

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each series by its name."""
        return {name: number for number, name in enumerate(self.series)}

    def scaled(self, values: NDArray[np.float64], series: NDArray[np.int64]) -> NDArray[np.float64]:
        """Targets in their units, [N, …, M], of series with these numbers [N], on the scale that is learned."""
        centre, scale = self._of(series, values.ndim)
        return (self._logged(values) - centre) / scale

    def in_units(self, values: NDArray[Any], series: NDArray[np.int64]) -> NDArray[np.float64]:
        """The inverse: what is learned, [N, …, M], back in the units of the targets, float64."""
        exact = np.asarray(values, np.float64)
        centre, scale = self._of(series, exact.ndim)
        if not any(self.logs):
            return exact * scale + centre
        learned = np.where(self.logs, exact.clip(-_FAR, _FAR), exact) * scale + centre
        return np.where(self.logs, np.exp(np.where(self.logs, learned, 0.0)), learned)

    def _of(self, series: NDArray[np.int64], axes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        between = (slice(None), *(None,) * (axes - 2))
        centre, scale = np.array(self.centre)[series], np.array(self.scale)[series]
        return centre[between], scale[between]

    def _logged(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logarithm where it is learned; of a value that has none that of a very small one."""
        if not any(self.logs):
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.exp(np.array(self.centre).min(axis=0) - 6 * np.array(self.scale).max(axis=0))
            return np.where(self.logs, np.log(np.maximum(values, least)), values)

    def encode(self, raw: Any) -> NDArray[np.float32]:
        """A table of one series (a data frame, or columns by name), to the window at its end, float32 [L + H, C].

        Raises:
            DataError: it is too short, or lacks a column.
            ArgumentError: its columns differ in length, or it holds several series.
        """
        from leadline.data.forecasts.forecast_ahead import latest_windows
        from leadline.data.tables.given_rows import frame_of_rows

        if isinstance(raw, Mapping):
            columns = [() if isinstance(values, (str, bytes)) else np.shape(values) for values in raw.values()]
            if not columns or len(set(columns)) > 1 or len(columns[0]) != 1:
                raise ArgumentError(
                    "The table is no columns of one length",
                    expected="a list of values for each column name",
                    got=f"columns of shapes {', '.join(map(str, columns[:5]))}",
                )
            raw = frame_of_rows([dict(zip(raw, row, strict=True)) for row in zip(*raw.values(), strict=True)])
        latest = latest_windows(raw, self)
        if len(latest) != 1:
            raise ArgumentError("The table holds several series", expected="one", got=counted(len(latest), "series", "series"))
        window: NDArray[np.float32] = latest.inputs[0]
        return window

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one table: its columns by name."""
        return isinstance(raw, Mapping)

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """What is stored is what the network takes."""
        return lambda windows: windows
