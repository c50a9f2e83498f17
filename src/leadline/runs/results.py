"""Judging: outputs on rows that nothing has seen, against the truth and beside the baselines."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline import files, losses, metrics
from leadline.baselines import Baseline
from leadline.data.answers import Answers
from leadline.data.dataset import Dataset
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.pictures import Pictures
from leadline.plan import Plan
from leadline.report.sentences import better_baseline
from leadline.runs.restarts import Trained, best_epoch
from leadline.runs.solving import pretrained_words
from leadline.spelling import parse_call

_RESAMPLES = 1000
_RESIDUALS = 2000  # points of a scatter plot: more would only blacken it


def judge(answers: Answers, values: NDArray[Any], targets: NDArray[Any]) -> dict[str, Any]:
    """Scores with bootstrap intervals, and what the task allows: confusion, calibration, classes one by one, residuals.

    Args:
        answers: what the outputs mean.
        values: probabilities [N, K] or numbers [N, M].
        targets: [N], or [N, K].
    """
    predicted, truth = torch.from_numpy(values), torch.from_numpy(targets)
    table = metrics.for_task(answers.task, answers.outputs)
    measured = metrics.scores(answers.task, predicted, truth, resamples=_RESAMPLES)
    scores = {
        name: {**score, "title": table[name].title, "higher_is_better": table[name].higher_is_better}
        for name, score in measured.items()
    }
    judged: dict[str, Any] = {
        "task": answers.task,
        "headline": next(iter(table)),
        "classes": list(answers.names),
        "scores": scores,
    }
    if answers.task == "classes":
        confusion = metrics.confusion_matrix(predicted, truth)
        judged["confusion"] = confusion.tolist()
        judged["calibration"] = {name: values.tolist() for name, values in metrics.calibration_curve(predicted, truth).items()}
        judged["per_class"] = per_class(answers.names, confusion.numpy())
    elif answers.task == "number":
        picked = np.random.default_rng(0).permutation(len(targets))[:_RESIDUALS]
        judged["residuals"] = {"truth": targets[picked, 0].tolist(), "value": values[picked, 0].tolist()}
    return judged


def seen_mirrored_too(
    dataset: Dataset, augment: Augment, values: NDArray[Any], predict: Callable[[NDArray[Any]], NDArray[Any]]
) -> dict[str, Any] | None:
    """Scores of the mean of two answers, to each test picture and to its mirror image; None where training mirrored none.

    Args:
        dataset: whose test pictures they are.
        augment: what the training pictures went through.
        values: the answers to the pictures as they are.
        predict: stored pictures [N, H, W, C] → answers.
    """
    if not augment.flip or not isinstance(dataset.schema.inputs, Pictures):
        return None
    mirrored = predict(np.ascontiguousarray(np.asarray(dataset.test.inputs)[:, :, ::-1]))
    mean, truth = torch.from_numpy((values + mirrored) / 2), torch.from_numpy(dataset.test.targets)
    return {"scores": metrics.scores(dataset.task, mean, truth, resamples=_RESAMPLES)}


def beside_baselines(dataset: Dataset, values: NDArray[Any], baselines: Iterable[Baseline]) -> list[dict[str, Any]]:
    """Simple models that learn from the same rows, their scores on the same test rows, and how far the network is ahead.

    Args:
        dataset: whose training rows they learn from.
        values: what the network said of the test rows: probabilities [N, K] or numbers [N, M].
        baselines: of `fit_baselines`.
    """
    answers, truth = dataset.schema.answers, torch.from_numpy(dataset.test.targets)
    metric = next(iter(metrics.for_task(answers.task, answers.outputs).values()))
    rows = []
    for baseline in baselines:
        theirs = torch.from_numpy(baseline.probabilities)
        scores = metrics.scores(answers.task, theirs, truth, resamples=_RESAMPLES)
        ahead = metrics.paired_difference(metric, torch.from_numpy(values), theirs, truth, resamples=_RESAMPLES)
        rows.append(
            {
                "name": baseline.name,
                "detail": baseline.detail,
                "seconds": round(baseline.seconds, 2),
                "scores": scores,
                "network_ahead": ahead,
            }
        )
    return rows


def balance(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Rows of each class (or with each label) in each split; empty for numbers."""
    names = dataset.schema.answers.names
    parts = {"train": dataset.train.targets, "valid": dataset.valid.targets, "test": dataset.test.targets}
    if dataset.task == "number":
        return {}
    counts = {
        part: np.bincount(targets, minlength=len(names)) if dataset.task == "classes" else targets.sum(axis=0)
        for part, targets in parts.items()
    }
    return {part: {name: int(count) for name, count in zip(names, row, strict=True)} for part, row in counts.items()}


