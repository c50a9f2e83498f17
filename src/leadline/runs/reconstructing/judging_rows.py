"""How well rows are told again, beside principal components and the mean, and how well odd ones are told from usual ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline import metrics
from leadline.baselines.principal_components import PrincipalComponents, fit_principal_components
from leadline.data.dataset import Dataset, Split
from leadline.data.schema import Schema
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.metrics import anomaly_auroc, best_f1_threshold, quantile_threshold
from leadline.metrics.table import Metric
from leadline.models.told_rows import ComparedRows, compared_rows, row_codes, row_oddness
from leadline.runs.predicting import Predictor

_RESAMPLES = 1000
_BATCH = 256
_FITTED_ON = 20_000  # training rows: components of more are the same to the third digit
_FALSE_ALARMS = 0.05
_FEWEST_ODD = 3  # by which a threshold can be chosen
COMPONENTS = "principal components"


class Baseline(NamedTuple):
    """What is judged beside the network: components, and the rows whose mean is told where there are none."""

    components: PrincipalComponents
    detail: str

    @property
    def tells(self) -> bool:
        """Whether there are fewer components than values: as many as these would tell everything, which says nothing."""
        return 0 < len(self.components.components) < len(self.components.mean)


class JudgedRows(NamedTuple):
    """What was measured of each row, float64 [N]: squared errors of the network, the components and the mean, and scores."""

    scores: NDArray[np.float64]
    errors: NDArray[np.float64]
    spread: NDArray[np.float64]
    of_components: NDArray[np.float64]


def explained(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    """The share of the variance that is told: 1 − Σ errors / Σ spread over the rows.

    Args:
        p: squared error of each row, [N, 1].
        t: its squared distance from the mean of the training rows, [N, 1].
        weights: of rows, [N] or [R, N].

    Example:
        >>> explained(torch.tensor([[1.0], [2.0]]), torch.tensor([[4.0], [8.0]])).item()
        0.75
    """
    errors, spread = p[:, 0].double(), t[:, 0].double()
    if weights is None:
        return 1 - errors.sum() / spread.sum()
    return 1 - (weights * errors).sum(-1) / (weights * spread).sum(-1)


def _odd_first(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    return anomaly_auroc(p[:, 0], t[:, 0], weights=weights)


EXPLAINED = Metric("explained", explained, True, "Explained variance", unit_range=False)
AUROC = Metric("anomaly_auroc", _odd_first, True, "AUROC of odd rows", sorts=True)


def fit_baseline(predictor: Predictor, dataset: Dataset) -> Baseline:
    """Principal components of the training rows, as many as the code has numbers.

    Args:
        predictor: whose network decides how rows are compared.
        dataset: whose training rows they are.
    """
    count = len(dataset.train)
    taken = np.arange(count) if count <= _FITTED_ON else np.linspace(0, count - 1, _FITTED_ON).round().astype(int)
    wide = max(1, int(np.prod(dataset.schema.inputs.shape)))
    taken = taken[:: max(1, -(-len(taken) * wide // 200_000_000))]  # rows of large photos: 800 MB at most
    parts, units = [], 1
    for at in range(0, len(taken), _BATCH):
        x = predictor.prepared(dataset.train.array[taken[at : at + _BATCH]])
        with torch.inference_mode():
            parts.append(compared_rows(predictor.model, x).values.cpu())
            units = row_codes(predictor.model, x[:1]).shape[1]
    rows = torch.cat(parts)
    found = fit_principal_components(rows, min(units, rows.shape[1]))
    on = f", on {found.rows:,} of {count:,} rows" if found.rows < count else ""
    kept = len(found.components)
    many = "as many as the code has numbers" if kept == units else f"all that {found.rows:,} rows allow"
    return Baseline(found, f"{kept:,} of them, {many}{on}")


def measured_rows(predictor: Predictor, split: Split, components: PrincipalComponents) -> JudgedRows:
    """Errors and scores of the rows of a split.

    Args:
        predictor: with the network.
        split: its rows.
        components: with the mean of the training rows.
    """
    found: list[list[Tensor]] = [[], [], [], []]
    mean = components.mean
    for at in range(0, len(split), _BATCH):
        x = predictor.prepared(predictor.together(split.inputs[at : at + _BATCH]))
        with torch.inference_mode():
            scores = row_oddness(predictor.model, x)
            compared = ComparedRows(*(part.cpu() for part in compared_rows(predictor.model, x)))
            linear = components.told(compared.values)
            for place, value in enumerate(
                (scores, compared.squared_errors(), compared.squared_errors(mean), compared.squared_errors(linear))
            ):
                found[place].append(value.double().cpu())
    return JudgedRows(*(torch.cat(parts).numpy() for parts in found))


def usual_or_all(split: Split, answers: Reconstructions) -> Split:
    """The rows that a network is judged by: those of a split that are not odd, or all where every one is.

    Args:
        split: of the task reconstruct.
        answers: that say which rows are odd.
    """
    odd = answers.is_odd(split.targets)
    return split.take(np.flatnonzero(~odd)) if 0 < odd.sum() < len(odd) else split


def judged(answers: Reconstructions, rows: JudgedRows, targets: NDArray[Any], values: int) -> dict[str, Any]:
    """Scores with intervals, and what was called odd.

    Args:
        answers: with the threshold.
        rows: what was measured of each.
        targets: their classes.
        values: of a row, by which the mean error is divided.
    """
    odd = answers.is_odd(targets)
    usual = ~odd if not odd.all() else np.ones(len(odd), bool)
    errors, spread = (_column(each[usual]) for each in (rows.errors, rows.spread))
    scores = {"explained": _score(EXPLAINED, errors, spread)}
    mean = float(rows.errors[usual].mean() / values)
    plain = {"value": mean, "low": None, "high": None}
    scores["squared_error"] = plain | {"title": "Squared error of a value", "higher_is_better": False}
    if odd.any() and not odd.all():
        scores["anomaly_auroc"] = _score(AUROC, _column(rows.scores), _column(odd))
    record: dict[str, Any] = {
        "task": "reconstruct",
        "headline": "explained",
        "classes": list(answers.classes),
        "scores": scores,
        "oddness": _called(answers, rows.scores, odd),
    }
    if answers.classes and (targets >= 0).any():
        record["by_class"] = _by_class(answers, rows, targets)
    return record


def beside(answers: Reconstructions, rows: JudgedRows, targets: NDArray[Any], baseline: Baseline) -> list[dict[str, Any]]:
    """The baselines' scores on the same rows, and how far the network is ahead of them.

    Args:
        answers: that say which rows are odd.
        rows: what was measured of each.
        targets: their classes.
        baseline: the components that were fitted.
    """
    odd = answers.is_odd(targets)
    usual = ~odd if not odd.all() else np.ones(len(odd), bool)
    spread, ours = _column(rows.spread[usual]), _column(rows.errors[usual])
    found = []
    rivals: list[tuple[str, str, NDArray[np.float64], float | None]] = [
        ("mean", "the mean of the training rows, whatever the input", rows.spread, None)
    ]
    if baseline.tells:
        rivals.insert(0, (COMPONENTS, baseline.detail, rows.of_components, round(baseline.components.seconds, 2)))
    for name, detail, errors, seconds in rivals:
        theirs = _column(errors[usual])
        scores: dict[str, Any] = {"explained": _plain(EXPLAINED, theirs, spread)}
        if odd.any() and not odd.all():
            scores["anomaly_auroc"] = _plain(AUROC, _column(errors), _column(odd))
        ahead = metrics.paired_difference(EXPLAINED, ours, theirs, spread, resamples=_RESAMPLES)
        row = {"name": name, "detail": detail, "scores": scores, "network_ahead": ahead}
        found.append(row if seconds is None else row | {"seconds": seconds})
    return found


def with_chosen_threshold(predictor: Predictor, schema: Schema, valid: Split) -> tuple[Reconstructions, dict[str, Any]]:
    """The answers with the threshold that the validation rows choose, and how it was chosen.

    Where odd rows are among them, it is the one with the best F1; else one that 5 % of usual rows exceed, or fewer rows than
    20 allow.

    Args:
        predictor: with the trained network.
        schema: of the data.
        valid: the validation rows.
    """
    answers = schema.answers
    assert isinstance(answers, Reconstructions)
    scores = predictor.all_values(valid.inputs)[:, 0].astype(np.float64)
    odd = answers.is_odd(valid.targets)
    known, usual = torch.from_numpy(scores), scores[~odd]
    if int(odd.sum()) >= _FEWEST_ODD:
        found = best_f1_threshold(known, torch.from_numpy(odd))
        how = {"by": "f1", "f1": found.f1, "precision": found.precision, "recall": found.recall, "odd": int(odd.sum())}
        return answers.with_threshold(found.value, usual), how | {"rows": len(scores)}
    alpha = max(_FALSE_ALARMS, 1 / (len(usual) + 1))
    value = quantile_threshold(torch.from_numpy(usual), false_alarms=alpha)
    return answers.with_threshold(value, usual), {"by": "quantile", "false_alarms": alpha, "rows": len(usual)}


def _called(answers: Reconstructions, scores: NDArray[np.float64], odd: NDArray[np.bool_]) -> dict[str, Any]:
    """What lies above the threshold, and what of it is odd."""
    assert answers.threshold is not None
    above = scores > answers.threshold
    record: dict[str, Any] = {"threshold": answers.threshold, "rows": len(scores), "above": int(above.sum())}
    record["usual"] = int((~odd).sum())
    record["false_alarms"] = float(above[~odd].mean()) if (~odd).any() else None
    if odd.any():
        record |= {"odd": int(odd.sum()), "found": int((above & odd).sum()), "classes": list(answers.odd)}
        record["precision"] = float((above & odd).sum() / above.sum()) if above.any() else None
    return record


def _by_class(answers: Reconstructions, rows: JudgedRows, targets: NDArray[Any]) -> list[dict[str, Any]]:
    """Rows, explained variance and share above the threshold of each class, the oddest first."""
    assert answers.threshold is not None
    table = []
    for number, name in enumerate(answers.classes):
        own = targets == number
        if not own.any():
            continue
        spread = float(rows.spread[own].sum())
        told = 1 - float(rows.errors[own].sum()) / spread if spread > 0 else None
        above = float((rows.scores[own] > answers.threshold).mean())
        score = float(np.median(rows.scores[own]))
        table.append(
            {
                "name": name,
                "rows": int(own.sum()),
                "explained": told,
                "above": above,
                "score": score,
                "odd": name in answers.odd,
            }
        )
    return sorted(table, key=lambda row: -row["score"])


def _score(metric: Metric, p: Tensor, t: Tensor) -> dict[str, Any]:
    value = float(metric.function(p, t))
    low, high = metrics.bootstrap_interval(metric, p, t, resamples=_RESAMPLES)
    sound = np.isfinite([value, low, high]).all()
    return {
        "value": value if np.isfinite(value) else None,
        "low": low if sound else None,
        "high": high if sound else None,
        "title": metric.title,
        "higher_is_better": metric.higher_is_better,
    }


def _plain(metric: Metric, p: Tensor, t: Tensor) -> dict[str, Any]:
    return {key: value for key, value in _score(metric, p, t).items() if key in ("value", "low", "high")}


def _column(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float64))[:, None]
