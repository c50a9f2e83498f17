"""Judging and finishing a training of forecasts: from moments that nothing has seen, beside naive forecasts from the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline import files
from leadline.baselines.forecasts import naive_answers
from leadline.data.dataset import Dataset
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.shown_forecasts import forecast_examples
from leadline.data.forecasts.window_rows import WindowSplit
from leadline.data.forecasts.windows import Windows
from leadline.metrics.forecasts import coverage, errors_by_step, forecast_metrics
from leadline.metrics.table import Metric
from leadline.plan import Built, Plan
from leadline.report.sentences import better_baseline, coverage_sentence
from leadline.runs.observer import Observer
from leadline.runs.predicting import Predictor
from leadline.runs.restarts import Trained
from leadline.runs.results import learned_quantile, more_epochs, training_record
from leadline.training import outputs_of

_RESAMPLES, _FEWEST_RESAMPLES = 1000, 200
_WORK, _CELLS = 20_000_000, 4_000_000  # weights of rows in all, and at a time
_FEWEST = 5  # stretches or series below which redrawing them says nothing of chance
_JUDGED = 50_000  # windows: more would change no score that is shown, and take minutes
_ALIKE = 10.0  # times: series whose changes differ by more have no mean error that speaks of all

Values = NDArray[np.float64]


def calibrated_forecasts(dataset: Dataset, built: Built) -> Dataset:
    """The same Dataset with the band that holds most of the validation truth.

    Args:
        dataset: of windows.
        built: the network with its best weights, and validation batches.
    """
    answers = dataset.schema.answers
    assert isinstance(answers, Forecasts)
    outputs, targets = outputs_of(built.model.eval(), built.evaluate.batches)
    answers = answers.calibrated(outputs.cpu(), targets.cpu())
    return dataclasses.replace(dataset, schema=dataclasses.replace(dataset.schema, answers=answers))


def judge_forecasts(predictor: Predictor, split: WindowSplit) -> tuple[dict[str, Any], WindowSplit, NDArray[Any], Values]:
    """Scores in the units of what is forecast, with intervals, beside naive forecasts from the same moments.

    Forecasts from neighbouring moments share their steps and so their errors. Therefore not single rows are drawn anew for an
    interval but whole stretches of H steps, all series together; where there are fewer than five, whole series; where there
    are few of these as well there is no interval.

    Args:
        predictor: the network with its Schema.
        split: moments with their truth.

    Returns:
        The record, the rows that were judged (of very many some, evenly spread), the outputs [N, H, M], and the first naive
        forecast in units.
    """
    windows, answers = split.windows or predictor.schema.inputs, predictor.schema.answers
    assert isinstance(windows, Windows)
    assert isinstance(answers, Forecasts)
    judged = split if len(split) <= _JUDGED else split.take(np.linspace(0, len(split) - 1, _JUDGED).round().astype(np.int64))
    outputs = predictor.all_values(judged.inputs)
    ours, truth = (torch.from_numpy(windows.in_units(each, judged.series)) for each in (outputs, judged.targets))
    scale = torch.from_numpy(np.array(windows.naive_error)[judged.series])
    one_unit = windows.targets == 1 and bool(scale.max() <= _ALIKE * scale.min())
    table = forecast_metrics(scale, one_unit=one_unit)
    redraws = _Redraws(*_parts(judged, windows))
    baselines = naive_answers(judged, windows)
    headline = next(iter(table.values()))
    per_step = torch.ones(()) if one_unit else scale[:, None]
    steps = {"network": errors_by_step(ours / per_step, truth / per_step)["mae"]}
    rows = []
    for baseline in baselines:
        theirs = torch.from_numpy(baseline.probabilities)
        steps[baseline.name] = errors_by_step(theirs / per_step, truth / per_step)["mae"]
        rows.append(
            {
                "name": baseline.name,
                "detail": baseline.detail,
                "scores": {name: redraws.score(metric, theirs, truth) for name, metric in table.items()},
                "network_ahead": redraws.difference(headline, ours, theirs, truth),
            }
        )
    low, high = answers.bounds(torch.from_numpy(outputs))
    record = {
        "task": "forecast",
        "headline": headline.name,
        "classes": list(answers.names),
        "scores": {
            name: {
                **redraws.score(metric, ours, truth),
                "title": metric.title,
                "higher_is_better": metric.higher_is_better,
            }
            for name, metric in table.items()
        },
        "baselines": rows,
        "steps": steps,
        "unit": ", ".join(answers.names) if one_unit else "",
        "horizon": windows.horizon,
        "redrawn": redraws.told,
        "bands": {"share": answers.share, "held": coverage(low, high, torch.from_numpy(judged.targets)).item()},
    }
    return record, judged, outputs, baselines[0].probabilities


def finish_forecasts(
    path: Path, plan: Plan, dataset: Dataset, trained: Trained, predictor: Predictor, observer: Observer
) -> dict[str, Any]:
    """Judge the best weights on the latest moments and write examples and results; the results come back.

    Args:
        path: of the Run.
        plan: of the training.
        dataset: calibrated.
        trained: what it came to.
        predictor: its network with the Schema.
        observer: is told what happens.
    """
    history = trained.history
    windows, answers = dataset.schema.inputs, dataset.schema.answers
    assert isinstance(windows, Windows)
    assert isinstance(answers, Forecasts)
    assert isinstance(dataset.test, WindowSplit)
    observer.note("baselines", "naive forecasts from the same moments")
    results, judged, outputs, naive = judge_forecasts(predictor, dataset.test)
    shown = forecast_examples(judged, windows, outputs, naive=naive, answers=answers)
    files.write_json(path / "examples.json", {"forecasts": shown})
    some = f"Of {len(dataset.test):,} test moments {len(judged):,}, evenly spread, were judged."
    results |= training_record(path, plan, dataset, trained)
    results |= {
        "noun": "moments",
        "rows": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(judged)},
        "notes": [*dataset.notes, *([some] if len(judged) < len(dataset.test) else []), *history.notes],
    }
    if quantile := learned_quantile(plan.training.loss):
        # Naive forecasts aim at the middle, beside which a quantile must lose.
        results |= {"coverage": {"quantile": quantile, "share": float((judged.targets <= outputs).mean())}, "baselines": []}
    results["next"] = _next(results, path, plan)
    files.write_json(path / "results.json", results)
    return results


def tell_forecasts(results: dict[str, Any], observer: Observer) -> None:
    """The result in two or three lines."""
    score = results["scores"][results["headline"]]
    interval = f" ({_plain(score['low'])} to {_plain(score['high'])})" if score["low"] is not None else ""
    observer.note("result", f"test {score['title'].lower()} {_plain(score['value'])}{interval}, epoch {results['best_epoch']}")
    if told := coverage_sentence(results):
        observer.note("coverage", told)
    if results["baselines"]:
        observer.note("beside it", "; ".join(naive_text(row, results["headline"]) for row in results["baselines"]))
    observer.note("bands", bands_text(results["bands"]))


def naive_text(baseline: dict[str, Any], headline: str) -> str:
    """What a naive forecast comes to from the same moments.

    Example:
        >>> scores = {"mae": {"value": 51.84}}
        >>> naive_text({"name": "seasonal naive", "detail": "the value of 12 steps before", "scores": scores}, "mae")
        'seasonal naive 51.84 (the value of 12 steps before)'
    """
    return f"{baseline['name']} {_plain(baseline['scores'][headline]['value'])} ({baseline['detail']})"


def bands_text(bands: dict[str, float]) -> str:
    """How much of the truth lay within the bands.

    Example:
        >>> bands_text({"share": 0.8, "held": 0.755})
        '75.5 % of the truth lay within the bands that are to hold 80 %'
    """
    return f"{100 * bands['held']:.1f} % of the truth lay within the bands that are to hold {100 * bands['share']:.0f} %"


class _Redraws:
    """Scores with intervals from one set of redraws, of stretches of time or of series."""

    def __init__(self, parts: NDArray[np.int64] | None, told: str) -> None:
        self.parts, self.told = parts, told
        if parts is not None:
            count = int(parts.max()) + 1
            number = int(np.clip(_WORK // len(parts), _FEWEST_RESAMPLES, _RESAMPLES))
            self.counts = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=number)

    def score(self, metric: Metric, values: Tensor, truth: Tensor) -> dict[str, float | None]:
        value = float(metric.function(values, truth))
        return {"value": value, **self._ends(lambda weights: metric.function(values, truth, weights=weights), value)}

    def difference(self, metric: Metric, ours: Tensor, theirs: Tensor, truth: Tensor) -> dict[str, float | None]:
        """How far the two are apart on the same redraws, with bounds where there are such."""
        value = float(metric.function(ours, truth) - metric.function(theirs, truth))
        ends = self._ends(
            lambda weights: metric.function(ours, truth, weights=weights) - metric.function(theirs, truth, weights=weights),
            value,
        )
        return {"value": value, **ends}

    def _ends(self, function: Callable[[Tensor], Tensor], value: float) -> dict[str, float | None]:
        if self.parts is None:
            return {"low": None, "high": None}
        at_once = max(1, _CELLS // len(self.parts))
        drawn = [
            function(torch.from_numpy(self.counts[at : at + at_once][:, self.parts].astype(np.float64)))
            for at in range(0, len(self.counts), at_once)
        ]
        low, high = torch.nanquantile(torch.cat(drawn), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        return {"low": min(low, value), "high": max(high, value)}


def _parts(split: WindowSplit, windows: Windows) -> tuple[NDArray[np.int64] | None, str]:
    """The number of the part of each row that is drawn as a whole, and what the parts are; None where there are too few."""
    places = windows.step.places(split.origins)
    _, stretches = np.unique((places - places.min()) // windows.horizon, return_inverse=True)
    if stretches.max() + 1 >= _FEWEST:
        return stretches.reshape(-1), f"stretches of {windows.horizon:,} steps"
    _, series = np.unique(split.series, return_inverse=True)
    if series.max() + 1 >= _FEWEST:
        return series.reshape(-1), "series"
    return None, ""


def _next(results: dict[str, Any], path: Path, plan: Plan) -> list[str]:
    advice = []
    if better := better_baseline(results):
        advice.append(better)
    advice += more_epochs(results, plan.training.epochs)
    if not plan.data.known:
        advice.append(
            "Is there a column whose future is known, such as holidays or prices? Then name it (`--known COLUMN`), and give "
            "its future when forecasting."
        )
    return [
        *advice,
        f"Forecast what comes next: `leadline predict {path} {source_as_typed(plan)}`",
        f"When the truth is known, judge what is new: `leadline evaluate {path} {source_as_typed(plan)}`",
    ]


def source_as_typed(plan: Plan) -> str:
    """The files that were trained on, to be typed again; a word for them where they were in memory.

    Example:
        >>> source_as_typed(Plan())
        'FILE'
    """
    return plan.data.source.replace("\n", " ") if plan.data.source not in ("", "arrays") else "FILE"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
