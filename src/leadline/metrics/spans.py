"""Spans that tags such as B-PER, I-PER and O mark: where they are, and how many are found exactly, as conlleval counts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from leadline.metrics.step_scores import RIGHT, SAID, TRUE, total
from leadline.metrics.table import Metric

Span = tuple[str, int, int]
_OUTSIDE = ("O", "")
_SAME = {"L": "E", "U": "S", "M": "I"}  # the letters of BILOU and BMES for those of IOBES
_MARKS = frozenset("BIES") | _SAME.keys()


def spans_in(tags: Sequence[str]) -> list[Span]:
    """The spans that the tags of one row mark, each as its kind, its first step, and the step behind its last.

    A span begins at B or S, at any tag of another kind than the one before, and at I or E behind O, E or S; it ends before
    what is outside or begins another, and at E or S. So the schemes IOB1, IOB2, IOBES, BILOU and BMES are all read, and what
    breaks their rules is read as conlleval reads it.

    Args:
        tags: of one row; what has no kind of its own ("B") has the kind "".

    Example:
        >>> spans_in(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
        [('PER', 0, 2), ('LOC', 3, 4), ('LOC', 4, 5)]

    Source: Tjong Kim Sang and Buchholz (2000), Introduction to the CoNLL-2000 shared task: chunking.
    """
    found: list[Span] = []
    begun: tuple[str, int] | None = None
    before = "O"
    for at, tag in enumerate(tags):
        mark, kind = _parted(tag)
        if begun is not None and (mark in "OBS" or before in "ES" or kind != begun[0]):
            found.append((begun[0], begun[1], at))
            begun = None
        if begun is None and mark != "O":
            begun = (kind, at)
        before = mark
    if begun is not None:
        found.append((begun[0], begun[1], len(tags)))
    return found


def is_span_scheme(names: Sequence[str]) -> bool:
    """Whether names of classes mark spans: "O", and others such as B-PER, I- or B- among them; or B, I and O without kinds.

    Args:
        names: of the classes.

    Example:
        >>> is_span_scheme(("B-PER", "I-PER", "O")), is_span_scheme(("B", "I", "O")), is_span_scheme(("B", "M", "E", "S"))
        (True, True, True)
        >>> is_span_scheme(("DET", "NOUN")), is_span_scheme(("O",)), is_span_scheme(("B", "O"))
        (False, False, False)
    """
    tags = [name.partition("-") for name in names if name != "O"]
    marks = {_SAME.get(mark, mark) for mark, _, _ in tags}
    if not {mark for mark, _, _ in tags} <= _MARKS:
        return False
    # Single letters name much else, so that a beginning and what goes on must both be there.
    return bool(marks & {"B", "I"}) if all(dash for _, dash, _ in tags) else marks >= {"B", "I"}


def span_counts(said: Sequence[Sequence[str]], truth: Sequence[Sequence[str]], kinds: Sequence[str]) -> Tensor:
    """How many spans of each kind each row has right, says, and has in truth.

    Shapes: N rows of tags → float64 [N, K, 3] for K kinds.

    Args:
        said: tags of each row.
        truth: likewise.
        kinds: of spans that are counted.

    Example:
        >>> span_counts([["B-A", "O"]], [["B-A", "I-A"]], ["A"]).tolist()
        [[[0.0, 1.0, 1.0]]]
    """
    places = {kind: number for number, kind in enumerate(kinds)}
    counts = torch.zeros(len(said), len(kinds), 3, dtype=torch.float64)
    for row, (ours, theirs) in enumerate(zip(said, truth, strict=True)):
        mine, right = set(spans_in(ours)), set(spans_in(theirs))
        for which, spans in ((RIGHT, mine & right), (SAID, mine), (TRUE, right)):
            for kind, _, _ in spans:
                if kind in places:
                    counts[row, places[kind], which] += 1
    return counts


def span_metrics() -> dict[str, Metric]:
    """F1, precision and recall of exact spans of all kinds together, as functions of `span_counts`.

    F1 = 2 · right / (said + true).

    Example:
        >>> counts = span_counts([["B-A", "O", "B-A"]], [["B-A", "O", "O"]], ["A"])
        >>> {name: round(metric.function(counts, counts).item(), 3) for name, metric in span_metrics().items()}
        {'span_f1': 0.667, 'span_precision': 0.5, 'span_recall': 1.0}
    """
    return {
        "span_f1": Metric("span_f1", _f1, True, "Span F1"),
        "span_precision": Metric("span_precision", _precision, True, "Span precision"),
        "span_recall": Metric("span_recall", _recall, True, "Span recall"),
    }


def _parted(tag: str) -> tuple[str, str]:
    """The mark of a tag and its kind; a tag without a mark is outside."""
    if tag in _OUTSIDE:
        return "O", ""
    mark, _, kind = tag.partition("-")
    mark = _SAME.get(mark, mark)
    return (mark, kind) if mark in ("B", "I", "E", "S") else ("O", "")


def _f1(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    counts = total(p, weights).sum(dim=-2)
    return 2 * counts[..., RIGHT] / (counts[..., SAID] + counts[..., TRUE])


def _precision(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    counts = total(p, weights).sum(dim=-2)
    return counts[..., RIGHT] / counts[..., SAID]


def _recall(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    counts = total(p, weights).sum(dim=-2)
    return counts[..., RIGHT] / counts[..., TRUE]
