"""Spans of tags: hand-counted examples of conlleval's rules, and a law for sound tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.metrics.spans import is_span_scheme, span_counts, span_metrics, spans_in


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-A I-A O", [("A", 0, 2)]),
        ("I-A I-A O I-B", [("A", 0, 2), ("B", 3, 4)]),  # IOB1
        ("I-A B-A I-A", [("A", 0, 1), ("A", 1, 3)]),  # a B between two of one kind
        ("B-A I-B I-B", [("A", 0, 1), ("B", 1, 3)]),  # another kind begins another span
        ("O I-A O", [("A", 1, 2)]),
        ("B-A I-A E-A S-A O", [("A", 0, 3), ("A", 3, 4)]),  # IOBES
        ("E-A E-A", [("A", 0, 1), ("A", 1, 2)]),
        ("B-A I-A L-A U-B", [("A", 0, 3), ("B", 3, 4)]),  # BILOU
        ("S-A I-A", [("A", 0, 1), ("A", 1, 2)]),
        ("B-A M-A M-A E-A S-A", [("A", 0, 4), ("A", 4, 5)]),  # BMES
        ("B I O I B", [("", 0, 2), ("", 3, 4), ("", 4, 5)]),  # no kinds
        ("B M E S B E", [("", 0, 3), ("", 3, 4), ("", 4, 6)]),
        ("NOUN B-A", [("A", 1, 2)]),  # no mark is outside
        ("O O", []),
        ("", []),
        ("B-A", [("A", 0, 1)]),
        ("B-A-1 I-A-1", [("A-1", 0, 2)]),
    ],
)
def test_spans_are_those_that_conlleval_counts(tags: str, spans: list[tuple[str, int, int]]) -> None:
    assert spans_in(tags.split()) == spans


@given(st.lists(st.tuples(st.sampled_from("OAB"), st.integers(1, 3))))
def test_what_is_written_as_iob2_is_read_back(pieces: list[tuple[str, int]]) -> None:
    tags: list[str] = []
    spans = []
    for kind, length in pieces:
        if kind == "O":
            tags += ["O"] * length
        else:
            spans.append((kind, len(tags), len(tags) + length))
            tags += [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]
    assert spans_in(tags) == spans


@pytest.mark.parametrize(
    ("names", "marks"),
    [
        ("B-A I-A O", True),
        ("I-A I-B O", True),  # IOB1 with a B- nowhere
        ("B-A B-B O", True),
        ("B-A M-A E-A S-A O", True),
        ("B-A I-A L-A U-A O", True),
        ("B I O", True),
        ("B M E S", True),
        ("B I", True),
        ("O", False),
        ("", False),
        ("B O", False),
        ("S O", False),
        ("A B C", False),
        ("S-A E-A O", False),
        ("B-A I-A O PAD", False),
        ("NOUN VERB", False),
    ],
)
def test_which_names_mark_spans(names: str, marks: bool) -> None:
    assert is_span_scheme(tuple(names.split())) is marks


def test_precision_recall_and_f1_of_the_shared_task() -> None:
    truth = [["B-NP", "I-NP", "B-VP", "O"], ["B-NP", "O", "B-PP"]]
    said = [["B-NP", "I-NP", "I-VP", "O"], ["B-NP", "I-NP", "O"]]
    counts = span_counts(said, truth, ["NP", "PP", "VP"])
    score = {name: metric.function(counts, counts).item() for name, metric in span_metrics().items()}
    assert score == pytest.approx({"span_f1": 4 / 7, "span_precision": 2 / 3, "span_recall": 2 / 4})
    assert counts.sum(0).tolist() == [[1, 2, 2], [0, 0, 1], [1, 1, 1]]
