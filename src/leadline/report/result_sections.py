"""What the sections about the result show; a section without material is None and is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from leadline.report.sentences import bounds, confusion_sentence
from leadline.report.wording import (
    PERCENT_SCORES,
    as_answer,
    as_duration,
    as_interval,
    as_percent,
    as_score,
    as_size,
    as_sureness,
    as_tick,
    is_finite,
)

Record = dict[str, Any]
View = dict[str, Any]

FEW_CLASSES = 12  # up to here the matrix itself shows the worst pairs, and fits beside a table
MATRIX_CLASSES = 30  # a larger confusion matrix is a picture of dust: the worst pairs say more
LISTED = 20


def score_view(results: Record) -> View | None:
    """The headline metric of the network and the baselines on one scale, and all scores in a table."""
    scores = {name: score for name, score in (results.get("scores") or {}).items() if score and is_finite(score.get("value"))}
    if not scores:
        return None
    metric = str(results["headline"]) if results.get("headline") in scores else next(iter(scores))
    rivals = [baseline for baseline in results.get("baselines") or () if baseline.get("scores")]
    ours = "this model" if results.get("task") == "ngram" else "this network"
    columns = [{"name": ours, "detail": "", "scores": scores}]
    if mirrored := (results.get("mirrored") or {}).get("scores"):
        columns.append(
            {
                "name": "mirrored too",
                "detail": "the mean of its answers to each picture and its mirror image",
                "scores": mirrored,
            }
        )
    columns += rivals
    tested = (results.get("rows") or {}).get("test")
    bars = [_bar(metric, column, tested) for column in columns if _value(column, metric) is not None]
    rows = [
        {
            "title": score.get("title") or name.replace("_", " "),
            "better": "higher" if score.get("higher_is_better", True) else "lower",
            "interval": as_interval(name, *bounds(name, score, tested)) if is_finite(score.get("low")) else "",
            "values": [as_score(name, _value(column, name)) for column in columns],
        }
        for name, score in scores.items()
    ]
    title = scores[metric].get("title") or metric.replace("_", " ")
    return {
        "metric": title,
        "bars": _placed(bars, metric),
        "columns": [column["name"] for column in columns],
        "rows": rows,
    }


def _value(column: Record, metric: str) -> float | None:
    score = column["scores"].get(metric)
    return score["value"] if score and is_finite(score.get("value")) else None


def _bar(metric: str, column: Record, tested: int | None) -> View:
    score = column["scores"][metric]
    low, high = bounds(metric, score, tested)
    seconds = f"fitted in {as_duration(column['seconds'])}" if is_finite(column.get("seconds")) else ""
    details = ", ".join(filter(None, (column.get("detail") or "", seconds)))
    interval = as_interval(metric, low, high) if is_finite(score.get("low")) else ""
    return {
        "name": column["name"],
        "detail": details,
        "value": score["value"],
        "low": low,
        "high": high,
        "shown": as_score(metric, score["value"]),
        "interval": interval,
    }


def _placed(bars: list[View], metric: str) -> View:
    """Positions in percent of a scale that holds every interval with a margin and ends at round numbers."""
    low, high = min(bar["low"] for bar in bars), max(bar["high"] for bar in bars)
    margin = 0.05 * (high - low) or 0.05 * (abs(high) or 1)
    step = 10 ** math.floor(math.log10(high - low + 2 * margin)) / 2
    start, end = step * math.floor((low - margin) / step), step * math.ceil((high + margin) / step)
    if metric in PERCENT_SCORES:
        start, end = max(0.0, start), min(1.0, end)
    for bar in bars:
        bar["at"], bar["from"], bar["to"] = (100 * (bar[key] - start) / (end - start) for key in ("value", "low", "high"))
    return {"rows": bars, "start": as_tick(metric, start), "end": as_tick(metric, end)}


def fact_list(results: Record) -> list[tuple[str, str]]:
    """Five or six numbers that place the result: (what, how much)."""
    rows, seconds = results.get("rows") or {}, results.get("seconds") or {}
    follow = "follow it by" if results.get("task") == "words" else "choose by"
    epochs, best = results.get("epochs"), results.get("best_epoch")
    facts = [
        (f"{_noun(key, results)} to {name}", f"{rows[key]:,}")
        for key, name in (("train", "learn from"), ("valid", follow), ("test", "test on"))
        if key in rows
    ]
    if results.get("parameters") is not None:
        facts.append(("parameters", as_size(results["parameters"])))
    if (restarts := results.get("restarts") or {}).get("ensemble"):
        count = sum(is_finite(row.get("value")) for row in restarts["networks"])
        facts.append(("networks, whose mean answers", f"{count:,}"))
    elif epochs is not None:
        facts.append((f"epochs, the best was {best}" if best is not None else "epochs", f"{epochs:,}"))
    if is_finite(seconds.get("training")):
        threads = results.get("threads")
        where = f", on {results['device']}" if results.get("device") else ""
        where += f" with {threads} thread{'s' if threads != 1 else ''}" if threads and results.get("device") == "cpu" else ""
        facts.append((f"to train{where}", as_duration(seconds["training"])))
    return facts


def _noun(part: str, results: Record) -> str:
    """What the rows of a split are."""
    if results.get("task") == "forecast":
        return "windows" if part == "train" else "moments"
    if results.get("task") == "trees":
        return "trees"
    if results.get("task") == "generate":
        return "pictures"
    if results.get("task") in ("tokens", "ngram", "words", "sequence"):
        return str(results.get("noun") or "tokens")
    if results.get("task") != "pairs":
        return "rows"
    return "crops" if part == "train" else "photos"


def confusion_view(results: Record) -> View | None:
    """The confusion matrix up to 30 classes, and the most frequent confusions for any number of them."""
    matrix = results.get("confusion") or []
    names = [as_answer(str(name)) for name in results.get("classes") or range(len(matrix))]
    if not matrix or len(matrix) != len(names):
        return None
    sums = [sum(row) for row in matrix]
    pairs = [
        {"truth": names[t], "answer": names[a], "count": count, "share": as_percent(count / sums[t])}
        for t, row in enumerate(matrix)
        for a, count in enumerate(row)
        if count and t != a
    ]
    pairs.sort(key=lambda pair: -pair["count"])
    wrong = sum(pair["count"] for pair in pairs)
    few, cells = len(names) <= FEW_CLASSES, None
    if len(names) <= MATRIX_CLASSES:
        # The square root lets a few errors be seen beside hundreds of right answers.
        cells = [
            [{"count": count, "tint": round(100 * (count / (sums[t] or 1)) ** 0.5)} for count in row]
            for t, row in enumerate(matrix)
        ]
    listed = pairs[: 0 if few else LISTED // 2 if cells else LISTED]
    return {
        "names": names,
        "cells": cells,
        "few": few,
        "short": max(map(len, names)) <= 3,
        "pairs": listed,
        "sentence": confusion_sentence(pairs, wrong, sum(sums), _noun("test", results).removesuffix("s")),
        "noun": _noun("test", results),
    }


def class_view(results: Record) -> View | None:
    """Recall and precision class by class, the weakest first; of many classes only the weakest."""
    classes = results.get("per_class") or {}
    rows = [
        {
            "name": as_answer(name),
            "rows": scores.get("rows"),
            "recall": scores.get("recall"),
            "precision": scores.get("precision"),
        }
        for name, scores in classes.items()
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: (not is_finite(row["recall"]), row["recall"] if is_finite(row["recall"]) else 0))
    shown = rows if len(rows) <= MATRIX_CLASSES else rows[:LISTED]
    for row in shown:
        row["recall_shown"], row["precision_shown"] = as_percent(row["recall"]), as_percent(row["precision"])
    return {"rows": shown, "left_out": len(rows) - len(shown), "noun": _noun("test", results)}


def reliance_view(calibration: Record) -> list[View]:
    """What one gets by taking only the answers that the network is surest of: {"least", "taken", "right"} for a few thresholds.

    The bins must be of equal width, as their mean confidences show; of other bins the thresholds are not known.
    """
    bins = list(zip(calibration["confidence"], calibration["accuracy"], calibration["count"], strict=False))
    filled = [
        (place, sure, right, count)
        for place, (sure, right, count) in enumerate(bins)
        if count and is_finite(sure) and is_finite(right)
    ]
    if any(not place - 1e-6 <= sure * len(bins) <= place + 1 + 1e-6 for place, sure, *_ in filled):
        return []
    rows = sum(count for *_, count in filled)
    table = []
    for start in range((len(bins) + 1) // 2, len(bins)):
        taken = [(right, count) for place, _, right, count in filled if place >= start]
        kept = sum(count for _, count in taken)
        if kept:
            share = sum(right * count for right, count in taken) / kept
            table.append(
                {"least": as_sureness(start / len(bins)), "taken": as_percent(kept / rows), "right": as_percent(share)}
            )
    return table[(len(table) - 1) % 2 :: 2] if len(table) > 5 else table


def residual_columns(results: Record) -> list[tuple[str, Sequence[float], Sequence[float]]]:
    """(name, truth, answers) for each number that was learned; the record holds one list, or one list a row."""
    residuals = results.get("residuals") or {}
    truth, value = residuals.get("truth") or [], residuals.get("value") or []
    if not truth or not value:
        return []
    columns = [list(column) for column in zip(*truth, strict=False)] if isinstance(truth[0], (list, tuple)) else [truth]
    answers = [list(column) for column in zip(*value, strict=False)] if isinstance(value[0], (list, tuple)) else [value]
    names = [as_answer(name) for name in results.get("classes") or ()] or [
        f"number {place + 1}" if len(columns) > 1 else "" for place in range(len(columns))
    ]
    return list(zip(names, columns, answers, strict=False))[:6]
