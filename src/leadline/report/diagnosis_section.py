"""What the section about the diagnosis shows: the verdict, each finding with its numbers and pictures, the story of mending."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from leadline.report.data_sections import picture_view
from leadline.report.diagnosis_panels import Drawings
from leadline.report.wording import as_answer, as_number, as_sureness, counted, in_sentence, is_finite

Record = dict[str, Any]
View = dict[str, Any]

PICTURE_BYTES = 500_000  # of a page that is to stay below 5 MB
_FINDINGS, _LISTED = 8, 24
_SPREAD = 20.0  # times from the smallest to the largest of a measure's numbers, from which on its scale is logarithmic
_HEADS = {"softmax": "softmax", "log_softmax": "log softmax", "sigmoid": "sigmoid", "nll_loss": "negative log likelihood"}


def diagnosis_view(record: Record) -> View | None:
    """The verdict in a sentence, the findings, what was tried, and what the network was like inside; None without a diagnosis.

    Args:
        record: "diagnosis" is what `diagnosis.json` holds: "verdict", "readings", and where it was mended "story"; each finding
            of the verdict may have a "command" that makes the change. "examples" may hold under "diagnosed" the rows that the
            findings speak of: "labels" and "copies".

    Example:
        >>> view = diagnosis_view({"diagnosis": {"verdict": {"outcome": "97 % right.", "checked": ["rates"]}}})
        >>> view["sentence"], view["outcome"]
        ('Nothing is wrong with this training.', '97 % right.')
    """
    kept = record.get("diagnosis") or {}
    verdict, readings = kept.get("verdict"), kept.get("readings") or {}
    if not isinstance(verdict, dict):
        return None
    findings = [each for each in verdict.get("findings") or () if each.get("kind")][:_FINDINGS]
    drawings = Drawings(readings, [str(name) for name in (record.get("results") or {}).get("classes") or ()])
    diagnosed = (record.get("examples") or {}).get("diagnosed") or {}
    budget = [PICTURE_BYTES]
    rows = [_finding(number, each, drawings, readings, diagnosed, budget) for number, each in enumerate(findings, 1)]
    tries = drawings.panels_of("tries")
    return {
        "healthy": not findings,
        "sentence": _sentence(findings, verdict.get("checked") or (), judged=bool(verdict.get("judged", True))),
        "outcome": str(verdict.get("outcome") or ""),
        "findings": rows,
        "remarks": [_remark(each) for each in verdict.get("remarks") or ()],
        "tries": [*tries, *drawings.panels_of("rates")],
        "story": [_chapter(each) for each in kept.get("story") or () if each.get("text")],
        "inside": drawings.rest(),
        "checked": ", ".join(map(str, verdict.get("checked") or ())),
        "unchecked": [str(each) for each in verdict.get("unchecked") or ()],
        "afterwards": bool(kept.get("afterwards")),
    }


def _sentence(findings: Sequence[Record], checked: Sequence[Any], *, judged: bool) -> str:
    if not findings:
        if checked and not judged:
            return "Only the course of the loss was looked at, which does not tell whether anything is wrong."
        return "Nothing is wrong with this training." if checked else "Nothing was found wrong with this training."
    titles = [str(each.get("title") or each["kind"]) for each in findings]
    if len(titles) == 1:
        return f"One thing is wrong: {in_sentence(titles[0])}."
    first = f"{counted(len(titles), 'thing')} are wrong, the weightiest first: "
    return first + "; ".join(in_sentence(title) for title in titles) + "."


def _finding(number: int, finding: Record, drawings: Drawings, readings: Record, diagnosed: Record, budget: list[int]) -> View:
    kind, remedy = str(finding["kind"]), finding.get("remedy") or {}
    confidence = finding.get("confidence")
    return {
        "number": number,
        "title": str(finding.get("title") or kind),
        "where": str(finding.get("where") or ""),
        "severity": str(finding.get("severity") or ""),
        "sure": f"{100 * confidence:.0f}\u202f% sure" if is_finite(confidence) else "",
        "confirmed": bool(finding.get("confirmed")),
        "cause": str(finding.get("cause") or ""),
        "measures": [_measure(each) for each in finding.get("evidence") or ()],
        "chain": _chain(kind, readings.get("graph") or {}),
        "panels": drawings.panels_of(kind),
        "labels": _labels(diagnosed, readings, budget) if kind == "label_noise" else [],
        "copies": _copies(diagnosed, budget) if kind == "split_mismatch" else [],
        "remedy": str(remedy.get("says") or ""),
        "code": str(finding.get("command") or remedy.get("code") or ""),
        "tried": str(finding.get("tried") or ""),
    }


def _measure(measure: Record) -> View:
    """A number with its healthy range, and where both lie on a scale of their own, in percent."""
    value, low, high = (measure.get(key) for key in ("value", "low", "high"))
    view: View = {"name": str(measure.get("name") or ""), "shown": as_number(value, 3), "healthy": _healthy(low, high)}
    if not is_finite(value):
        return {**view, "shown": "no number", "at": None}
    known = [float(each) for each in (value, low, high) if is_finite(each)]
    if len(known) < 2:
        return {**view, "at": None}
    positive = [abs(each) for each in known if each]
    logarithmic = min(known) > 0 and max(positive) > _SPREAD * min(positive)
    places = [math.log(each) if logarithmic else each for each in known]
    # A bound on one side only: the healthy part goes on to the edge of the scale.
    room = 0.35 * (max(places) - min(places) or abs(max(places)) or 1.0)
    start, end = min(places) - room, max(places) + room

    def place(number: float) -> float:
        return 100 * ((math.log(number) if logarithmic else number) - start) / (end - start)

    left, right = place(low) if is_finite(low) else 0.0, place(high) if is_finite(high) else 100.0
    outside = (is_finite(low) and value < low) or (is_finite(high) and value > high)
    return {**view, "at": place(value), "from": left, "to": right, "outside": outside}


def _healthy(low: Any, high: Any) -> str:
    if is_finite(low) and is_finite(high):
        return f"healthy from {as_number(low, 3)} to {as_number(high, 3)}"
    if is_finite(high):
        return f"healthy up to {as_number(high, 3)}"
    return f"healthy from {as_number(low, 3)} on" if is_finite(low) else ""


def _chain(kind: str, graph: Record) -> list[View]:
    """What follows on what, as boxes: layers without anything between them, or the head and its loss."""
    if kind == "no_nonlinearity":
        chains = [chain for chain in graph.get("linear_chains") or () if len(chain) > 1]
        longest: list[Any] = max(chains, key=len, default=[])
        return [{"text": str(name), "marked": True} for name in longest[:12]]
    if kind == "head_or_loss_wrong":
        head = [str(each) for each in graph.get("head") or ()]
        loss = [str(each) for each in graph.get("loss_operations") or ()]
        if not head and not loss:
            return []
        boxes = [{"text": "last layer", "marked": False}]
        boxes += [{"text": _HEADS.get(each, each.replace("_", " ")), "marked": True} for each in head]
        return boxes + [{"text": _HEADS.get(each, each.replace("_", " ")), "marked": not head} for each in loss]
    return []


def _labels(diagnosed: Record, readings: Record, budget: list[int]) -> list[View]:
    """Rows whose label looks wrong: those of the Run with their names and pictures, or else their numbers."""
    rows = diagnosed.get("labels") or (readings.get("last") or {}).get("suspicious") or ()
    return [
        {
            "id": str(row.get("id", f"row {row.get('row')}")),
            "label": as_answer(row.get("label")),
            "likelier": as_answer(row.get("likelier")),
            "sure": as_sureness(row.get("confidence")),
            "picture": picture_view(row.get("picture"), budget),
        }
        for row in rows[:_LISTED]
    ]


def _copies(diagnosed: Record, budget: list[int]) -> list[View]:
    """Held-out rows beside the training rows that they (nearly) equal."""
    found = []
    for pair in (diagnosed.get("copies") or ())[:_LISTED]:
        sides = [
            {
                "what": what,
                "id": str(row.get("id", "")),
                "truth": as_answer(row.get("truth")),
                "picture": picture_view(row.get("picture"), budget),
            }
            for what, row in (("held out", pair.get("held_out") or {}), ("training", pair.get("training") or {}))
        ]
        found.append({"sides": sides, "differ": sides[0]["truth"] != sides[1]["truth"]})
    return found


def _remark(finding: Record) -> View:
    numbers = "; ".join(f"{each.get('name')} {as_number(each.get('value'), 3)}" for each in finding.get("evidence") or ())
    where = f" ({finding['where']})" if finding.get("where") else ""
    return {
        "title": f"{finding.get('title') or finding.get('kind')}{where}",
        "text": str(finding.get("cause") or ""),
        "numbers": numbers,
    }


def _chapter(each: Record) -> View:
    """A line of the story: what was seen, tried, or came of it."""
    helped = each.get("helped")
    return {
        "kind": str(each.get("kind") or "").replace("_", " "),
        "text": str(each["text"]),
        "helped": "" if helped is None else "helped" if helped else "did not help",
    }
