"""Judging and finishing a training whose answers are for each step of a row, beside simple answers for the same rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline import files, metrics
from leadline.baselines.steps import fit_step_baselines
from leadline.data.dataset import Dataset, Split
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.step_rows import StepSplit
from leadline.data.steps.tagged_sentences import Sentences
from leadline.metrics import fit_temperature
from leadline.metrics.spans import span_counts, span_metrics, spans_in
from leadline.metrics.step_scores import RIGHT, SAID, TRUE, class_step_metrics, counts_by_row, number_step_metrics, sums_by_row
from leadline.metrics.table import Metric
from leadline.plan import Built, Plan
from leadline.report.sentences import better_baseline
from leadline.runs.answering_steps import said_of
from leadline.runs.observer import Observer
from leadline.runs.predicting import Predictor
from leadline.runs.restarts import Trained
from leadline.runs.results import learned_quantile, more_epochs, per_class, training_record
from leadline.runs.shown_steps import step_examples
from leadline.training import outputs_of

_RESAMPLES = 1000
_FEWEST = 5  # rows below which redrawing them says nothing of chance
_BASELINE_SHARE, _BASELINE_LEAST = 0.1, 20.0  # of the training's time; seconds

Said = NDArray[Any]
Judged = dict[str, tuple[Metric, Tensor]]


def calibrated_steps(dataset: Dataset, built: Built) -> Dataset:
    """The same Dataset with the temperature at which the answers for validation steps are most likely; numbers have none.

    Args:
        dataset: whose steps have answers.
        built: the network with its best weights, and validation batches.
    """
    answers = dataset.schema.answers
    if not isinstance(answers, StepClasses):
        return dataset
    outputs, targets = outputs_of(built.model.eval(), built.evaluate.batches)
    there = targets >= 0
    if not bool(there.any()):
        return dataset
    answers = dataclasses.replace(answers, temperature=fit_temperature(outputs[there], targets[there]))
    return dataclasses.replace(dataset, schema=dataclasses.replace(dataset.schema, answers=answers))


def judge_steps(predictor: Predictor, split: Split) -> tuple[dict[str, Any], Said, NDArray[np.float32]]:
    """Scores of the answers to all steps, with intervals from whole rows drawn anew, and what else classes allow.

    Args:
        predictor: the network with its Schema.
        split: rows with their targets.

    Returns:
        The record, what was said of each step, and how sure the network was.
    """
    answers: Any = predictor.schema.answers
    inputs: Any = split.inputs
    assert isinstance(split, StepSplit)
    said, sure = said_of(predictor, inputs)
    measured = _measured(answers, said, split)
    record: dict[str, Any] = {
        "task": answers.task,
        "headline": next(iter(measured)),
        "classes": list(answers.names),
        "scores": {name: _score(metric, sums) for name, (metric, sums) in measured.items()},
        "judged_steps": int(_there(split).sum()),
    }
    if isinstance(answers, StepClasses):
        truth: NDArray[np.int64] = split.targets.values
        known = truth >= 0
        places = truth[known] * answers.outputs + said[known]
        confusion = np.bincount(places, minlength=answers.outputs**2).reshape(answers.outputs, answers.outputs)
        record["confusion"] = confusion.tolist()
        record["per_class"] = per_class(answers.names, confusion)
        record["unseen"] = len(split.strange)
        if answers.spans:
            record["span_kinds"] = _per_kind(answers, said, split)
    return record, said, sure


def finish_steps(
    path: Path, plan: Plan, dataset: Dataset, trained: Trained, predictor: Predictor, observer: Observer
) -> dict[str, Any]:
    """Judge the best weights on the test rows and write examples and results; the results come back.

    Args:
        path: of the Run.
        plan: of the training.
        dataset: calibrated.
        trained: what it came to.
        predictor: its network with the Schema.
        observer: is told what happens.
    """
    schema = dataset.schema
    results, said, sure = judge_steps(predictor, dataset.test)
    observer.note("baselines", "simple answers for the same steps")
    limit = max(_BASELINE_LEAST, _BASELINE_SHARE * trained.seconds)
    quantile = learned_quantile(plan.training.loss)
    results["baselines"] = [] if quantile else _beside(dataset, said, results["headline"], limit)
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    results |= training_record(path, plan, dataset, trained)
    results |= {
        "noun": "words" if isinstance(schema.inputs, Sentences) and schema.inputs.unit == "words" else "steps",
        "rows": {part: int(_there(split).sum()) for part, split in parts.items()},
        "sequences": {part: len(split) for part, split in parts.items()},
        "of": "sentences" if isinstance(schema.inputs, Sentences) else "series",
        "balance": _balance(schema.answers, parts),
        "temperature": getattr(schema.answers, "temperature", None),
    }
    if quantile:
        truth = dataset.test.targets.values
        share = float((truth <= said)[~np.isnan(truth)].mean())
        results["coverage"] = {"quantile": quantile, "share": share}
    results["next"] = _next(results, path, plan)
    files.write_json(path / "examples.json", {"steps": step_examples(dataset, said, sure)})
    files.write_json(path / "results.json", results)
    return results


def tell_steps(results: dict[str, Any], observer: Observer) -> None:
    """The result in two or three lines."""
    headline = results["headline"]
    for name in dict.fromkeys([headline, "span_f1"]):
        if (score := results["scores"].get(name)) and score["value"] is not None:
            interval = "" if score["low"] is None else f" ({_shown(name, score['low'])} to {_shown(name, score['high'])})"
            end = f", from epoch {results['best_epoch']}" if name == headline else ""
            observer.note("result", f"test {_small(score['title'])} {_shown(name, score['value'])}{interval}{end}")
    if results["baselines"]:
        observer.note("beside it", "; ".join(step_baseline_text(row, headline) for row in results["baselines"]))


def step_baseline_text(baseline: dict[str, Any], headline: str) -> str:
    """What a simple method comes to on the same steps.

    Example:
        >>> step_baseline_text({"name": "linear model", "scores": {"accuracy": {"value": 0.5}}}, "accuracy")
        'linear model 50.0 %'
    """
    value = baseline["scores"][headline]["value"]
    return f"{baseline['name']} {'unknown' if value is None else _shown(headline, value)}"


def _there(split: Split) -> NDArray[np.bool_]:
    """Which steps are judged."""
    values: NDArray[Any] = split.targets.values
    return values > -100 if values.ndim == 1 else ~np.isnan(values).any(axis=1)


def _measured(answers: StepClasses | StepNumbers, said: Said, split: StepSplit) -> Judged:
    """Each metric with what it is taken of, summed over each row of the source; the headline first."""
    truth, lengths = torch.from_numpy(split.targets.values), torch.from_numpy(split.targets.lengths)
    if isinstance(answers, StepNumbers):
        sums = _by_whole_row(sums_by_row(torch.from_numpy(said), truth, lengths), split)
        return {name: (metric, sums) for name, metric in number_step_metrics(answers.outputs).items()}
    counts = _by_whole_row(counts_by_row(torch.from_numpy(said), truth, lengths, answers.outputs), split)
    measured = {name: (metric, counts) for name, metric in class_step_metrics().items()}
    if answers.spans:
        spans = _by_whole_row(_spans(answers, said, split), split)
        # Where most words are outside, the share of right tags says little: spans are what is looked for.
        measured = {name: (metric, spans) for name, metric in span_metrics().items()} | measured
    return measured


def _by_whole_row(sums: Tensor, split: StepSplit) -> Tensor:
    """Sums of pieces [N, …] as sums of the rows that they are pieces of, as these are what is drawn anew."""
    if not split.whole:
        return sums
    whole, number = np.unique(split.whole, return_inverse=True)
    return sums.new_zeros(len(whole), *sums.shape[1:]).index_add_(0, torch.from_numpy(number), sums)


def _score(metric: Metric, sums: Tensor) -> dict[str, Any]:
    value = float(metric.function(sums, sums))
    low, high = None, None
    if np.isfinite(value) and len(sums) >= _FEWEST:
        low, high = metrics.bootstrap_interval(metric, sums, sums, resamples=_RESAMPLES)
    return {
        "value": value if np.isfinite(value) else None,
        "low": low,
        "high": high,
        "title": metric.title,
        "higher_is_better": metric.higher_is_better,
    }


def _beside(dataset: Dataset, said: Said, headline: str, seconds: float) -> list[dict[str, Any]]:
    """The simple methods, their scores, and how far the network is ahead on the same redrawn rows."""
    answers: Any = dataset.schema.answers
    assert isinstance(dataset.test, StepSplit)
    metric, ours = _measured(answers, said, dataset.test)[headline]
    rows = []
    for baseline in fit_step_baselines(dataset, dataset.test, seconds=seconds):
        theirs = _measured(answers, baseline.said, dataset.test)
        ahead: dict[str, Any] = {"value": None, "low": None, "high": None}
        if len(ours) >= _FEWEST:
            ahead = metrics.paired_difference(metric, ours, theirs[headline][1], ours, resamples=_RESAMPLES)
        rows.append(
            {
                "name": baseline.name,
                "detail": baseline.detail,
                "seconds": round(baseline.seconds, 2),
                "scores": {name: _score(each, sums) for name, (each, sums) in theirs.items()},
                "network_ahead": ahead,
            }
        )
    return rows


def _tags(answers: StepClasses, numbers: NDArray[Any], split: StepSplit, strange: Mapping[int, str]) -> list[list[str]]:
    """The tags of each row by their numbers, or by name where training never showed them; what is not judged is outside."""
    names = np.array([*answers.names, "O"], object)
    tags = names[np.where(_there(split), numbers, answers.outputs)]
    for at, name in strange.items():
        tags[at] = name
    flat, offsets = tags.tolist(), split.targets.offsets.tolist()
    return [flat[begin:end] for begin, end in pairwise(offsets)]


def _kinds(answers: StepClasses, split: StepSplit) -> list[str]:
    """The kinds of the spans that there are, those among them that training never showed."""
    return sorted({kind for name in {*answers.names, *split.strange.values()} for kind, _, _ in spans_in([name])})


def _spans(answers: StepClasses, said: Said, split: StepSplit) -> Tensor:
    """How many spans of each kind each row has right, says, and has in truth."""
    truth = _tags(answers, split.targets.values, split, split.strange)
    return span_counts(_tags(answers, said, split, {}), truth, _kinds(answers, split))


def _per_kind(answers: StepClasses, said: Said, split: StepSplit) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of the spans of each kind."""
    counts = _spans(answers, said, split).sum(dim=0)
    found = {}
    for kind, row in zip(_kinds(answers, split), counts.tolist(), strict=True):
        right, told, true = row[RIGHT], row[SAID], row[TRUE]
        if told or true:
            found[kind or "spans"] = {
                "spans": int(true),
                "precision": right / told if told else None,
                "recall": right / true if true else None,
                "f1": 2 * right / (told + true),
            }
    return found


def _balance(answers: Any, parts: dict[str, Split]) -> dict[str, dict[str, int]]:
    if not isinstance(answers, StepClasses):
        return {}
    counted = {part: split.targets.values for part, split in parts.items()}
    counted = {part: np.bincount(values[values >= 0], minlength=answers.outputs) for part, values in counted.items()}
    return {part: dict(zip(answers.names, values.tolist(), strict=True)) for part, values in counted.items()}


def _next(results: dict[str, Any], path: Path, plan: Plan) -> list[str]:
    advice = [better] if (better := better_baseline(results)) else []
    advice += more_epochs(results, plan.training.epochs)
    given = '"A sentence"' if results["of"] == "sentences" else "FILE"
    return [
        *advice,
        f"Use it: `leadline predict {path} {given}`",
        f"Judge it on other rows: `leadline evaluate {path} FILE`",
    ]


def _small(title: str) -> str:
    return title if title[:2].isupper() or title[1:2].isdigit() else title[:1].lower() + title[1:]


def _shown(name: str, value: float) -> str:
    if name in ("accuracy", "f1") or name.startswith("span_"):
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