def what_next(results: dict[str, Any], folder: str, epochs: int) -> list[str]:
    """Plain sentences: what to do with this network, and what would probably make it better."""
    headline = results["headline"]
    ours = results["scores"][headline]
    advice: list[str] = []
    if better := better_baseline(results):
        advice.append(better)
    advice += more_epochs(results, epochs)
    if results["task"] == "classes" and results["rows"]["test"] < 1000:
        width = (ours["high"] - ours["low"]) if ours["low"] is not None else None
        if width:
            advice.append(
                f"{results['rows']['test']} test rows leave the score uncertain by {width:.1%}; more test rows would narrow it."
            )
    if results["task"] == "classes":
        advice.append("Look at the most wrong examples: a label that is itself wrong is often among them.")
    return [*advice, f"Use it: leadline predict {folder} INPUT …", f"Judge it on other data: leadline evaluate {folder} SOURCE"]


def training_record(path: Path, plan: Plan, dataset: Dataset, trained: Trained) -> dict[str, Any]:
    """What results.json says of any training, whatever its task: how long it took, where it stopped, what was noted.

    Args:
        path: of the Run.
        plan: as it was resolved.
        dataset: that was learned from.
        trained: what it came to.
    """
    history = trained.history
    before = files.read_json(path / "run.json").get("pretraining") or []
    layers = [f"Before the training {pretrained_words(layer)}." for layer in before]
    record = {
        "name": dataset.name,
        "epochs": None if plan.start.solves else int(history["epoch"][-1]),
        "best_epoch": 0 if plan.start.solves else best_epoch(history),
        "stopped": history.stopped,
        "parameters": sum(parameter.numel() for parameter in trained.built.model.parameters()),
        "notes": [*dataset.notes, *layers, *history.notes],
        "excluded": [dataclasses.asdict(row) for row in dataset.excluded],
        "device": plan.training.device,
        "threads": plan.training.threads,
        "seconds": {"data": files.read_json(path / "run.json").get("data_seconds", 0.0), "training": trained.seconds},
    }
    return record if trained.restarts is None else record | {"restarts": trained.restarts}


def more_epochs(results: dict[str, Any], epochs: int) -> list[str]:
    """A sentence where the best weights came so late that more epochs may help.

    Args:
        results: with "best_epoch" and "stopped".
        epochs: of the Plan.
    """
    if results["best_epoch"] < 0.95 * epochs or results["stopped"]:
        return []
    best = f"The best weights came in epoch {results['best_epoch']} of {epochs}"
    return [f"{best}: more may help (--set training.epochs={2 * epochs})."]


def learned_quantile(loss: str) -> float | None:
    """The share of the targets that a quantile loss aims at, or None for another loss.

    Example:
        >>> learned_quantile("quantile(tau=0.9)"), learned_quantile("squared_error")
        (0.9, None)
    """
    call = parse_call(loss, "loss")
    if call.name != "quantile":
        return None
    return float(call.keywords.get("tau", inspect.signature(losses.quantile).parameters["tau"].default))


def per_class(names: tuple[str, ...], confusion: NDArray[np.int64]) -> dict[str, dict[str, float | int | None]]:
    """Rows, recall and precision of each class; None where a class never comes, or is never said.

    Args:
        names: of the K classes.
        confusion: how often each class (rows) is taken for each (columns), [K, K].
    """
    right, truth, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        name: {
            "rows": int(truth[at]),
            "recall": float(right[at] / truth[at]) if truth[at] else None,
            "precision": float(right[at] / said[at]) if said[at] else None,
        }
        for at, name in enumerate(names)
    }
