"""What the numbers mean, in plain sentences that promise no more than the numbers bear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leadline.report.wording import as_interval, as_listing, as_percent, as_score, counted, in_sentence, is_finite, shortened

Results = dict[str, Any]
_FORECASTS = ("seasonal naive", "naive", "drift")
FEW = 200  # below this many test rows an interval is so wide that the reader is told so


@dataclass(frozen=True)
class Outcome:
    """The result in one `headline`, and the sentences beneath it."""

    headline: str
    details: tuple[str, ...] = ()


def outcome(results: Results, noun: str = "rows") -> Outcome:
    """How good the network is on the test split, against the best of the baselines.

    "Clearly" is said only where the 95 % interval of the difference on the same rows leaves 0 out (or, where that was not
    measured, where the two intervals do not overlap); else neither is called better.

    Args:
        results: the record of results; `headline` names the metric, `scores` and `baselines` hold it.
        noun: what a row is: "rows", "pictures".

    Example:
        >>> score = {"value": 0.9, "low": 0.88, "high": 0.92, "title": "Accuracy", "higher_is_better": True}
        >>> baseline = {"name": "linear model", "scores": {"accuracy": {"value": 0.7, "low": 0.67, "high": 0.73}}}
        >>> results = {"task": "classes", "headline": "accuracy", "scores": {"accuracy": score}, "baselines": [baseline]}
        >>> print(outcome(results).headline.replace("\u202f", " "))
        It is right on 90.0 % of the rows it had never seen, clearly better than a linear model (70.0 %).
    """
    metric = results.get("headline") or ""
    score = (results.get("scores") or {}).get(metric)
    rows = (results.get("rows") or {}).get("test")
    if not score or not is_finite(score.get("value")):
        return Outcome("There is no test result yet.")
    rival = _best_rival(results, metric, score)
    clause, verdict = _comparison(metric, score, rival, rows) if rival else ("", _alone(results, metric))
    most = _most_frequent(results, metric, score["value"], score.get("low"))
    return Outcome(
        _claim(metric, score, rows, noun) + clause + ".",
        tuple(
            filter(
                None, (_certainty(metric, score, rows, noun), verdict, most, _explained(results), coverage_sentence(results))
            )
        ),
    )


def better_baseline(results: Results) -> str:
    """What to do where a baseline is clearly better than the network; empty where none is, or where chance may explain it.

    Example:
        >>> ours, theirs = ({"value": v, "low": v - 0.01, "high": v + 0.01, "higher_is_better": True} for v in (0.8, 0.9))
        >>> baseline = {"name": "gradient boosting", "detail": "101 trees", "scores": {"auroc": theirs}}
        >>> print(better_baseline({"headline": "auroc", "scores": {"auroc": ours}, "baselines": [baseline]}))
        Gradient boosting (101 trees) is clearly better on the same test rows: use it, or give the network more rows or epochs.
    """
    metric = results.get("headline") or ""
    score = (results.get("scores") or {}).get(metric)
    rival = _best_rival(results, metric, score) if score and is_finite(score.get("value")) else None
    if not score or not rival:
        return ""
    name, its = rival
    ahead = (its["value"] > score["value"]) == score.get("higher_is_better", True) and its["value"] != score["value"]
    if not ahead or not _decided(metric, score, its, (results.get("rows") or {}).get("test"))[0]:
        return ""
    said = with_article(name)
    detail = f" ({its['detail']})" if its.get("detail") else ""
    return (
        f"{said[:1].upper()}{said[1:]}{detail} is clearly better on the same test rows: use it, "
        "or give the network more rows or epochs."
    )


def with_article(name: str) -> str:
    """The name of a baseline as it stands in a sentence.

    Example:
        >>> [with_article(name) for name in ("linear model", "gradient boosting", "nearest neighbours", "seasonal naive")]
        ['a linear model', 'gradient boosting', 'nearest neighbours', 'the seasonal naive forecast']
    """
    if name in _FORECASTS:
        return f"the {name} forecast"
    if name.startswith("most frequent class"):
        return f"the {name}"
    return f"a {name}" if name.endswith("model") else name


def coverage_sentence(results: Results) -> str:
    """Whether as many rows lie below a predicted quantile as should; empty where no quantile was learned.

    Example:
        >>> sentence = coverage_sentence({"coverage": {"quantile": 0.9, "share": 0.8}, "rows": {"test": 400}})
        >>> print(sentence.replace("\u202f", " "))
        It answers with the 90 % quantile: of the test rows 80.0 % lie at or below its answer, fewer than should.
    """
    coverage, rows = results.get("coverage") or {}, (results.get("rows") or {}).get("test")
    quantile, share = coverage.get("quantile"), coverage.get("share")
    if not (is_finite(quantile) and is_finite(share)):
        return ""
    doubt = (quantile * (1 - quantile) / rows) ** 0.5 if rows else 0.0  # one standard error of a share
    if abs(share - quantile) <= max(0.005, 2 * doubt):
        verdict = "as many as should, as far as chance allows"
    else:
        verdict = f"{'fewer' if share < quantile else 'more'} than should"
    asked = "the median" if quantile == 0.5 else f"the {100 * quantile:.4g}\u202f% quantile"
    return f"It answers with {asked}: of the test rows {as_percent(share)} lie at or below its answer, {verdict}."


def calibration_sentence(calibration: dict[str, Any]) -> str:
    """Whether the stated probabilities can be taken at their word: mean confidence against the share that was right.

    Example:
        >>> sentence = calibration_sentence({"confidence": [0.6, 0.9], "accuracy": [0.5, 0.7], "count": [10, 30]})
        >>> print(sentence.replace("\u202f", " "))
        On average it says it is 82.5 % sure and is right 65.0 % of the time: it is too sure of itself.
    """
    bins = [
        group
        for group in zip(
            calibration.get("confidence") or (), calibration.get("accuracy") or (), calibration.get("count") or (), strict=False
        )
        if all(map(is_finite, group)) and group[2] > 0
    ]
    rows = sum(count for *_, count in bins)
    if not rows:
        return ""
    sure = sum(confidence * count for confidence, _, count in bins) / rows
    right = sum(accuracy * count for _, accuracy, count in bins) / rows
    doubt = (right * (1 - right) / rows) ** 0.5  # one standard error of a share
    if abs(sure - right) <= max(0.01, 2 * doubt):
        verdict = "what it says can be taken at its word"
    else:
        verdict = "it is too sure of itself" if sure > right else "it is right more often than it says"
    return f"On average it says it is {as_percent(sure)} sure and is right {as_percent(right)} of the time: {verdict}."


def dependence_sentence(outputs: Sequence[str], left_out: int, task: str) -> str:
    """What the drawings of how the answer changes with a column show.

    Example:
        >>> dependence_sentence(["price"], 0, "number").split(":")[0]
        'How the answer changes with one column, all else in each row as it is'
    """
    if task == "number":
        asked = "the mean answer" if len(outputs) == 1 else "the mean answers"
    else:
        asked = f"the mean probability of {as_listing(outputs)}"
    others = f"; {left_out:,} others change less and are not drawn" if left_out else ""
    return (
        f"How the answer changes with one column, all else in each row as it is: {asked}{others}. The shaded band holds eight "
        "rows in ten, the bars along the bottom and larger dots say where the rows are. All drawings share one scale."
    )


def confusion_sentence(worst: Sequence[dict[str, Any]], wrong: int, rows: int, noun: str = "row") -> str:
    """How many rows are wrong, and how many of these the most frequent confusions account for."""
    if not wrong:
        return f"The one test {noun} is right." if rows == 1 else f"Not one of the {rows:,} test {noun}s is wrong."
    top = sum(pair["count"] for pair in worst[:3])
    share = (
        f" The {min(3, len(worst))} most frequent confusions make up {top:,} of them."
        if len(worst) > 3 and 3 * top >= wrong > 10
        else ""
    )
    return f"{wrong:,} of {counted(rows, f'test {noun}')} {'is' if wrong == 1 else 'are'} wrong.{share}"


def _claim(metric: str, score: dict[str, Any], rows: int | None, noun: str) -> str:
    shown = as_score(metric, score["value"])
    if metric == "accuracy" and score["value"] == 1 and rows:
        return f"It is right on all {rows:,} {noun} of the test split"
    if metric == "accuracy":
        return f"It is right on {shown} of the {noun} it had never seen"
    if metric == "explained":
        return f"It tells {shown} of the variance of {noun} it had never seen"
    if metric == "mae":
        return f"Its answers are off by {shown} on average on {noun} it had never seen"
    if metric == "perplexity":
        return f"Its perplexity is {shown} on text it had never seen"
    if metric == "bits":
        return f"It needs {shown} {in_sentence(str(score.get('title') or 'bits'))} on text it had never seen"
    title = in_sentence(str(score.get("title") or metric.replace("_", " ")))
    return f"Its {title} is {shown} on {noun} it had never seen"


def _alone(results: Results, metric: str) -> str:
    """What a score is to be seen beside where nothing simpler was fitted."""
    drawn = results.get("drawn_loss")
    if not is_finite(drawn):
        return "No simpler method was fitted to compare with."
    return (
        f"With vectors as they are drawn at first it is {as_score(metric, drawn)}. That it falls shows that something was "
        "learned; how useful the vectors are is told by analogies and similarities."
    )


def _best_rival(results: Results, metric: str, score: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    sign = 1 if score.get("higher_is_better", True) else -1
    rivals = []
    for baseline in results.get("baselines") or ():
        its = (baseline.get("scores") or {}).get(metric)
        if its and is_finite(its.get("value")):
            rivals.append(
                (
                    str(baseline.get("name") or "a baseline"),
                    {**its, "ahead": baseline.get("network_ahead"), "detail": baseline.get("detail")},
                )
            )
    return max(rivals, key=lambda rival: sign * rival[1]["value"], default=None)


def _comparison(metric: str, score: dict[str, Any], rival: tuple[str, dict[str, Any]], rows: int | None) -> tuple[str, str]:
    name, its = rival
    its_value = as_score(metric, its["value"])
    article = with_article(name)
    better = (score["value"] > its["value"]) == score.get("higher_is_better", True) and score["value"] != its["value"]
    ahead = its.get("ahead") or {}
    if is_finite(ahead.get("value")) and "low" in ahead and ahead["low"] is None:
        clause = (
            f", where {article} is off by {its_value}" if metric in ("mae", "rmse") else f", beside {article} ({its_value})"
        )
        return clause, "The test part is too short for intervals, so it does not show how much of the difference is chance."
    decided, reason = _decided(metric, score, its, rows)
    if not decided:
        same = score["value"] == its["value"]
        clause = f", exactly as good as {article}" if same else f", too close to {article} ({its_value}) to call"
        return clause, f"{reason}: this test split does not show whether the network or {article} is better."
    if better:
        return (f", clearly better than {article} ({its_value})", f"{reason}: more than chance explains.")
    return (
        f", but {article} does clearly better ({its_value})",
        f"{reason}, more than chance explains: as things stand {article} is the better choice.",
    )


def _decided(metric: str, score: dict[str, Any], its: dict[str, Any], rows: int | None) -> tuple[bool, str]:
    """Whether the difference is more than chance, and what says so."""
    ahead = its.get("ahead") or {}
    if is_finite(ahead.get("low")) and is_finite(ahead.get("high")):
        low, high = ahead["low"], ahead["high"]
        if low == high == 0:
            return False, "On the same rows drawn anew the two differ by nothing"
        if low <= 0 <= high:
            return False, f"On the same rows drawn anew the difference goes from {as_interval(metric, low, high)}"
        size = as_interval(metric, *sorted((abs(low), abs(high))))
        return True, f"On the same rows the two differ by {size} (95 % interval)"
    if _apart(bounds(metric, score, rows), bounds(metric, its, rows)):
        return True, "Their intervals do not overlap"
    return False, "The intervals of the two overlap"


def bounds(metric: str, score: dict[str, Any], rows: int | None) -> tuple[float, float]:
    """The interval of a score; a missing bound is the value itself.

    Resampling rows that are all right gives rows that are all right, an interval of no width. What such a sample does bear is
    the rule of three (Hanley & Lippman-Hand 1983, JAMA 249): with none of n wrong, at most 3 / n are wrong, at 95 %.

    Example:
        >>> bounds("accuracy", {"value": 1.0, "low": 1.0, "high": 1.0}, 300)
        (0.99, 1.0)
    """
    low, high = (float(score[side] if is_finite(score.get(side)) else score["value"]) for side in ("low", "high"))
    low, high = min(low, score["value"]), max(high, score["value"])
    if metric == "accuracy" and score["value"] == 1 and rows:
        low = min(low, max(0.0, 1 - 3 / rows))
    return low, high


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] > other[1] or one[1] < other[0]


def _certainty(metric: str, score: dict[str, Any], rows: int | None, noun: str) -> str:
    interval = as_interval(metric, *bounds(metric, score, rows)) if is_finite(score.get("low")) else ""
    if not interval:
        return ""
    basis = f"Measured on {rows:,} test {noun}" if rows else "Measured on the test split"
    few = f" So few {noun} leave much room for chance." if rows and rows < FEW else ""
    return f"{basis}, which neither training nor any choice had seen: 95\u202f% interval {interval}.{few}"


def _most_frequent(results: Results, metric: str, value: float, low: float | None) -> str:
    """What always giving the same answer would be worth: a score means little beside a class that is 95 % of the rows."""
    counts = most_frequent(results)
    if metric != "accuracy" or not counts:
        return ""
    name, share = counts
    always = f"Always answering “\u2068{shortened(name)}\u2069”, the most frequent class, would be right on {as_percent(share)}"
    if value < share:
        return f"{always}: more than the network."
    if share >= (low if is_finite(low) and low is not None else value):
        return f"{always}: the network is not shown to be better than that."
    return f"{always}."


def _explained(results: Results) -> str:
    """R² in words, for numbers."""
    share = ((results.get("scores") or {}).get("r2") or {}).get("value")
    if results.get("headline") == "r2" or not is_finite(share):
        return ""
    if share <= 0:
        return "Always answering the mean would be as good or better: R² is not above 0."
    return f"It explains {as_percent(share)} of how the truth varies (R²)."


def most_frequent(results: Results) -> tuple[str, float] | None:
    """The most frequent class of the test split and its share."""
    names, matrix = results.get("classes") or [], results.get("confusion") or []
    counts = {str(name): sum(row) for name, row in zip(names, matrix, strict=False)}
    counts = counts or ((results.get("balance") or {}).get("test") or {})
    total = sum(counts.values())
    if not total:
        return None
    name = max(counts, key=lambda name: counts[name])
    return str(name), counts[name] / total
