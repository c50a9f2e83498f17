"""Shown forecasts: a few forecasts of a split as plain values, for pictures: the best, the usual and the worst."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.forecasts.forecast_ahead import LatestWindows
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.window_rows import WindowSplit
from leadline.data.forecasts.windows import Windows

_SHOWN_PAST = 400  # steps


def forecast_examples(
    split: WindowSplit,
    windows: Windows,
    outputs: NDArray[Any],
    *,
    naive: NDArray[np.float64] | None = None,
    answers: Forecasts | None = None,
    count: int = 4,
) -> list[dict[str, Any]]:
    """Forecasts from evenly chosen ranks of their error, the first target's, the median first, as records for a report.

    Args:
        split: with the truth.
        windows: the Schema's side.
        outputs: of the network, [N, H, M], scaled.
        naive: values [N, H, M] in units of the targets, to stand beside them.
        answers: with their spread, for a band.
        count: how many.

    Returns:
        {"title", "times", "past", "truth", "forecast"} each, and "naive", "low", "high", "share" where they are known.

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecasting import load_forecast
        >>> rows = pl.DataFrame({"t": [str(t) for t in range(120)], "y": [str(t % 6) for t in range(120)]})
        >>> dataset = load_forecast(rows, horizon=4)
        >>> shown = forecast_examples(dataset.test, dataset.schema.inputs, dataset.test.targets, count=1)
        >>> shown[0]["forecast"] == shown[0]["truth"], len(shown[0]["times"])
        (True, 16)
    """
    errors = np.abs(outputs[..., 0] - split.targets[..., 0]).mean(axis=1)
    order = np.argsort(errors, kind="stable")
    ranks = [0.5, *np.linspace(0, 1, max(0, count - 1))] if count > 1 else [0.5]
    rows = list(dict.fromkeys(order[round(rank * (len(order) - 1))].item() for rank in ranks)) if len(order) else []
    forecast, truth = (windows.in_units(values, split.series)[..., 0] for values in (outputs, split.targets))
    bounds = _bounds(outputs, split.series, windows, answers)
    records = []
    for row in rows:
        window = split.inputs[row]
        seen = window[None, : windows.lookback, : windows.targets]
        past = windows.in_units(seen, split.series[[row]])[0, -_SHOWN_PAST:, 0]
        place = windows.step.places(split.origins[[row]])
        ticks = windows.step.ticks(place + np.arange(-len(past), windows.horizon))
        record: dict[str, Any] = {"title": f"from {split.ids[row]}", "times": windows.step.words(ticks), "past": past.tolist()}
        record |= {"truth": truth[row].tolist(), "forecast": forecast[row].tolist()}
        if naive is not None:
            record["naive"] = naive[row, :, 0].tolist()
        records.append(record | {name: values[row].tolist() for name, values in bounds.items()} | _share(answers))
    return records


def ahead_examples(
    latest: LatestWindows, outputs: NDArray[Any], *, answers: Forecasts | None = None, count: int = 4
) -> list[dict[str, Any]]:
    """The same for what comes after the end of the first few series, of which there is no truth yet.

    Args:
        latest: the windows at the ends.
        outputs: of the network, [S, H, M], scaled.
        answers: with their spread, for a band.
        count: how many.

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecast_ahead import latest_windows
        >>> from leadline.data.forecasts.forecasting import load_forecast
        >>> rows = pl.DataFrame({"t": [str(t) for t in range(120)], "y": [str(t % 6) for t in range(120)]})
        >>> latest = latest_windows(rows, load_forecast(rows, horizon=4).schema.inputs)
        >>> ahead_examples(latest, np.zeros((1, 4, 1)))[0]["title"]
        'from 120'
    """
    windows, forecast = latest.windows, latest.windows.in_units(outputs, latest.number)[..., 0]
    bounds = _bounds(outputs, latest.number, windows, answers)
    records = []
    for at, name in enumerate(latest.names[:count]):
        past = latest.past[at, -_SHOWN_PAST:, 0]
        times = windows.step.words(latest.ticks[at, -(len(past) + windows.horizon) :])
        title = f"from {name} {times[len(past)]}".replace("  ", " ")
        record = {"title": title, "times": times, "past": past.tolist(), "forecast": forecast[at].tolist()}
        records.append(record | {key: values[at].tolist() for key, values in bounds.items()} | _share(answers))
    return records


def _bounds(
    outputs: NDArray[Any], series: NDArray[np.int64], windows: Windows, answers: Forecasts | None
) -> dict[str, NDArray[np.float64]]:
    if answers is None or not answers.spread:
        return {}
    spread = np.array(answers.spread)
    low, high = (windows.in_units(outputs + sign * spread, series)[..., 0] for sign in (-1, 1))
    return {"low": low, "high": high}


def _share(answers: Forecasts | None) -> dict[str, float]:
    return {"share": answers.share} if answers is not None and answers.spread else {}
