"""What the section about answers to each step shows: some test rows with what was said and what is true."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from leadline.report.drawing import ACCENT, INK, MUTED, draw
from leadline.report.figures import Panel, label_ends
from leadline.report.sequence_section import as_drawing, channel_lines
from leadline.report.wording import as_answer, as_percent, as_sureness, counted, is_finite

Record = dict[str, Any]
View = dict[str, Any]

_ROWS, _STEPS = 12, 400
_HUES = (195, 30, 140, 275, 340, 60, 225, 105)  # of classes, in the order of their frequency


def steps_view(results: Record, examples: Record) -> View | None:
    """Rows as words with their answers or as bands along a series, scores by kind of span, and sentences; None without any.

    Args:
        results: with "sequences", "of", "noun", and where tags mark spans "span_kinds".
        examples: "steps" holds {"id", "words" or "series", "said", "truth", "sure"} for each row.

    Example:
        >>> row = {"id": "a:1", "words": ["Hi", "Tom"], "said": ["UH", "NN"], "truth": ["UH", "NNP"]}
        >>> view = steps_view({}, {"steps": [row]})
        >>> [(step["word"], step["said"], step["wrong"]) for step in view["rows"][0]["words"]]
        [('Hi', 'UH', False), ('Tom', 'NN', True)]
        >>> steps_view({}, {}) is None
        True
    """
    records = [row for row in (examples.get("steps") or ())[:_ROWS] if row.get("said")]
    hues = _hues(records)
    rows = [view for number, row in enumerate(records) if (view := _row(row, hues, number))]
    kinds = [
        {
            "kind": kind,
            "spans": scores.get("spans"),
            **{name: as_percent(scores.get(name)) for name in ("precision", "recall", "f1")},
        }
        for kind, scores in (results.get("span_kinds") or {}).items()
    ]
    if not rows and not kinds:
        return None
    return {
        "rows": rows,
        "kinds": kinds,
        "legend": [{"name": as_answer(name), "hue": hue} for name, hue in hues.items()]
        if any(row["bands"] for row in rows)
        else [],
        "sentence": _sentence(results),
        "redrawn": _redrawn(results),
    }


def _hues(records: Sequence[Record]) -> dict[str, int]:
    """A hue for each of the commonest classes that are shown; the others are grey."""
    counts: dict[str, int] = {}
    for row in records:
        if not row.get("words"):
            for name in (*row["said"], *row["truth"]):
                if isinstance(name, str):
                    counts[name] = counts.get(name, 0) + 1
    return dict(zip(sorted(counts, key=lambda name: (-counts[name], name)), _HUES, strict=False))


def _row(row: Record, hues: dict[str, int], number: int) -> View | None:
    said, truth = list(row["said"])[:_STEPS], list(row.get("truth") or ())[:_STEPS]
    truth += [None] * (len(said) - len(truth))
    view: View = {"id": str(row.get("id", "")), "words": [], "bands": [], "signal": None, "panel": None}
    view["more"] = int(row.get("more") or 0)
    if row.get("words"):
        sure = list(row.get("sure") or ())
        view["words"] = [
            {
                "word": str(word),
                "said": as_answer(said[at]),
                "truth": as_answer(truth[at]) if truth[at] is not None else "",
                "wrong": truth[at] is not None and _differ(said[at], truth[at]),
                "sure": as_sureness(sure[at]) if at < len(sure) else "",
            }
            for at, word in enumerate(row["words"][: len(said)])
        ]
        judged = [step for step in view["words"] if step["truth"]]
        view["title"] = _title(sum(step["wrong"] for step in judged), len(judged), "word")
        return view
    if all(map(is_finite, said)):
        view["panel"] = _drawing(said, truth, f"{view['id']} ({number + 1})")
        view["title"] = ""
        return view
    if lines := channel_lines(row.get("series") or (), len(said)):
        view["signal"] = as_drawing(lines, f"The series {view['id']}")
    judged = [(mine, right) for mine, right in zip(said, truth, strict=True) if right is not None]
    view["bands"] = [
        {"what": "said", "pieces": _pieces(said, truth, hues)},
        {"what": "is", "pieces": _pieces(truth, None, hues)},
    ]
    view["title"] = _title(sum(mine != right for mine, right in judged), len(judged), "step")
    return view


def _differ(said: Any, truth: Any) -> bool:
    if is_finite(said) and is_finite(truth):
        return False  # numbers are never quite the same
    return bool(said != truth)


def _title(wrong: int, judged: int, noun: str) -> str:
    if not judged:
        return f"no {noun} has a known answer"
    return f"all {counted(judged, noun)} right" if not wrong else f"{wrong:,} of {counted(judged, noun)} wrong"


def _pieces(names: Sequence[Any], truth: Sequence[Any] | None, hues: dict[str, int]) -> list[View]:
    """Runs of steps with one answer, each with how wide it is."""
    keys = [(name, truth is not None and truth[at] is not None and name != truth[at]) for at, name in enumerate(names)]
    pieces, at = [], 0
    for (name, wrong), run in groupby(keys):
        length = sum(1 for _ in run)
        told = as_answer(name) if name is not None else "not known"
        steps = f"step {at + 1}" if length == 1 else f"steps {at + 1} to {at + length}"
        pieces.append(
            {
                "width": 100 * length / len(names),
                "name": told,
                "hue": hues.get(name) if isinstance(name, str) else None,
                "wrong": wrong,
                "told": f"{steps}: {told}" + (", wrong" if wrong else ""),
            }
        )
        at += length
    return pieces


def _drawing(said: Sequence[float], truth: Sequence[Any], name: str) -> Panel:
    """What was said and what is true as two lines over the steps."""
    steps = list(range(1, len(said) + 1))
    right = [float(value) if is_finite(value) else float("nan") for value in truth]

    def paint(axes: Any) -> None:
        axes.plot(steps, right, color=INK, linewidth=1.2)
        axes.plot(steps, said, color=ACCENT, linewidth=1.8)
        axes.set_xlabel("step", color=MUTED)
        ends = {who: value for who, value in (("is", right[-1]), ("said", float(said[-1]))) if is_finite(value)}
        label_ends(axes, ends, "mae", {"is": INK, "said": ACCENT})

    return Panel(name, draw(paint, f"What was said and what is true of {name}"), "")


def _sentence(results: Record) -> str:
    rows, of, noun = results.get("sequences") or {}, str(results.get("of") or "rows"), str(results.get("noun") or "steps")
    unseen = results.get("unseen") or 0
    text = f"Some of the {rows['test']:,} test {of}, from the worst to the best." if "test" in rows else ""
    if unseen:
        text += f" {unseen:,} of their {noun} have an answer that the training never showed; these count as wrong."
    return text.strip()


def _redrawn(results: Record) -> str:
    """Where the intervals of the scores come from."""
    if "sequences" not in results:
        return ""
    of = str(results.get("of") or "rows")
    noun = str(results.get("noun") or "steps")
    return f"The intervals of the scores come from drawing whole {of} anew, as the {noun} of one share what is hard."
